"""What the report of an experiment is made of, by the names that the experiment gives its parts."""

from typing import TYPE_CHECKING

from scan2seg.catalogue.outputs import outputs
from scan2seg.catalogue.segmentations import FileSegmentation, Segmentation
from scan2seg.catalogue.volumes import DenoisedVolume, Volume, reconstruction_of
from scan2seg.documents import Json

if TYPE_CHECKING:
    from scan2seg.catalogue import Catalogue


def report_content(catalogue: "Catalogue") -> Json:
    """Return what the report is about, JSON-ready, with all paths relative to the results folder."""
    experiment = catalogue.experiment
    summary = experiment.summary()
    comparison = catalogue.comparison_content
    scored = experiment.models or experiment.studies
    return {
        "experiment": summary["experiment"],
        "title": summary["description"] or summary["experiment"],
        "settings": summary,
        **{name: comparison[name] for name in ("runs", "reference", "unions", "parts", "variants")},
        "ensembles": list(experiment.settings.ensembles),
        "pretrained": [name for name, model in experiment.models.items() if model.pretraining],
        "inference": {name: model.inference.model_dump(mode="json") for name, model in experiment.models.items()},
        "things": sorted(output.path for output in outputs(catalogue)),
        "datasets": [
            {
                "name": name,
                "stack": catalogue.splits_of[name].stack.path,
                "split": catalogue.splits_of[name].path if scored else None,
                "published": comparison["published"].get(name, []),
            }
            for name, dataset in experiment.datasets.items()
            if dataset.has_labels()
        ],
        "scans": [
            {"dataset": name, "scan": scan, **_scan_paths(volume)} for name, scan, volume in _named_volumes(catalogue)
        ],
        "segmentations": [
            {"scan": made.name, "labels": made.path}
            for made in catalogue.segmentations.values()
            if isinstance(made, Segmentation)
        ],
        "labelled_files": [
            {"dataset": made.name, "labels": made.path}
            for made in catalogue.segmentations.values()
            if isinstance(made, FileSegmentation)
        ],
        "studies": [
            {
                "name": study,
                "dataset": name,
                "table": catalogue.search(name, study).path,
                **experiment.studies[study].report(),
            }
            for name, dataset in experiment.datasets.items()
            if dataset.has_labels()
            for study in experiment.studies
        ],
    }


def comparison_content(catalogue: "Catalogue") -> Json:
    """Return what ``compare_models`` is about: dataset, model, replicate and the folders of training and application of
    every run, the reference, rows of the literature, the unions of classes, the file of scores on the other
    parts of every run that has one, and the variants."""
    experiment = catalogue.experiment
    names = [*experiment.models, *experiment.settings.ensembles]
    return {
        "runs": [[run.dataset, run.model, run.replicate, run.folder, run.applied] for run in catalogue.runs],
        "reference": experiment.settings.reference_model or (names[0] if names else None),
        "published": {
            name: [row.model_dump(mode="json") for row in dataset.published]
            for name, dataset in experiment.datasets.items()
            if dataset.published
        },
        "unions": {name: dataset.unions for name, dataset in experiment.datasets.items() if dataset.unions},
        "parts": {run.applied: run.parts for run in catalogue.runs if run.parts},
        "variants": variants(catalogue),
    }


def variants(catalogue: "Catalogue") -> list[list[str]]:
    """Return the names of the datasets that come from one file, where there are several, in the experiment's order."""
    families: dict[str, list[str]] = {}
    for name in catalogue.experiment.datasets:
        families.setdefault(catalogue.experiment.files[f"datasets.{name}"], []).append(name)
    return [names for names in families.values() if len(names) > 1]


def report_data(catalogue: "Catalogue") -> list[str]:
    """Return the paths of stacks, splits, volumes, known labels and tables of studies that the report shows."""
    content = catalogue.report_content
    found = [dataset[key] for dataset in content["datasets"] for key in ("stack", "split") if dataset[key]]
    found += [scan[key] for scan in content["scans"] for key in ("reconstruction", "denoised", "labels") if scan[key]]
    found += [study["table"] for study in content["studies"]]
    return list(dict.fromkeys([*found, *catalogue.volumes()]))


def _named_volumes(catalogue: "Catalogue") -> list[tuple[str, str, Volume]]:
    experiment = catalogue.experiment
    found = [
        (name, scan, volume)
        for name in experiment.datasets
        for scan, volume in catalogue.splits_of[name].stack.volumes.items()
    ]
    new = [(name, scan) for name, dataset in experiment.new_scans.items() for scan in dataset.scans()]
    return found + [(name, scan, catalogue.new_volumes[scan]) for name, scan in new]


def _scan_paths(volume: Volume) -> Json:
    reconstruction = reconstruction_of(volume)
    return {
        "reconstruction": reconstruction.path,
        "denoised": volume.path if isinstance(volume, DenoisedVolume) else None,
        "labels": reconstruction.simulation.labels if reconstruction.simulation else None,
    }
