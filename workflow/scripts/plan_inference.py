from pathlib import Path

from scan2seg.adapter import job
from scan2seg.replicates import parse_replicate


def main(snakemake):
    stack, split, checkpoint = (Path(snakemake.input[key]) for key in ("stack", "split", "checkpoint"))
    _, fold = parse_replicate(snakemake.wildcards.applied.split("/")[0])
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.training import InferenceSettings
            from scan2seg.inference.planning import plan_inference

            settings = InferenceSettings.model_validate(snakemake.params.inference)
            threads = snakemake.resources.model_threads
            plan_inference(stack, split, checkpoint, Path(snakemake.output.plan), settings, fold=fold, threads=threads)


if __name__ == "__main__":
    main(snakemake)
