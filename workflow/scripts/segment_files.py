from pathlib import Path

from scan2seg.adapter import job


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    with job(snakemake) as needed:
        if needed:
            from pydantic import TypeAdapter

            from scan2seg.config.source import StackSource
            from scan2seg.config.training import InferenceSettings
            from scan2seg.inference.dataset_segmentation import segment_dataset
            from scan2seg.inference.model_choice import choose_members

            source, labels = TypeAdapter(StackSource).validate_python(params.source), Path(output.labels)
            inference = {name: InferenceSettings.model_validate(how) for name, how in params.inference.items()}
            model, members = choose_members(params.runs, params.members, inference, labels.parents[2])
            used = {"pixel_size": params.pixel_size, "threads": snakemake.threads}
            segment_dataset(source, members, labels, Path(output.summary), model=model, **used)


if __name__ == "__main__":
    main(snakemake)
