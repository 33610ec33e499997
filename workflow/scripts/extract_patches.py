from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.patching import PatchingSettings
from scan2seg.patches import extract_patches


def main(snakemake):
    settings = PatchingSettings.model_validate(snakemake.params.settings)
    stack, split = Path(snakemake.input.stack), Path(snakemake.input.split)
    with job(snakemake) as needed:
        if needed:
            extract_patches(stack, split, Path(snakemake.output.patches), settings)


if __name__ == "__main__":
    main(snakemake)
