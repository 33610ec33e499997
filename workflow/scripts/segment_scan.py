from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    params, given, output = snakemake.params, snakemake.input, snakemake.output
    with job(snakemake) as needed:
        if needed:
            from scan2seg.config.training import InferenceSettings
            from scan2seg.inference.model_choice import choose_members
            from scan2seg.inference.segmentation import segment_scan
            from scan2seg.workers import find_workers

            volume, labels, summary = Path(given.volume), Path(output.labels), Path(output.summary)
            inference = {name: InferenceSettings.model_validate(how) for name, how in params.inference.items()}
            model, members = choose_members(params.runs, params.members, inference, labels.parents[2])
            tiff = Path(output.tiff[0]) if output.get("tiff") else None
            used = {"model": model, "threads": snakemake.threads, "tiff": tiff, "workers": find_workers(snakemake)}
            segment_scan(volume, members, labels, summary, differences=params.differences, **used)


if __name__ == "__main__":
    main(snakemake)
