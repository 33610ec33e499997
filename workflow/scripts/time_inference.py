from pathlib import Path

from scan2seg.logging import stage


def main(snakemake):
    stack, split, checkpoint = (Path(snakemake.input[key]) for key in ("stack", "split", "checkpoint"))
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        from scan2seg.inference.timing import time_inference

        settings, threads = snakemake.params.inference, snakemake.resources.model_threads
        time_inference(stack, split, checkpoint, Path(snakemake.output.timing), settings, threads=threads)


if __name__ == "__main__":
    main(snakemake)
