from pathlib import Path

from scan2seg.adapter import job
from scan2seg.evaluation.score import score_prediction


def main(snakemake):
    identity = {**snakemake.params.identity, "split": "test"}
    with job(snakemake) as needed:
        if needed:
            score_prediction(
                Path(snakemake.input.stack),
                Path(snakemake.input.prediction),
                Path(snakemake.output.metrics),
                Path(snakemake.output.per_image),
                identity,
            )


if __name__ == "__main__":
    main(snakemake)
