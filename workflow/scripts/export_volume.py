from pathlib import Path

from scan2seg.formats.export import export_volume
from scan2seg.logging import stage


def main(snakemake):
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        export_volume(Path(snakemake.input.volume), Path(snakemake.output.file), snakemake.params.settings)


if __name__ == "__main__":
    main(snakemake)
