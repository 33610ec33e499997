from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.tracking import Tracking
from scan2seg.reporting.gather import gather_runs
from scan2seg.reporting.tracking import log_to_mlflow


def main(snakemake):
    marker = Path(snakemake.output.marker)
    files = [Path(snakemake.input[name]) for name in ("report", "tables", "figures")]
    runs = gather_runs(snakemake.params.runs, marker.parents[2])
    uri = Tracking.model_validate(snakemake.config.get("tracking", {})).uri
    with job(snakemake) as needed:
        if needed:
            log_to_mlflow(snakemake.params.experiment, runs, *files, uri, marker)


if __name__ == "__main__":
    main(snakemake)
