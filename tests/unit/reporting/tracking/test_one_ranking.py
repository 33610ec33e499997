"""Tables, page, MLflow and segmentation say the same of who is first, by how much, and which replicate to use."""

import csv
import re

import pytest
from example_tracking import client_of, import_into

from scan2seg.inference.model_choice import choose_model


def cells_of(line):
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", line, re.DOTALL)]


def test_all_that_rank_models_agree(trained, tmp_path):
    content, report = trained
    rows = list(csv.DictReader((report / "scores.csv").open()))
    order = list(dict.fromkeys(row["model"] for row in sorted(rows, key=lambda row: int(row["rank"]))))
    means = {name: sum(float(row["mean_iou"]) for row in rows if row["model"] == name) / 2 for name in order}
    ahead = {name: means[name] - means["unet"] for name in order}
    chosen = {row["model"]: row["replicate"] for row in rows if row["chosen"] == "1"}
    assert order == ["otsu", "unet"] and content["reference"] == "unet" and set(chosen) == set(order)

    text = (report / "tables.md").read_text("utf-8").split("\n### ")[0]  # as ``scan2seg ranking`` prints it
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    _, _, *printed = [dict(zip(lines[0], line, strict=True)) for line in lines]
    assert [(row["model"], row["replicate to use"]) for row in printed] == [(name, chosen[name]) for name in order]
    assert [float(row["mean IoU"]) for row in printed] == pytest.approx([means[name] for name in order], abs=1e-4)
    assert float(printed[0]["difference to unet"]) == pytest.approx(ahead["otsu"], abs=1e-4)

    page = (report / "index.html").read_text("utf-8")
    table = page[page.index('<table id="ranking-demo"') :]
    shown = [cells_of(line) for line in table[: table.index("</tbody>")].split("<tr")[2:]]
    assert [cells[1] for cells in shown] == order
    assert [float(cells[2]) for cells in shown] == pytest.approx([means[name] for name in order], abs=1e-3)
    assert shown[1][6] == "reference" and float(shown[0][6].replace("−", "-")) == pytest.approx(ahead["otsu"], abs=1e-3)
    assert f"<dd>{chosen[order[0]]}</dd>" in re.sub(r">\s+|\s+<", lambda found: found.group().strip(), page)

    parent = import_into(trained, tmp_path)["parent"]
    logged = client_of(tmp_path).load_table(client_of(tmp_path).get_run(parent).info.experiment_id, "ranking.json")
    assert list(logged["model"]) == order and list(logged["mean_iou"]) == pytest.approx(list(means.values()))
    assert dict(zip(logged["model"], logged["replicate_to_use"], strict=True)) == chosen
    assert logged["difference_to_reference"][0] == pytest.approx(ahead["otsu"])

    asked = [[run["dataset"], run["model"], run["replicate"], run["run"], run["applied"]] for run in content["runs"]]
    assert choose_model(asked[::-1], tmp_path)[0] == f"{order[0]}/{chosen[order[0]]}"
