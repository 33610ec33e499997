"""What a user says about an encoder; no heavy import, for configuration is checked without torch."""

from pydantic import Field

from scan2seg.config.base import NameOrPath, Settings


class EncoderSettings(Settings):
    """Weights and freezing of an encoder."""

    pretrained: NameOrPath = "none"
    """``none``: random weights; ``imagenet`` (or another name that the encoder has): weights that
    ``scan2seg fetch-weights ENCODER`` put into the cache; or the path of a file (safetensors, or a torch state
    dictionary), relative to the YAML file."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """What the file of weights must hash to; null: not checked beyond the cache's own record."""
    freeze: str | list[str | int] = "none"
    """What training leaves as it is, batch-norm statistics included: ``none``, ``encoder`` (all of it), or a list
    of stage numbers (1 is the first, to the first halving) and beginnings of parameter names."""
