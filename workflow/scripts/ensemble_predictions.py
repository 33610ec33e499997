from pathlib import Path

from scan2seg.inference.ensembling import ensemble_predictions
from scan2seg.logging import stage


def main(snakemake):
    members = [Path(member) for member in snakemake.input.members]
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        ensemble_predictions(members, Path(snakemake.output.prediction))


if __name__ == "__main__":
    main(snakemake)
