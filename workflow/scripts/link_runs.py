from pathlib import Path

from scan2seg.adapter import job
from scan2seg.reporting.gather import gather_runs
from scan2seg.reporting.links import link_runs


def main(snakemake):
    output = Path(snakemake.output.links)
    with job(snakemake) as needed:
        if needed:
            link_runs(gather_runs(snakemake.params.runs, output.parents[2]), output)


if __name__ == "__main__":
    main(snakemake)
