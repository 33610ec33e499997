"""Whether one large volume is worked on by one job or by several."""

from typing import Literal

from pydantic import Field

from scan2seg.config.base import Settings

Rule = Literal["reconstruct_scan", "denoise_scan", "segment_scan", "predict_stack"]


class SharedWork(Settings):
    """Dask workers that share each volume. What they make does not depend on how many there are: changing this reruns
    nothing."""

    count: int = Field(ge=1, le=1000)
    """How many workers a volume, the job's own among them."""
    where: Literal["slurm", "machine"] = "slurm"
    """slurm: each further worker is a job that asks for what the rule asks for. machine: they are processes of the one
    job and share its cores."""
    rules: list[Rule] = ["reconstruct_scan", "denoise_scan", "segment_scan"]
    """The rules whose volumes are shared, or whose images: predict_stack has to be asked for, as most test images are
    few. Others work with threads."""
