from pathlib import Path

from scan2seg.adapter import job
from scan2seg.replicates import parse_replicate


def main(snakemake):
    stack, split, checkpoint = (Path(snakemake.input[key]) for key in ("stack", "split", "checkpoint"))
    _, fold = parse_replicate(snakemake.wildcards.applied.split("/")[0])
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.training import InferenceSettings
            from scan2seg.inference.part_scoring import score_parts

            settings = InferenceSettings.model_validate(snakemake.params.inference)
            plan = Path(snakemake.input.plan) if snakemake.input.get("plan") else None
            output, most = Path(snakemake.output.scores), snakemake.params.most
            score_parts(
                stack, split, checkpoint, output, settings, most=most, fold=fold, plan=plan, threads=snakemake.threads
            )


if __name__ == "__main__":
    main(snakemake)
