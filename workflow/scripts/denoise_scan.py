from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.base import Plugin
from scan2seg.denoising.scan import denoise_scan
from scan2seg.workers import find_workers


def main(snakemake):
    volume, output = Path(snakemake.input.volume), Path(snakemake.output.volume)
    steps = [Plugin("denoising").resolve(step) for step in snakemake.params.steps]
    with job(snakemake) as needed:
        if needed:
            denoise_scan(volume, output, steps, threads=snakemake.threads, workers=find_workers(snakemake))


if __name__ == "__main__":
    main(snakemake)
