from pathlib import Path

from scan2seg.logging import stage
from scan2seg.reporting.gather import gather_inputs
from scan2seg.reporting.html import render_report


def main(snakemake):
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        content = gather_inputs(snakemake.params.experiment, Path(snakemake.output.report).parents[2])
        render_report(content, Path(snakemake.output.report), Path(snakemake.output.figures))


if __name__ == "__main__":
    main(snakemake)
