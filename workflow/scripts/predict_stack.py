from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    stack, split, checkpoint = (Path(snakemake.input[key]) for key in ("stack", "split", "checkpoint"))
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.training import InferenceSettings
            from scan2seg.inference.prediction import predict_stack
            from scan2seg.workers import find_workers

            settings = InferenceSettings.model_validate(snakemake.params.inference)
            plan = Path(snakemake.input.plan) if snakemake.input.get("plan") else None
            output = Path(snakemake.output.prediction)
            used = {"plan": plan, "threads": snakemake.threads, "workers": find_workers(snakemake)}
            predict_stack(stack, split, checkpoint, output, settings, **used)


if __name__ == "__main__":
    main(snakemake)
