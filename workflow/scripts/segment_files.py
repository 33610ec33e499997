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
            from scan2seg.inference.model_choice import choose_model
            from scan2seg.inference.plan import read_chosen_plan

            source, labels = TypeAdapter(StackSource).validate_python(params.source), Path(output.labels)
            model, checkpoint = choose_model(params.runs, labels.parents[2])
            settings = InferenceSettings.model_validate(params.inference[model.split("/")[0]])
            inference = read_chosen_plan(settings, model, params.runs, labels.parents[2])
            used = {"inference": inference, "pixel_size": params.pixel_size, "threads": snakemake.threads}
            segment_dataset(source, checkpoint, labels, Path(output.summary), model=model, **used)


if __name__ == "__main__":
    main(snakemake)
