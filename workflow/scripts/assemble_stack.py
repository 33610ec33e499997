from pathlib import Path

from scan2seg.adapter import job
from scan2seg.stack import assemble_stack


def main(snakemake):
    with job(snakemake) as needed:
        if needed:
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
