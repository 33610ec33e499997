from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    stack, split, checkpoint = (Path(snakemake.input[key]) for key in ("stack", "split", "checkpoint"))
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.training import InferenceSettings
            from scan2seg.inference.timing import time_inference

            settings = InferenceSettings.model_validate(snakemake.params.inference)
            plan = Path(snakemake.input.plan) if snakemake.input.get("plan") else None
            threads = snakemake.resources.model_threads
            time_inference(
                stack, split, checkpoint, Path(snakemake.output.timing), settings, plan=plan, threads=threads
            )


if __name__ == "__main__":
    main(snakemake)
