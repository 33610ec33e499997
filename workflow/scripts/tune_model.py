from pathlib import Path

from scan2seg.logging import stage


def main(snakemake):
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        from scan2seg.tuning.trial import tune_model

        tune_model(
            Path(snakemake.input.data),
            Path(snakemake.input.split),
            Path(snakemake.output.trial),
            snakemake.params.job,
            earlier=[Path(path) for path in snakemake.input.earlier],
            identity=dict(snakemake.wildcards.items()),
            threads=snakemake.threads,
        )


if __name__ == "__main__":
    main(snakemake)
