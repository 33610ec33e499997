"""Angles: units are recognised, implausible ones refused."""

import numpy as np
import pytest

from scan2seg.config.reconstruction import AngleRange
from scan2seg.errors import InputError
from scan2seg.readers.angles import angles_from, checked_radians, match_angles, read_angles
from scan2seg.readers.scan import Series

TURN = np.linspace(0, 180, 181)


@pytest.mark.parametrize(
    ("values", "unit"),
    [(TURN, "degrees"), (TURN, None), (np.deg2rad(TURN), "radians"), (np.deg2rad(TURN), None), (TURN[::-1], None)],
)
def test_recognised(values, unit):
    expected = np.deg2rad(values) if np.ptp(values) > 10 else values
    assert np.allclose(checked_radians(values, unit, 181, "x"), expected)


@pytest.mark.parametrize(
    ("values", "unit", "message"),
    [
        (None, None, "no angles"),
        (TURN[:5], None, "181 projections but 5"),
        (np.deg2rad(TURN), "degrees", "said to be degrees"),
        (TURN, "radians", "said to be radians"),
        (TURN / 100, None, "unnamed unit"),
        (np.zeros(181), "degrees", "cover only"),
        (np.where(TURN == 3, np.nan, TURN), None, "not finite"),
        (np.where(TURN == 3, 2, TURN), "degrees", "1 projections have the angle of the one before.*number 3 "),
        (np.where(TURN > 100, 0, TURN), "degrees", "79 projections"),
        (TURN, "mrad", "'mrad'"),
        (TURN * 1e6, "degrees", "turns"),
    ],
)
def test_refused(values, unit, message):
    with pytest.raises(InputError, match=message):
        checked_radians(values, unit, 181, "scan.h5")


def test_files(tmp_path):
    np.savetxt(tmp_path / "a.txt", TURN)
    assert np.allclose(read_angles(tmp_path / "a.txt")[0], TURN)
    (tmp_path / "b.csv").write_text("index,angle (rad)\n0,0.0\n1,1.5e-1\n")
    assert read_angles(tmp_path / "b.csv")[0].tolist() == [0, 0.15]
    assert read_angles(tmp_path / "b.csv")[1] == "radians"
    np.save(tmp_path / "c.npy", TURN)
    assert np.allclose(angles_from(tmp_path / "c.npy", 181, "x")[0], TURN)
    assert np.allclose(angles_from(AngleRange(start=0, stop=180), 181, "x")[0], TURN)
    (tmp_path / "d.txt").write_text("zero\none\n")
    with pytest.raises(InputError, match=r"d\.txt"):
        read_angles(tmp_path / "d.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,5\n83,2\n", r"line 1: has 2 numbers \(0, 5\).*decimal point"),
        ("0\n83,2\n", r"line 2: has 2 numbers"),
        ("Angle, deg\n0,5\n1,0\n", "line 2: has 2 numbers"),
        ("0 1 2 3\n", "4 numbers"),
        ("# angle (mrad)\n0\n3141\n", "'mrad'"),
        ("angle [steps]\n0\n100\n", "'steps'"),
        ("1\n2\n# the rest\nthree\n", "line 4: 'three'"),
        ("", "no angles"),
        ("angle\n", "no angles"),
    ],
)
def test_files_that_could_be_read_wrongly(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_angles(tmp_path / "a.txt")


@pytest.mark.parametrize("array", [np.stack([np.arange(181), TURN], axis=1), TURN * 1j, np.array(["0", "1"])])
def test_arrays_that_are_no_list_of_real_numbers(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match="save one real number a projection"):
        read_angles(tmp_path / "a.npy")


def test_a_damaged_numpy_file(tmp_path):
    np.save(tmp_path / "a.npy", TURN)
    content = (tmp_path / "a.npy").read_bytes().replace(b", }", b"( }")
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npy: is not a file of angles"):
        read_angles(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("text", "angles", "unit"),
    [
        ("Projection angles in degrees\n0\n1.5\n", [0, 1.5], "degrees"),
        ("name;theta_rad;exposure\na.tif;0.5;1\nb.tif;1e-1;1\n", [0.5, 0.1], "radians"),
        ("\ufeff0\n\n1\n# end\n", [0, 1], "degrees"),
        ("index (count), angle (°)\n0, 4\n1, 5\n", [4, 5], "degrees"),
        ("nan\n1\n", [np.nan, 1], "degrees"),
    ],
)
def test_files_with_headers(tmp_path, text, angles, unit):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    found = read_angles(tmp_path / "a.txt")
    assert np.array_equal(found[0], angles, equal_nan=True)
    assert found[1] == unit


def test_more_angles_than_projections():
    standing = np.concatenate([np.full(10, -88.2), np.linspace(-88.2, 91.8, 91), [91.8001], np.full(9, 91.8)])
    assert np.array_equal(match_angles(standing, 91, None, "x"), standing[10:101])
    every = np.arange(6.0)
    key = Series(np.array([1, 2, 4]), 6)
    assert np.array_equal(match_angles(every, 3, key, "x"), [1, 2, 4])
    assert np.array_equal(match_angles(every[:3], 3, key, "x"), [0, 1, 2])
    for count, series in ((92, None), (90, None), (3, key)):
        with pytest.raises(InputError, match=f"x: has {count} projections.* but 111 angles"):
            match_angles(standing, count, series, "x")


def test_a_range_counts_what_was_left_out():
    skipped = Series(np.array([0, 1, 3, 4]), 5, skipped=True)
    assert np.allclose(angles_from(AngleRange(start=0, stop=180), 4, "x", skipped)[0], [0, 45, 135, 180])
    between_flats = Series(np.array([1, 2, 4, 5]), 6)
    assert np.allclose(angles_from(AngleRange(start=0, stop=180), 4, "x", between_flats)[0], [0, 60, 120, 180])
