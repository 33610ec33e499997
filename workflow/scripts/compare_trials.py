from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.model import Model
from scan2seg.tuning.comparison import compare_trials


def main(snakemake):
    trials = [Path(path) for path in snakemake.input.trials]
    table, best = Path(snakemake.output.table), Path(snakemake.output.best)
    with job(snakemake) as needed:
        if needed:
            compare_trials(trials, table, best, Model.model_validate(snakemake.params.model))


if __name__ == "__main__":
    main(snakemake)
