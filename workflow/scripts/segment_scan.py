from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.training import InferenceSettings
            from scan2seg.inference.model_choice import choose_model
            from scan2seg.inference.plan import read_chosen_plan
            from scan2seg.inference.segmentation import segment_scan

            volume, labels, summary = Path(given.volume), Path(output.labels), Path(output.summary)
            model, checkpoint = choose_model(params.runs, labels.parents[2])
            settings = InferenceSettings.model_validate(params.inference[model.split("/")[0]])
            inference = read_chosen_plan(settings, model, params.runs, labels.parents[2])
            tiff = Path(output.tiff[0]) if output.get("tiff") else None
            used = {"model": model, "inference": inference, "threads": snakemake.threads, "tiff": tiff}
            compared = {"stack": Path(given.stack), "differences": params.differences}
            segment_scan(volume, checkpoint, labels, summary, **used, **compared)


if __name__ == "__main__":
    main(snakemake)
