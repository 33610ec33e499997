from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.base import Plugin
from scan2seg.formats.export import export_volume


def main(snakemake):
    form = Plugin("formats").resolve(snakemake.params.settings)
    with job(snakemake) as needed:
        if needed:
            export_volume(Path(snakemake.input.volume), Path(snakemake.output.file), form)


if __name__ == "__main__":
    main(snakemake)
