from pathlib import Path

from scan2seg.adapter import job
from scan2seg.evaluation.comparison import compare_models
from scan2seg.evaluation.runs import locate_run
from scan2seg.reporting.gather import gather_runs


def main(snakemake):
    scores, tables = Path(snakemake.output.scores), Path(snakemake.output.tables)
    params = snakemake.params
    files = [
        {**run, **locate_run(run["run"], run["applied"], params.parts), "unions": params.unions.get(run["dataset"])}
        for run in gather_runs(params.runs, scores.parents[2])
    ]
    with job(snakemake) as needed:
        if needed:
            compare_models(files, scores, tables, params.reference, params.published, params.variants)


if __name__ == "__main__":
    main(snakemake)
