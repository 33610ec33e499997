from pathlib import Path

from scan2seg.adapter import job
from scan2seg.reporting.gather import gather_inputs
from scan2seg.reporting.html import render_report
from scan2seg.storage import write_json


def main(snakemake):
    content, report = snakemake.params.content, Path(snakemake.output.report)
    with job(snakemake) as needed:
        if needed:
            render_report(gather_inputs(content, report.parents[2]), report, Path(snakemake.output.figures))
            write_json(snakemake.output.things, {"things": content["things"]})


if __name__ == "__main__":
    main(snakemake)
