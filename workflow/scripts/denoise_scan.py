from pathlib import Path

from scan2seg.denoising.scan import denoise_scan
from scan2seg.logging import stage


def main(snakemake):
    volume, output = Path(snakemake.input.volume), Path(snakemake.output.volume)
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        denoise_scan(volume, output, snakemake.params.steps, threads=snakemake.threads)


if __name__ == "__main__":
    main(snakemake)
