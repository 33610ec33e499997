from pathlib import Path

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.logging import stage
from scan2seg.reconstruction.scan import reconstruct_scan


def main(snakemake):
    settings = ReconstructionSettings.model_validate(snakemake.params.settings)
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        reconstruct_scan(
            snakemake.params.source,
            Path(snakemake.output.volume),
            settings,
            threads=snakemake.threads,
            splits=snakemake.params.splits,
        )


if __name__ == "__main__":
    main(snakemake)
