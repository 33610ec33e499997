"""What decides where a thing lies: equal things are one, unlike ones never share a path."""

from pathlib import Path

import pytest

from scan2seg.catalogue import Catalogue
from scan2seg.catalogue.jobs import jobs
from scan2seg.catalogue.stacks import Split, Stack
from scan2seg.catalogue.thing import make_key
from scan2seg.config.experiment import load_experiment
from scan2seg.reporting.gather import gather_runs

EXPERIMENT = """
datasets: [{datasets}]
models: [{models}]
replicates: {replicates}
{more}
"""
PILLAR = """
source:
  kind: simulation
  scans: {one: {size: 48, rows: 12, projections: 60}, two: {size: 48, rows: 12, projections: 60, seed: 3}}
  denoising: [{method: gaussian, radius: 0.7}]
classes: [background, matrix, precipitate, inclusion]
split: {strategy: grouped}
"""
SMALL = """
architecture: {method: unet, encoder: null, width: 4, depth: 2}
patching: {size: 32, stride: 16}
resources: {gpus: 0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pillar.yaml").write_text(PILLAR)
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


def catalogue(folder: Path, name: str = "one", datasets: str = "./pillar.yaml", models: str = "./small.yaml",
              replicates: str = "{seeds: [0]}", more: str = "") -> Catalogue:  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(EXPERIMENT.format(datasets=datasets, models=models, replicates=replicates, more=more))
    return Catalogue(load_experiment(path))


def paths(found: Catalogue) -> set[str]:
    return {thing.path for thing in found.things()}


def variant(base: str, changes: str) -> str:
    return f"{{base: ./{base}.yaml, name: other, {changes}}}"


def test_two_experiments_that_ask_for_the_same_share_it_whatever_they_call_it(folder: Path) -> None:
    first = catalogue(folder)
    named = catalogue(folder, "two", "{base: ./pillar.yaml, name: a}", "{base: ./small.yaml, name: b, description: x}")
    assert paths(first) == paths(named)
    assert [(run.dataset, run.model) for run in named.runs] == [("a", "b")]


@pytest.mark.parametrize(
    ("datasets", "models", "new"),
    [
        (variant("pillar", "source: {scans: {one: {size: 64}}}"), "./small.yaml", "simulations"),
        (variant("pillar", "source: {reconstruction: {minimum_transmission: 0.02}}"), "./small.yaml", "reconstructions"),
        (variant("pillar", "source: {denoising: [median]}"), "./small.yaml", "volumes"),
        (variant("pillar", "classes: [background, matrix, precipitate, inclusion], pixel_size: 2.0"), "./small.yaml", "stacks"),
        (variant("pillar", "split: {seed: 5}"), "./small.yaml", "splits"),
        ("./pillar.yaml", variant("small", "patching: {stride: 8}"), "patches"),
        ("./pillar.yaml", variant("small", "optimizer: {learning_rate: 0.01}"), "runs"),
        ("./pillar.yaml", variant("small", "training: {epochs: 3}"), "runs"),
    ],
)  # fmt: skip
def test_a_change_makes_what_depends_on_it_anew_and_shares_the_rest(
    folder: Path, datasets: str, models: str, new: str
) -> None:
    order = ["simulations", "reconstructions", "volumes", "stacks", "splits", "patches", "runs"]

    def kinds(found: set[str]) -> set[str]:
        return {next(kind for kind in ("splits", "patches", *order) if f"{kind}/" in path) for path in found}

    before, after = paths(catalogue(folder)), paths(catalogue(folder, "two", datasets, models))
    assert kinds(after - before) == set(order[order.index(new) :])
    assert kinds(after & before) >= set(order[: order.index(new)])


def test_what_changes_no_content_changes_no_key(folder: Path) -> None:
    before = paths(catalogue(folder))
    changed = "resources: {mem_mb: 9999, runtime: 7, threads: 3}, description: words"
    assert paths(catalogue(folder, "two", models=f"{{base: ./small.yaml, {changed}}}")) == before
    assert paths(catalogue(folder, "two", replicates="{seeds: [0, 1, 2]}")) == before
    published = "published: [{model: a, source: b, mean_iou: 0.5}]"
    assert paths(catalogue(folder, "two", datasets=f"{{base: ./pillar.yaml, {published}}}")) == before


def test_other_settings_of_inference_share_the_training_and_have_predictions_of_their_own(folder: Path) -> None:
    changed = catalogue(folder, "two", models=f"./small.yaml, {variant('small', 'inference: {overlap: 0.5}')}")
    first, second = changed.runs
    assert first.folder == second.folder == first.applied
    assert second.applied.startswith(f"{first.folder}/inference-") and len(second.applied.split("-")[-1]) == 8
    assert changed.applications[second.applied.removeprefix("runs/")]["overlap"] == 0.5


def test_folds_are_another_split_and_an_ensemble_names_its_members(folder: Path) -> None:
    folds = catalogue(folder, "two", replicates="{folds: 2, seeds: [0]}")
    assert set(folds.all_of(Split)) != set(catalogue(folder).all_of(Split))
    assert set(folds.all_of(Stack)) == set(catalogue(folder).all_of(Stack))
    both = f"./small.yaml, {variant('small', 'training: {epochs: 3}')}"
    joined = catalogue(folder, "three", models=both, more="ensembles: {mean: [small, other]}")
    run = joined.runs[-1]
    members = joined.member_predictions(run.thing, "seed0")
    assert len(members) == 2 and all("/seed0/inference-" in path for path in members)


def test_an_ensemble_of_named_seeds_takes_each_and_stands_once_a_fold(folder: Path) -> None:
    both = f"./small.yaml, {variant('small', 'training: {epochs: 3}')}"
    mean = "ensembles: {mean: [small/seed0, small/seed1, other/seed0]}"
    for folds, fold in (("", ""), ("folds: 2, ", "fold1-")):
        joined = catalogue(folder, "three", models=both, replicates=f"{{{folds}seeds: [0, 1]}}", more=mean)
        runs = [run for run in joined.runs if run.model == "mean"]
        assert [run.replicate for run in runs] == (["fold0-seed0", "fold1-seed0"] if folds else ["seed0"])
        members = joined.member_predictions(runs[-1].thing, runs[-1].replicate)
        assert [path.split("/")[-3] for path in members] == [f"{fold}seed0", f"{fold}seed1", f"{fold}seed0"]
        assert members[0].rsplit("/", 3)[0] == members[1].rsplit("/", 3)[0] != members[2].rsplit("/", 3)[0]
    swapped = catalogue(
        folder, "three", models=both, replicates="{seeds: [0, 1]}", more=mean.replace("other/seed0", "other/seed1")
    )
    unnamed = catalogue(
        folder, "three", models=both, replicates="{seeds: [0, 1]}", more="ensembles: {mean: [small, other]}"
    )
    assert len({found.runs[-1].thing.key for found in (joined, swapped, unnamed)}) == 3


def test_what_lies_in_one_place_is_made_from_what_lies_in_one_place(folder: Path) -> None:
    """A copy of a file under another name has equal settings: what is made of it must not be taken in turns."""
    (folder / "copy.yaml").write_text(PILLAR)
    (folder / "tiny.yaml").write_text(SMALL)
    (folder / "fresh.yaml").write_text(
        PILLAR.replace("one:", "new:").replace(", two: {size: 48, rows: 12, projections: 60, seed: 3}", "")
    )
    named = "{base: ./small.yaml, name: tiny}"
    made: dict[str, set[str]] = {}
    for datasets, models in (("./pillar.yaml", "./small.yaml"), ("./copy.yaml", "./small.yaml"),
                             ("./pillar.yaml", "./tiny.yaml"), ("./pillar.yaml", named)):  # fmt: skip
        both = f"{models}, {variant('small', 'training: {epochs: 3}')}"
        first = "tiny" if "tiny" in models else "small"
        more = f"ensembles: {{mean: [{first}, other]}}\nsegment: {{datasets: [./fresh.yaml]}}"
        for thing in catalogue(folder, "two", datasets, both, more=more).things():
            parents = {parent.path for parent in thing.parents}
            assert made.setdefault(thing.path, parents) == parents, thing.path


def test_a_segmentation_is_of_its_model_whatever_else_is_compared(folder: Path) -> None:
    (folder / "fresh.yaml").write_text(PILLAR.replace("one:", "new:").replace("two:", "more:"))
    more = "segment: {datasets: [./fresh.yaml], model: small}"
    changed = variant("small", "training: {epochs: 3}")
    alone = catalogue(folder, more=more)
    beside = catalogue(folder, "two", "{base: ./pillar.yaml, name: a}", f"{changed}, ./small.yaml", more=more)
    assert set(alone.segmentations) == set(beside.segmentations) and len(alone.segmentations) == 2
    for name, segmentation in alone.segmentations.items():
        assert segmentation.runs() == beside.segmentations[name].runs()
    best = [catalogue(folder, "two", models=models, more="segment: {datasets: [./fresh.yaml]}")
            for models in (f"{changed}, ./small.yaml", f"./small.yaml, {changed}")]  # fmt: skip
    first, second = (next(iter(found.segmentations.values())) for found in best)
    assert first.path == second.path and first.runs() == second.runs() and len(first.runs()) == 2


def test_keys_are_of_content_alone() -> None:
    assert make_key({"a": 1, "b": [2.5, None]}) == make_key({"b": [2.5, None], "a": 1}) == "fbb68c4d"
    assert make_key({"a": 1}) != make_key({"a": 1.0})
    with pytest.raises(TypeError):
        make_key({"a": Path()})
    with pytest.raises(ValueError, match="JSON"):
        make_key(float("nan"))


def test_datasets_of_one_file_are_variants_and_what_is_compared_is_worked_out_once(folder: Path) -> None:
    (folder / "other.yaml").write_text(PILLAR)
    raw = "{base: ./pillar.yaml, name: raw, source: {denoising: []}}"
    found = catalogue(folder, datasets=f"./pillar.yaml, ./other.yaml, {raw}")
    assert found.comparison_content["variants"] == [["pillar", "raw"]]
    assert catalogue(folder, datasets="./pillar.yaml, ./other.yaml").comparison_content["variants"] == []
    assert all(found.report_content[name] is found.comparison_content[name] for name in ("runs", "variants"))


def test_scores_of_parts_are_asked_for_once_a_trained_run_and_another_draw_is_another_file(folder: Path) -> None:
    more = "ensembles: {{both: [small, twin]}}\nscore_parts: {}"
    models = "./small.yaml, {base: ./small.yaml, name: twin, training: {epochs: 2}}"
    asked, wider = (catalogue(folder, models=models, more=more.format(count)) for count in (5, 9))
    parts = {run.model: run.parts for run in asked.runs}
    assert parts["both"] is None and all(str(parts[name]).endswith(".json") for name in ("small", "twin"))
    content = asked.comparison_content
    gathered = gather_runs(content["runs"], Path("results"), content["unions"], content["parts"])
    named = {run["model"]: run.get("parts") for run in gathered}
    assert named == {model: file and Path("results", file) for model, file in parts.items()}
    scored = [job for job in jobs(asked) if job.stage == "score_parts"]
    assert sorted(job.output for job in scored) == sorted(filter(None, parts.values()))
    assert len({job.log for job in scored}) == 2
    assert not {job.output for job in scored} & {run.parts for run in wider.runs}
    assert paths(asked) == paths(wider) == paths(catalogue(folder, models=models, more=more.format("null")))
