from pathlib import Path

from scan2seg.logging import stage
from scan2seg.stack import assemble_stack


def main(snakemake):
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        assemble_stack(
            snakemake.params.source,
            Path(snakemake.output.stack),
            scans=snakemake.params.scans,
            classes=snakemake.params.classes,
            pixel_size=snakemake.params.pixel_size,
            threads=snakemake.threads,
        )


if __name__ == "__main__":
    main(snakemake)
