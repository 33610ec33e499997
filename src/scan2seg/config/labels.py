"""How the values or colours of a label file become classes."""

from typing import Any, Self

from pydantic import Field, model_validator

from scan2seg.config.base import Settings

Colour = tuple[int, int, int]


class LabelMapping(Settings):
    """At most one of values, colours and nearest; without any, a label's value is the index of its class."""

    label_values: dict[str, int | list[int]] | None = None
    """Class name to the value, or the values, that mean it."""
    label_colours: dict[str, Colour | list[Colour] | None] | None = None
    """Class name to its exact colour [red, green, blue] of 0 to 255, or a list of them; null means every other colour.
    Masks of another type are scaled: red is [255, 0, 0] in a file of 16 bits or of 0 to 1 too."""
    label_divisor: int | None = Field(default=None, ge=1)
    """Labels are divided by this number first, without remainder (33001 with 1000 is 33)."""
    label_nearest: dict[str, float] | None = None
    """Class name to its grey level; a pixel takes the class whose level is nearest."""
    void_values: list[int] = []
    """Label values before the divisor that are left out of training and scores."""
    ignore_values: list[int | Colour] = []
    """Void labels, left out of training and scores: values (after the divisor) such as [11], or with ``label_colours``
    colours such as [[224, 224, 192]]."""

    @model_validator(mode="after")
    def _check_single(self) -> Self:
        given = [self.label_values, self.label_colours, self.label_nearest]
        if sum(item is not None for item in given) > 1:
            raise ValueError("give only one of label_values, label_colours and label_nearest")
        if self.void_values and (self.label_colours or self.label_nearest):
            raise ValueError(f"void_values: {self.void_values} are for label values; use ignore_values")
        wrong = [value for value in self.ignore_values if isinstance(value, int) == bool(self.label_colours)]
        if wrong:
            wanted = "colours [red, green, blue]" if self.label_colours else "whole numbers"
            raise ValueError(f"ignore_values: {wrong[0]} does not fit the labels; list {wanted}")
        return self

    def class_names(self) -> set[str]:
        """Return the class names that the mapping mentions."""
        named: dict[str, Any] = self.label_values or self.label_colours or self.label_nearest or {}
        return set(named)
