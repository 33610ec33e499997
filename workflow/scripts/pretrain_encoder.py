from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    stack, split, patches = (Path(snakemake.input[key]) for key in ("stack", "split", "patches"))
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.recipe import EncoderRecipe
            from scan2seg.training.pretraining import pretrain_encoder

            recipe = EncoderRecipe.model_validate(snakemake.params.recipe)
            output = Path(snakemake.output.encoder).parent
            dataset, threads = snakemake.params.dataset, snakemake.threads
            pretrain_encoder(stack, split, patches, output, recipe, dataset=dataset, threads=threads)


if __name__ == "__main__":
    main(snakemake)
