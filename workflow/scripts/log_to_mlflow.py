from pathlib import Path

from scan2seg.config.experiment import Tracking
from scan2seg.logging import stage
from scan2seg.reporting.gather import gather_runs
from scan2seg.reporting.tracking import log_to_mlflow


def main(snakemake):
    params, inputs = snakemake.params, snakemake.input
    runs = gather_runs(params.runs, Path(snakemake.output.marker).parents[2])
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        log_to_mlflow(
            params.experiment,
            runs,
            Path(inputs.report),
            Path(inputs.tables),
            Path(inputs.figures),
            Tracking.model_validate(snakemake.config.get("tracking", {})).uri,
            Path(snakemake.output.marker),
        )


if __name__ == "__main__":
    main(snakemake)
