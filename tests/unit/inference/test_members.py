"""Several models are applied as one: the mean of their probabilities, wherever one model can be used."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from example_segmentation import SETTINGS, make_image, segment, write_images, write_model

from scan2seg.checkpoint import load_checkpoint, save_checkpoint
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.inference import blocks
from scan2seg.inference.applied_model import FileOptions
from scan2seg.inference.file_segmentation import segment_inputs
from scan2seg.inference.labelling import label_volume
from scan2seg.inference.members import Member, load_predictor
from scan2seg.inference.model_choice import find_members
from scan2seg.inference.tiling import Predictor
from scan2seg.provenance import record
from scan2seg.storage import create_volume, creating, open_array, write_json

OTHERWISE = InferenceSettings(tile=24, overlap=0.25, flips=True)


def write_another(folder: Path, **settings) -> Path:
    """Write the model with other weights."""
    folder.mkdir(parents=True)
    path = write_model(folder, **settings)
    model, description = load_checkpoint(path)
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    save_checkpoint(path, model, description)
    return path


@pytest.mark.parametrize("neighbours", [0, 1])
def test_an_ensemble_is_the_mean_of_its_members_each_applied_in_its_way(tmp_path: Path, neighbours: int) -> None:
    first = write_model(tmp_path, neighbours=neighbours, kind="volume")
    members = [
        Member(first, SETTINGS),
        Member(write_another(tmp_path / "b", neighbours=neighbours, kind="volume"), OTHERWISE),
    ]
    image = make_image(1, channels=2 * neighbours + 1)
    apart = [Predictor(member.checkpoint, member.inference).predict(image) for member in members]
    ensemble = load_predictor(members)
    assert torch.allclose(ensemble.predict(image), (apart[0] + apart[1]) / 2, atol=1e-6)
    assert len({tuple(found.argmax(dim=0).flatten().tolist()) for found in (*apart, ensemble.predict(image))}) == 3
    volume = np.stack([make_image(seed)[0] for seed in range(4)])
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    assert segment_inputs(members, [tmp_path / "v.tif"], tmp_path / "out", FileOptions()) == []
    seen = volume[1 - neighbours : 2 + neighbours]
    found = np.asarray(open_array(tmp_path / "out/v.zarr", "label")[1])
    assert (found == ensemble.predict(seen).argmax(dim=0).numpy()).all()


@pytest.mark.parametrize(
    ("other", "words"),
    [({"channels": 2}, "channels"), ({"neighbours": 1}, "channels"), ({"kind": "volume"}, "ways of reading images")],
)
def test_models_that_see_other_images_are_not_averaged(tmp_path: Path, other: dict, words: str) -> None:
    members = [Member(write_model(tmp_path), SETTINGS), Member(write_another(tmp_path / "b", **other), SETTINGS)]
    with pytest.raises(InputError, match=f"has other {words} than .*; they cannot be averaged"):
        load_predictor(members)


def test_an_ensemble_says_in_which_precision_its_first_member_computed(tmp_path: Path) -> None:
    half = SETTINGS.model_copy(update={"precision": "bfloat16"})
    members = [Member(write_model(tmp_path), half), Member(write_another(tmp_path / "b"), SETTINGS)]
    ensemble = load_predictor(members)
    ensemble.predict(make_image(0))
    alone = Predictor(members[0].checkpoint, half)
    alone.predict(make_image(0))
    assert ensemble.decision.precision_check is not None
    assert ensemble.decision.describe() == alone.decision.describe()


def test_one_application_of_a_run_is_found_by_its_folder(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path)
    for key, settings in {"0123abcd": OTHERWISE, "4567abcd": SETTINGS}.items():
        with creating(tmp_path / f"inference-{key}/prediction.zarr") as group:
            group.attrs["provenance"] = record({"inference": settings.model_dump(mode="json")})
    assert find_members(tmp_path / "inference-0123abcd") == [Member(checkpoint, OTHERWISE)]
    with pytest.raises(InputError, match="was applied in several ways"):
        find_members(tmp_path)


@pytest.mark.parametrize("ahead", [1, 2 * 24 * 33 * 4, None])
def test_labels_do_not_depend_on_the_parts_of_a_shard_whose_slices_are_read_once(
    tmp_path: Path, ahead: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for both models and all slices that see it; those beside a part once more for that part."""
    paths = [
        write_model(tmp_path, neighbours=1, kind="volume"),
        write_another(tmp_path / "b", neighbours=1, kind="volume"),
    ]
    ensemble = load_predictor([Member(path, SETTINGS) for path in paths])
    volume = np.stack([make_image(seed) for seed in range(7)])
    asked: list[int] = []

    def read(place: int) -> np.ndarray:
        asked.append(place)
        return volume[place]

    if ahead is not None:
        monkeypatch.setattr(blocks, "AHEAD_BYTES", ahead)
    with creating(tmp_path / "labels.zarr") as group:
        target = create_volume(group, (7, 24, 33), "uint8", per_shard=4, name="label")
        counts = label_volume(read, 7, target, ensemble)
        found = np.asarray(target[:])
    mirrored = volume[[0, *range(7), 6], 0]
    wanted = [ensemble.predict(mirrored[place : place + 3]).argmax(dim=0).numpy() for place in range(7)]
    assert np.array_equal(found, wanted) and counts.tolist() == np.bincount(found.ravel(), minlength=3).tolist()
    if ahead is None:
        assert sorted(asked) == [0, 1, 2, 3, 3, 4, 4, 5, 6]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "inference.json",
            r"inference.json: how the model was applied is not as this version has it \(foo: unknown key",
        ),
        ("prediction.zarr", "prediction.zarr: does not say how the model was applied; predict again"),
        ("reading", r"checkpoint.pt: how its images were read is not as .* has it \(foo: unknown key"),
    ],
)
def test_what_this_version_cannot_recall_is_named(tmp_path: Path, name: str, words: str) -> None:
    path = write_model(tmp_path)
    if name == "inference.json":
        write_json(tmp_path / name, {"foo": 1})
    elif name == "prediction.zarr":
        with creating(tmp_path / name):
            pass
    else:
        model, description = load_checkpoint(path)
        description["reading"]["foo"] = 1
        save_checkpoint(path, model, description)
    with pytest.raises(InputError, match=words):
        segment_inputs(find_members(path), [path], tmp_path / "out", FileOptions())


def test_a_model_that_knows_no_appearance_compares_none(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    model, description = load_checkpoint(path)
    del description["appearance"]
    save_checkpoint(path, model, description)
    write_images(tmp_path, "a.png")
    assert segment(path, tmp_path / "out", tmp_path / "a.png") == []
