"""Few projections and missing directions are told, usual scans are not."""

import numpy as np
import pytest

from scan2seg.reconstruction import sampling
from scan2seg.reconstruction.sampling import Sampling


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(sampling.logging, "warn", lambda message, *values: lines.append(message % values))
    return lines


@pytest.mark.parametrize(
    ("degrees", "columns"),
    [
        (np.linspace(0, 180, 181), 640),
        (np.arange(0, 180, 1.0), 256),
        (np.linspace(0, 360, 721), 1024),
        (-np.arange(0, 360, 0.7), 512),
        (np.arange(200) * 111.246, 512),
        (np.linspace(0, 175, 176), 128),
    ],
)
def test_usual_scans_pass_without_a_word(degrees, columns, said):
    Sampling.of(np.deg2rad(degrees), columns).warn("scan")
    assert said == []


def test_seven_projections_over_ninety_degrees_are_few_and_leave_half_out(said):
    Sampling.of(np.deg2rad(np.linspace(0, 90, 7)), 128).warn("scan")
    assert len(said) == 2
    assert "7 projections are few for slices of 128 columns, which 202 sample fully" in said[0]
    assert "no projection for 90 degrees of the half turn, where the usual step is 15" in said[1]


def test_the_second_half_of_a_turn_brings_no_new_directions():
    found = Sampling.of(np.deg2rad(np.arange(0, 360, 4.0)), 128)
    assert (found.directions, found.usual_step, found.widest_gap) == (45, pytest.approx(4), pytest.approx(4))


def test_a_missing_wedge_is_told_with_many_projections(said):
    Sampling.of(np.deg2rad(np.linspace(-60, 60, 241)), 512).warn("scan")
    assert len(said) == 1 and "60 degrees" in said[0]
