from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    started = {key: Path(snakemake.input[key]) for key in ("encoder", "stack") if snakemake.input.get(key)}
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.recipe import Recipe
            from scan2seg.training.train import train_model

            train_model(
                Path(snakemake.input.patches),
                Path(snakemake.input.split),
                Path(snakemake.output.checkpoint).parent,
                Recipe.model_validate(snakemake.params.recipe),
                replicate=snakemake.wildcards.replicate,
                threads=snakemake.threads,
                checkpoint_minutes=snakemake.resources.checkpoint_minutes,
                **started,
            )


if __name__ == "__main__":
    main(snakemake)
