"""Angles: units are recognised, implausible ones refused."""

import numpy as np
import pytest

from scan2seg.errors import InputError
from scan2seg.readers.angles import angles_from, checked_radians, read_angles

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
    assert np.allclose(angles_from({"start": 0, "stop": 180}, 181, "x")[0], TURN)
    (tmp_path / "d.txt").write_text("zero\none\n")
    with pytest.raises(InputError, match=r"d\.txt"):
        read_angles(tmp_path / "d.txt")
