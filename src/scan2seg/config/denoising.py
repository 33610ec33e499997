"""Settings of denoising: a list of steps, each a plugin of the folder ``denoising``."""

from typing import Annotated, Any

from scan2seg.config.base import Plugin

DenoisingStep = Annotated[dict[str, Any], Plugin("denoising")]
