"""The pipeline of an experiment drawn as a picture: a lane a dataset, a box a stage, a box a model."""

import math
from dataclasses import dataclass

from markupsafe import Markup, escape

from scan2seg.reporting.content import ReportInputs

_WIDTH, _HEIGHT, _GAP = 138, 26, 24
_ROWS = 6
"""Models of a lane stand in columns of this many."""


@dataclass(frozen=True)
class _Lane:
    name: str
    stages: list[str]
    models: list[tuple[str, int]]
    hint: str

    @property
    def columns(self) -> int:
        return math.ceil(len(self.models) / _ROWS)

    @property
    def height(self) -> int:
        rows = min(_ROWS, len(self.models))
        return max(rows * (_HEIGHT + 6) + 46 if rows else 0, _HEIGHT + 56)


def draw_dag(content: ReportInputs) -> Markup:
    """Return the stages and models of an experiment, in the order of the data, as inline SVG."""
    lanes = [_lane(content, name) for name in _lane_names(content)]
    if not lanes:
        return Markup("")
    stage_count = max(len(lane.stages) for lane in lanes)
    models_left = stage_count * (_WIDTH + _GAP) + 16
    group_width = max(lane.columns for lane in lanes) * (_WIDTH + 8)
    end_left = models_left + (group_width + 16 + _GAP if group_width else 0)
    height = sum(lane.height for lane in lanes) + 16
    parts: list[Markup] = []
    exits: list[tuple[float, float]] = []
    top = 8.0
    for lane in lanes:
        drawn, exit_point = _draw_lane(lane, top, models_left)
        parts += drawn
        exits.append(exit_point)
        top += lane.height
    last = _last_stages(content)
    first = height / 2 - (len(last) * (_HEIGHT + 18) - 18) / 2
    parts += [_edge(x, y, end_left, first + _HEIGHT / 2) for x, y in exits]
    for place, stage in enumerate(last):
        y = first + place * (_HEIGHT + 18)
        parts.append(_box(end_left, y, stage, "stage"))
        if place:
            parts.append(_edge_down(end_left + _WIDTH / 2, y - 18, y))
    width = end_left + _WIDTH + 12
    size = Markup('viewBox="0 0 {0:.0f} {1:.0f}" style="min-width:{2:.0f}px;max-width:{3:.0f}px"')
    size = size.format(width, height, width * 0.8, width * 1.1)
    marker = Markup(
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>'
    )
    opening = Markup('<svg class="dag" role="img" aria-label="Stages of the pipeline and models" {0}>').format(size)
    return opening + marker + Markup("").join(parts) + Markup("</svg>")


def _lane_names(content: ReportInputs) -> list[str]:
    named = [entry["name"] for entry in content["datasets"]] + [entry["dataset"] for entry in content["scans"]]
    return list(dict.fromkeys([*named, *(run["dataset"] for run in content["runs"])]))


def _lane(content: ReportInputs, name: str) -> _Lane:
    scans = [scan for scan in content["scans"] if scan["dataset"] == name]
    stages = []
    if scans:
        many = f" × {len(scans)}" if len(scans) > 1 else ""
        stages += [f"reconstruct_scan{many}"]
        stages += [f"denoise_scan{many}"] if any(scan.get("denoised") for scan in scans) else []
    entry = next((entry for entry in content["datasets"] if entry["name"] == name), None)
    stages += ["assemble_stack"] if entry and entry.get("stack") else []
    stages += ["split_stack"] if entry and entry.get("split") else []
    models: dict[str, int] = {}
    for run in content["runs"]:
        if run["dataset"] == name:
            models[run["model"]] = models.get(run["model"], 0) + 1
    hint = "train · predict · time · score" if models else "train · compare on validation"
    for study in content.get("studies") or []:
        if study["dataset"] == name and study["table"].exists():
            models[f"study {study['name']}"] = study["trials"]
    stages += ["extract_patches"] if models else []
    stages += ["pretrain_encoder"] if models.keys() & (content.get("pretrained") or []) else []
    return _Lane(name, stages, list(models.items()), hint)


def _last_stages(content: ReportInputs) -> list[str]:
    found = ["compare_models"] if content["runs"] else []
    found += ["render_report"]
    found += ["log_to_mlflow"] if content["runs"] else []
    found += ["segment_scan"] if content.get("segmentations") else []
    return found + (["segment_files"] if content.get("labelled_files") else [])


def _draw_lane(lane: _Lane, top: float, models_left: float) -> tuple[list[Markup], tuple[float, float]]:
    """Return the shapes of a lane and the point where its data leaves it."""
    middle = top + lane.height / 2 + 6
    parts = [Markup('<text x="8" y="{0:.0f}" class="lane">{1}</text>').format(top + 14, lane.name)]
    x = 8.0
    for place, stage in enumerate(lane.stages):
        if place:
            parts.append(_edge(x - _GAP, middle, x, middle))
        parts.append(_box(x, middle - _HEIGHT / 2, stage, "stage"))
        x += _WIDTH + _GAP
    leave = (x - _GAP, middle)
    if lane.models:
        width = lane.columns * (_WIDTH + 8) + 8
        rows = min(_ROWS, len(lane.models))
        height = rows * (_HEIGHT + 6) + 24
        y = middle - height / 2
        parts.append(_edge(*leave, models_left, middle))
        parts.append(_frame(models_left, y, width, height, lane.hint))
        for place, (model, replicates) in enumerate(lane.models):
            column, row = divmod(place, _ROWS)
            label = f"{model} × {replicates}" if replicates > 1 else model
            left, box_top = models_left + 8 + column * (_WIDTH + 8), y + 20 + row * (_HEIGHT + 6)
            parts.append(_box(left, box_top, label, "model"))
        leave = (models_left + width, middle)
    return parts, leave


def _box(x: float, y: float, label: str, kind: str) -> Markup:
    shown = label if len(label) <= 21 else label[:20] + "…"
    shape = '<g class="{4}"><title>{5}</title><rect x="{0:.0f}" y="{1:.0f}" width="{2}" height="{3}" rx="5"/>'
    words = '<text x="{0:.0f}" y="{1:.0f}">{2}</text></g>'
    box = Markup(shape).format(x, y, _WIDTH, _HEIGHT, kind, label)
    return box + Markup(words).format(x + _WIDTH / 2, y + _HEIGHT / 2 + 4, shown)


def _frame(x: float, y: float, width: float, height: float, hint: str) -> Markup:
    shape = '<rect class="frame" x="{0:.0f}" y="{1:.0f}" width="{2:.0f}" height="{3:.0f}" rx="8"/>'
    title = '<text class="hint" x="{0:.0f}" y="{1:.0f}">{2}</text>'
    return Markup(shape).format(x, y, width, height) + Markup(title).format(x + 8, y + 14, hint)


def _edge(x: float, y: float, end_x: float, end_y: float) -> Markup:
    bend = (x + end_x) / 2
    path = f"M{x:.0f} {y:.0f} C{bend:.0f} {y:.0f} {bend:.0f} {end_y:.0f} {end_x:.0f} {end_y:.0f}"
    return Markup('<path class="edge" d="{0}" marker-end="url(#arrow)"/>').format(escape(path))


def _edge_down(x: float, y: float, end_y: float) -> Markup:
    return Markup('<path class="edge" d="M{0:.0f} {1:.0f} V{2:.0f}" marker-end="url(#arrow)"/>').format(x, y, end_y)
