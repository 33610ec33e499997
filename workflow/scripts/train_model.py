from scan2seg.adapter import job


def main(snakemake):
    with job(snakemake) as needed:
        if needed:
            from pathlib import Path

            from scan2seg.training.job import TrainingJob
            from scan2seg.training.train import train_model

            training = TrainingJob(
                patches=snakemake.input.patches,
                split=snakemake.input.split,
                output=Path(snakemake.output.checkpoint).parent,
                recipe=snakemake.params.recipe,
                replicate=snakemake.wildcards.replicate,
                threads=snakemake.threads,
                checkpoint_minutes=snakemake.resources.checkpoint_minutes,
                **{key: snakemake.input[key] for key in ("encoder", "stack") if snakemake.input.get(key)},
            )
            train_model(training)


if __name__ == "__main__":
    main(snakemake)
