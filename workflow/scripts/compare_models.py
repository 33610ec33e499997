from pathlib import Path

from scan2seg.evaluation.comparison import compare_models
from scan2seg.logging import stage


def main(snakemake):
    names = ("metrics", "per_image", "training", "timing")
    runs = {}
    for name in names:
        for path in map(Path, snakemake.input[name]):
            runs.setdefault(path.parent, {})[name] = path
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        scores, tables = Path(snakemake.output.scores), Path(snakemake.output.tables)
        compare_models(list(runs.values()), scores, tables, snakemake.params.reference, snakemake.params.published)


if __name__ == "__main__":
    main(snakemake)
