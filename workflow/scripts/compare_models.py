from pathlib import Path

from scan2seg.adapter import job
from scan2seg.evaluation.comparison import compare_models
from scan2seg.reporting.content import files_of
from scan2seg.reporting.gather import gather_published, gather_runs


def main(snakemake):
    scores, tables = Path(snakemake.output.scores), Path(snakemake.output.tables)
    params = snakemake.params
    files = [files_of(run) for run in gather_runs(params.runs, scores.parents[2], params.unions, params.parts)]
    published = gather_published(params.published)
    with job(snakemake) as needed:
        if needed:
            compare_models(files, scores, tables, params.reference, published, params.variants)


if __name__ == "__main__":
    main(snakemake)
