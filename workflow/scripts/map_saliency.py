from pathlib import Path

from scan2seg.logging import stage


def main(snakemake):
    stack, split, checkpoint = (Path(snakemake.input[key]) for key in ("stack", "split", "checkpoint"))
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        from scan2seg.inference.saliency import map_saliency

        map_saliency(stack, split, checkpoint, Path(snakemake.output.saliency))


if __name__ == "__main__":
    main(snakemake)
