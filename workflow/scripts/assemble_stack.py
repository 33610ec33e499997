from pathlib import Path

from pydantic import TypeAdapter

from scan2seg.adapter import job
from scan2seg.config.source import ScanVolume, StackSource
from scan2seg.stack import assemble_stack


def main(snakemake):
    source = TypeAdapter(StackSource).validate_python(snakemake.params.source)
    scans = {name: ScanVolume.model_validate(files) for name, files in snakemake.params.scans.items()}
    with job(snakemake) as needed:
        if needed:
            assemble_stack(
                source,
                Path(snakemake.output.stack),
                scans=scans,
                classes=snakemake.params.classes,
                pixel_size=snakemake.params.pixel_size,
                threads=snakemake.threads,
            )


if __name__ == "__main__":
    main(snakemake)
