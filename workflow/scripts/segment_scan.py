from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    with job(snakemake) as needed:
        if needed:
            from scan2seg.inference.segmentation import choose_model, segment_scan

            checkpoints = dict(zip(params.runs, map(Path, given.checkpoints), strict=True))
            model, checkpoint = choose_model(Path(given.scores), params.dataset, checkpoints, params.model)
            tiff = Path(output.tiff[0]) if output.get("tiff") else None
            volume, labels, summary = Path(given.volume), Path(output.labels), Path(output.summary)
            settings = {"inference": params.inference[model.split("/")[0]], "tiff": tiff, "threads": snakemake.threads}
            training = {"stack": Path(given.stack), "differences": params.differences}
            segment_scan(volume, checkpoint, labels, summary, model=model, **training, **settings)


if __name__ == "__main__":
    main(snakemake)
