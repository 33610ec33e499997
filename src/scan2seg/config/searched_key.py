"""The values that a study tries for one key of a recipe."""

import json
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from scan2seg.config.base import Settings

Number = int | Annotated[float, Field(allow_inf_nan=False)]


class SearchedKey(Settings):
    """The values of one key: a range from ``low`` to ``high``, or a list of ``values``."""

    low: Number | None = None
    """The smallest value; whole numbers at both ends search whole numbers only."""
    high: Number | None = None
    """The largest value."""
    log: bool = False
    """Draw evenly over the logarithm."""
    step: Number | None = Field(default=None, gt=0)
    """Distance of the values from ``low`` on."""
    values: list[Any] | None = None
    """The values themselves: anything that the key takes."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.values is not None:
            if self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("give values:, or low: and high:, not both")
            if not self.values or len({json.dumps(value, default=str) for value in self.values}) < len(self.values):
                raise ValueError(f"values: give at least one, none twice, not {self.values}")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give low: and high:, or values: with a list")
        if self.low >= self.high:
            raise ValueError(f"low: {self.low} is not below high: {self.high}; swap them, or use values:")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"log: true needs low: above 0, not {self.low}, and no step:")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step: {self.step} is longer than the range from {self.low} to {self.high}")
        return self

    @property
    def whole(self) -> bool:
        """Whether a range holds whole numbers only."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    def points(self) -> list[Any] | None:
        """Return every value, or None for a continuous range."""
        if self.values is not None:
            return self.values
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            return None
        # decimals, so that 0.1 + 2 * 0.1 is 0.3
        low, high, distance = (Decimal(str(value)) for value in (self.low, self.high, step))
        kind = int if self.whole else float
        return [kind(low + distance * index) for index in range(int((high - low) / distance) + 1)]

    def extremes(self) -> list[Any]:
        """Return the values that a check tries: both ends, or every listed one."""
        return [self.low, self.high] if self.values is None else self.values
