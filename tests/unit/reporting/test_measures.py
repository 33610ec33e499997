"""The measures beside IoU as the page shows them: table, controls, words on ranks and seeds, maps, charts."""

import base64
import io

import example_report
import numpy as np
import pytest
import zarr
from PIL import Image

from scan2seg import storage
from scan2seg.evaluation.confusion import confusion_matrix, overlap_counts
from scan2seg.evaluation.measures.rank_tests import compare_ranks
from scan2seg.evaluation.metrics import mean_iou
from scan2seg.evaluation.ranking import rank
from scan2seg.evaluation.runs import Images, Run
from scan2seg.reporting.html import render_report
from scan2seg.reporting.measure_figures import mean_ranks
from scan2seg.reporting.measures import describe_ranks, describe_seeds

MODELS = {"unet": 0.9, "deeplabv3_plus": 0.95, "resunet": 0.93, "otsu": 0.5}


def render(content, folder):
    render_report(content, folder / "index.html", folder / "figures")
    return (folder / "index.html").read_text("utf-8")


def keep_probabilities(content, model):
    """Give the runs of a model the probabilities of its labels, and score them again."""
    from scan2seg.evaluation.score import score_prediction

    stack = content["datasets"][0]["stack"]
    for entry in content["runs"]:
        if entry["model"] != model:
            continue
        path = entry["run"] / "prediction.zarr"
        labels = np.asarray(storage.open_array(path, "label")[:])
        probability = np.full((len(labels), 3, *labels.shape[1:]), 25, np.uint8)
        np.put_along_axis(probability, labels[:, None].astype(int), 204, axis=1)
        storage.create_array(zarr.open_group(path, mode="a"), "probability", probability.shape, "uint8")[:] = (
            probability
        )
        identity = {name: entry[name] for name in ("dataset", "model", "replicate")} | {"split": "test"}
        score_prediction(stack, path, entry["run"] / "metrics.json", entry["run"] / "per_image.csv", identity)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measures")
    content = example_report.write_experiment(folder, MODELS, scans=False)
    keep_probabilities(content, "deeplabv3_plus")
    return content, render(content, folder / "out"), folder / "out"


def part(text, start, end):
    return text[text.index(start) : text.index(end, text.index(start))]


def test_measures_stand_in_a_table_with_their_unit_and_in_charts(page):
    content, text, folder = page
    more = part(text, "<h3>More measures", "<h3>Cost beside")
    for head in ("Cohen’s kappa", "boundary F1", "Hausdorff 95, µm", "panoptic quality", "calibration error"):
        assert f">{head}</button>" in more
    assert "Dice of a volume" not in more  # no volume of this split is tested as a whole, and that is said
    assert "0 of 1 volumes or patients are scored as a whole" in more and "5 of its 12 slices are test images" in more
    assert "Mean ranks of the 4 models need at least 6 independent units, not" in more
    charts = {"reliability_demo", "edge_distance_demo", "along_volumes_demo"}
    assert charts <= {path.stem for path in (folder / "figures").glob("*.png")}
    run = storage.read_json(content["runs"][0]["run"] / "metrics.json")
    row = part(text, 'id="measures-demo"', "</table>")
    values = [storage.read_json(entry["run"] / "metrics.json")["measures"]["kappa"] for entry in content["runs"][:2]]
    assert f"{np.mean(values):.3f}" in row and run["model"] == "unet"


def test_controls_stand_below_the_models_and_a_failed_one_is_told(page, tmp_path):
    content, text, _ = page
    ranking = part(text, 'id="ranking-demo"', "</article>")
    assert ranking.index("truth in the prediction’s place") > ranking.index("otsu")
    assert "deeplabv3_plus, pixels shuffled" in ranking and "Check failed" not in text
    assert "<td>1.000</td>" in part(ranking, "truth in the prediction’s place", "</tr>")
    path = content["runs"][0]["run"] / "metrics.json"
    before = storage.read_json(path)
    try:
        storage.write_json(path, {**before, "controls": {"truth": {"mean_iou": 0.9999}, "shuffled": {"mean_iou": 0.3}}})
        assert "Check failed: the truth scored against itself must be exactly 1, but for unet/seed0" in render(
            content, tmp_path
        )
    finally:
        storage.write_json(path, before)


def test_maps_are_bright_where_replicates_disagree(page):
    content, text, _ = page
    pictures = part(text, "<h3>Test images", "<h3>Training curves")
    for words in ("disagreement of the 2 replicates of deeplabv3_plus", "disagreement of 4 models", "entropy"):
        assert words in pictures
    stack = content["datasets"][0]["stack"]
    name = part(text, 'alt="Disagreement of the 2 replicates of deeplabv3_plus, ', '"><figcaption').split(", ")[1]
    image = list(storage.open_store(stack).attrs["names"]).index(name)
    start = text.index('alt="Disagreement of the 2 replicates')
    source = text[text.rindex('src="', 0, start) + 5 : start].split('"')[0]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))).sum(-1)
    pair = []
    for entry in content["runs"]:
        if entry["model"] == "deeplabv3_plus":
            path = entry["run"] / "prediction.zarr"
            place = list(storage.open_array(path, "index")[:]).index(image)
            pair.append(np.asarray(storage.open_array(path, "label")[place]))
    differ = pair[0] != pair[1]
    assert differ.any() and shown[differ].min() > shown[~differ].max()


def test_runs_that_were_scored_before_have_no_such_part(page, tmp_path):
    content = example_report.write_experiment(tmp_path, {"unet": 0.9}, 1, scans=False)
    path = content["runs"][0]["run"] / "metrics.json"
    old = {key: value for key, value in storage.read_json(path).items() if key not in ("measures", "controls")}
    storage.write_json(path, old)
    text = render(content, tmp_path / "out")
    assert "More measures" not in text and "Controls, not models" not in text


def run(model, errors, groups, score=0.5, replicate="seed0"):
    generator = np.random.default_rng(sum(model.encode()))
    truth = np.random.default_rng(0).integers(0, 2, (len(groups), 400))
    guess = np.where(generator.random(truth.shape) < errors, 1 - truth, truth)
    counts = overlap_counts(np.array([confusion_matrix(*pair, 2) for pair in zip(truth, guess, strict=True)]))
    names = [str(place) for place in range(len(groups))]
    images = Images(np.arange(len(groups)), names, groups, counts, mean_iou(counts))
    metrics = {"dataset": "d", "model": model, "replicate": replicate, "mean_iou": score, "stray_pixels": {}}
    return Run({**metrics, "classes": {"a": {}, "b": {}}}, {}, {}, images)


def test_ranks_are_over_independent_units_and_need_enough_of_them():
    errors = {"a": 0.1, "b": 0.1001, "c": 0.3, "d": 0.45}
    single = [str(place) for place in range(12)]
    rows = rank([run(model, error, single) for model, error in errors.items()], None)["d"]
    found = compare_ranks(np.array([row.runs[0].images.scores for row in rows]).T)
    assert "over 12 images; by Friedman's test the models differ (p < 0.001)" in describe_ranks(rows, found)
    assert describe_ranks(rows[:3], None) == ""
    few = rank([run(model, error, list("aaaabbbbcccc")) for model, error in errors.items()], None)["d"]
    assert "need at least 6 independent units, not 3 groups" in describe_ranks(few, None)


def test_a_bar_joins_the_models_that_are_not_told_apart():
    errors = {"a": 0.1, "b": 0.1001, "c": 0.3, "d": 0.45}
    rows = rank([run(model, error, list("abcdefghijkl")) for model, error in errors.items()], None)["d"]
    found = compare_ranks(np.array([row.runs[0].images.scores for row in rows]).T)
    (axes,) = mean_ranks(rows, found).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [rows[place].model for place in found.order]
    bars = [line.get_ydata() for line in axes.get_lines() if line.get_linewidth() == 3]
    joined = [(round(first + 0.15), round(last - 0.15)) for first, last in bars]
    assert joined == found.cliques and (0, 3) not in joined and len(joined) > 0


def test_seeds_are_told_where_each_of_the_first_two_has_some():
    scores = {"a": (0.80, 0.82), "b": (0.79, 0.80)}
    runs = [
        run(model, 0.2, list("abcdef"), score, f"seed{seed}")
        for model, pair in scores.items()
        for seed, score in enumerate(pair)
    ]
    said = describe_seeds(rank(runs, None)["d"])
    assert "differ by 0.0150 in mean IoU, and one run spreads by 0.0112" in said
    assert "takes 10 runs of each; there are 2" in said  # Cohen's tables: an effect of 1.34 at 5 % and a power of 0.8
    assert describe_seeds(rank(runs[::2], None)["d"]) == ""
