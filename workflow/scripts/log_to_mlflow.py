from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.tracking import Tracking
from scan2seg.reporting.gather import gather_inputs
from scan2seg.reporting.tracking import log_to_mlflow


def main(snakemake):
    marker = Path(snakemake.output.marker)
    results = marker.parents[2]
    files = [Path(snakemake.input[name]) for name in ("report", "figures")]
    uri = Tracking.model_validate(snakemake.config.get("tracking", {})).uri
    with job(snakemake) as needed:
        if needed:
            log_to_mlflow(gather_inputs(snakemake.params.content, results), *files, uri, results, marker)


if __name__ == "__main__":
    main(snakemake)
