from pathlib import Path

from scan2seg.logging import stage


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        from scan2seg.inference.segmentation import choose_model, segment_scan

        checkpoints = [Path(path) for path in snakemake.input.checkpoints]
        model, checkpoint = choose_model(Path(snakemake.input.scores), params.dataset, checkpoints, params.model)
        tiff = Path(output.tiff[0]) if output.get("tiff") else None
        volume, labels, summary = Path(snakemake.input.volume), Path(output.labels), Path(output.summary)
        settings = {"inference": params.inference[model.split("/")[0]], "tiff": tiff, "threads": snakemake.threads}
        training = {"stack": Path(snakemake.input.stack), "differences": params.differences}
        segment_scan(volume, checkpoint, labels, summary, model=model, **training, **settings)


if __name__ == "__main__":
    main(snakemake)
