from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    stack, split, checkpoint = (Path(snakemake.input[key]) for key in ("stack", "split", "checkpoint"))
    with job(snakemake) as needed:
        if needed:
            from scan2seg.inference.saliency import map_saliency

            map_saliency(stack, split, checkpoint, Path(snakemake.output.saliency))


if __name__ == "__main__":
    main(snakemake)
