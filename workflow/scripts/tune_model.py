from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.study import TrialSettings
            from scan2seg.tuning.trial import tune_model

            tune_model(
                Path(snakemake.input.data),
                Path(snakemake.input.split),
                Path(snakemake.output.trial),
                TrialSettings.model_validate(snakemake.params.job),
                earlier=[Path(path) for path in snakemake.input.earlier],
                identity=snakemake.params.identity,
                threads=snakemake.threads,
            )


if __name__ == "__main__":
    main(snakemake)
