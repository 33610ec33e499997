from pathlib import Path

from scan2seg.adapter import job
from scan2seg.inference.ensembling import ensemble_predictions


def main(snakemake):
    members = [Path(member) for member in snakemake.input.members]
    with job(snakemake) as needed:
        if needed:
            ensemble_predictions(members, Path(snakemake.output.prediction))


if __name__ == "__main__":
    main(snakemake)
