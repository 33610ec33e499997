"""The inputs of the report, from what the catalogue says of an experiment and the folder of results.

It is where adapters parse what they were told of an experiment; below it there are typed values.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from scan2seg.config.published import PublishedRow
from scan2seg.config.searched_key import SearchedKey
from scan2seg.config.training import InferenceSettings
from scan2seg.documents import Json
from scan2seg.reporting.content import (
    DatasetInput,
    LabelledFilesInput,
    ReportInputs,
    RunInput,
    ScanInput,
    SegmentationInput,
    StudyInput,
)


def gather_inputs(content: Json, results: Path) -> ReportInputs:
    """Return the inputs of ``render_report``.

    Args:
        content: ``Catalogue.report_content``, whose paths count from the results folder.
        results: the folder of all results.
    """
    report = results / "reports" / content["experiment"]
    return ReportInputs(
        experiment=content["experiment"],
        title=content["title"],
        reference=content["reference"],
        ensembles=content["ensembles"],
        pretrained=content["pretrained"],
        inference={name: InferenceSettings.model_validate(part) for name, part in content["inference"].items()},
        datasets=_gather_datasets(content["datasets"], results),
        runs=gather_runs(content["runs"], results, content["unions"], content["parts"]),
        scans=_gather_scans(content["scans"], results),
        scores=report / "scores.csv",
        tables=report / "tables.md",
        settings=content["settings"],
        segmentations=[
            SegmentationInput(scan=entry["scan"], labels=results / entry["labels"])
            for entry in content["segmentations"]
        ],
        labelled_files=[
            LabelledFilesInput(dataset=entry["dataset"], labels=results / entry["labels"])
            for entry in content["labelled_files"]
        ],
        variants=content["variants"],
        studies=_gather_studies(content["studies"], results),
    )


def gather_runs(
    runs: Sequence[Sequence[str]],
    results: Path,
    unions: Mapping[str, dict[str, list[str]]] | None = None,
    parts: Mapping[str, str] | None = None,
) -> list[RunInput]:
    """Return the runs of an experiment.

    Args:
        runs: dataset, model, replicate and the folders of training and application of each.
        results: the folder of all results.
        unions: the unions of classes of each dataset.
        parts: the folder of an application to the file of scores on training and validation images, where there is one.
    """
    found = []
    for dataset, model, replicate, folder, applied in runs:
        place, of_dataset = results / applied, (unions or {}).get(dataset, {})
        run = RunInput(
            dataset=dataset, model=model, replicate=replicate, run=results / folder, applied=place, unions=of_dataset
        )
        if file := (parts or {}).get(applied):
            run["parts"] = results / file
        found.append(run)
    return found


def gather_published(published: Mapping[str, Sequence[Json]]) -> dict[str, list[PublishedRow]]:
    """Return the rows of the literature of each dataset."""
    return {name: [PublishedRow.model_validate(row) for row in rows] for name, rows in published.items()}


def _gather_datasets(entries: Sequence[Json], results: Path) -> list[DatasetInput]:
    published = gather_published({entry["name"]: entry["published"] for entry in entries})
    return [
        DatasetInput(
            name=entry["name"],
            stack=_place(entry["stack"], results),
            split=_place(entry["split"], results),
            published=published[entry["name"]],
        )
        for entry in entries
    ]


def _gather_scans(entries: Sequence[Json], results: Path) -> list[ScanInput]:
    return [
        ScanInput(
            dataset=entry["dataset"],
            scan=entry["scan"],
            reconstruction=_place(entry["reconstruction"], results),
            denoised=_place(entry["denoised"], results),
            labels=_place(entry["labels"], results),
        )
        for entry in entries
    ]


def _gather_studies(entries: Sequence[Json], results: Path) -> list[StudyInput]:
    return [
        StudyInput(
            name=entry["name"],
            dataset=entry["dataset"],
            table=results / entry["table"],
            model=entry["model"],
            sampler=entry["sampler"],
            monitor=entry["monitor"],
            trials=entry["trials"],
            space={key: SearchedKey.model_validate(part) for key, part in entry["space"].items()},
        )
        for entry in entries
    ]


def _place(path: str | None, results: Path) -> Path | None:
    return results / path if path else None
