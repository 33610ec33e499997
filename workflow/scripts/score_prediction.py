from pathlib import Path

from scan2seg.evaluation.score import score_prediction
from scan2seg.logging import stage


def main(snakemake):
    identity = {**dict(snakemake.wildcards.items()), "split": "test"}
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        score_prediction(
            Path(snakemake.input.stack),
            Path(snakemake.input.prediction),
            Path(snakemake.output.metrics),
            Path(snakemake.output.per_image),
            identity,
        )


if __name__ == "__main__":
    main(snakemake)
