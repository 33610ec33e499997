from pathlib import Path

from scan2seg.logging import stage
from scan2seg.tuning.comparison import compare_trials


def main(snakemake):
    trials = [Path(path) for path in snakemake.input.trials]
    table, best = Path(snakemake.output.table), Path(snakemake.output.best)
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        compare_trials(trials, table, best, snakemake.params.model)


if __name__ == "__main__":
    main(snakemake)
