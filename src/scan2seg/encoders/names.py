"""The names of encoders, known without the libraries that have them: login nodes check configurations without torch.

``names.txt`` lists them, ``tu-`` for timm's and ``tv-`` for torchvision's; ``python -m scan2seg.encoders.names`` writes
it anew after an update of the libraries.
"""

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from scan2seg.errors import InputError

FILE = Path(__file__).with_name("names.txt")


@cache
def read_names() -> tuple[str, ...]:
    """Return every name of the list."""
    return tuple(FILE.read_text("utf-8").split())


def check_name(name: str) -> str:
    """Return the name of an encoder that exists; a timm model may carry the tag of its weights behind a dot.

    Raises:
        InputError: there is none; the message names the nearest ones.
    """
    known = read_names()
    if name in known or (name.startswith("tu-") and name.split(".")[0] in known):
        return name
    import difflib

    near = ", ".join(difflib.get_close_matches(name, known, n=5, cutoff=0.5))
    hint = f"did you mean one of {near}?" if near else "choose such as resnet34, or tu-NAME of a timm model"
    raise InputError(f"architecture: encoder: unknown encoder '{name}': {hint}")


def _validate(name: str) -> str:
    try:
        return check_name(name)
    except InputError as error:
        raise ValueError(str(error).removeprefix("architecture: encoder: ")) from None


EncoderName = Annotated[str, AfterValidator(_validate)]
"""The name of an encoder, checked when the configuration is read."""


def list_installed() -> list[str]:
    """List the encoders of the installed libraries, those of segmentation_models_pytorch first."""
    import segmentation_models_pytorch as smp
    import timm

    from scan2seg.encoders.torchvision_models import NAMES

    return [*sorted(smp.encoders.get_encoder_names()), *NAMES, *sorted(f"tu-{name}" for name in timm.list_models())]


if __name__ == "__main__":
    FILE.write_text("\n".join(list_installed()) + "\n", "utf-8")
