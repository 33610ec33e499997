from pathlib import Path

from scan2seg.config.split import SplitSettings
from scan2seg.logging import stage
from scan2seg.split import split_stack


def main(snakemake):
    settings = SplitSettings.model_validate(snakemake.params.settings)
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        split_stack(Path(snakemake.input.stack), Path(snakemake.output.split), settings, folds=snakemake.params.folds)


if __name__ == "__main__":
    main(snakemake)
