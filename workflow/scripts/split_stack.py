from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.split import SplitSettings
from scan2seg.split import split_stack


def main(snakemake):
    stack, output = Path(snakemake.input.stack), Path(snakemake.output.split)
    settings = SplitSettings.model_validate(snakemake.params.settings)
    with job(snakemake) as needed:
        if needed:
            split_stack(stack, output, settings, folds=snakemake.params.folds)


if __name__ == "__main__":
    main(snakemake)
