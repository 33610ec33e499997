import numpy as np
import pytest
from pydantic import ValidationError

from scan2seg.config.simulation import Material, SimulationSettings
from scan2seg.simulation import phantom


def labels(settings: SimulationSettings, rows: range) -> np.ndarray:
    particles = phantom.particles_between(settings, rows.start, rows.stop)
    return np.stack([phantom.label_slice(settings, particles, row) for row in rows])


def with_particles(shape: str, **others) -> SimulationSettings:
    particle = Material(name="particle", shape=shape, attenuation=0.02, **others)
    air, matrix = SimulationSettings().materials[:2]
    return SimulationSettings(size=96, rows=8, materials=(air, matrix, particle), centre_offset=0)


def test_a_slice_does_not_depend_on_the_slab_it_is_drawn_with():
    settings = SimulationSettings(size=96)
    whole = labels(settings, range(30))
    np.testing.assert_array_equal(whole[11:13], labels(settings, range(11, 13)))
    assert not np.array_equal(whole, labels(SimulationSettings(size=96, seed=1), range(30)))


def test_volume_fractions_are_met_on_average():
    settings = SimulationSettings(size=128)
    found = labels(settings, range(0, 4000, 7))
    pillar = np.isin(found, [1, 2, 3])
    for index in (2, 3):
        assert (found == index).sum() / pillar.sum() == pytest.approx(settings.materials[index].fraction, rel=0.15)


def test_particles_are_bodies_in_three_dimensions():
    # A body that ends within the slice it begins in would be a disc: neighbours of particle voxels are particle voxels.
    for shape in ("ellipsoid", "irregular"):
        found = labels(with_particles(shape, fraction=0.1, radius=(6, 8)), range(60)) == 2
        along = [(np.roll(found, 1, axis) & found).sum() / found.sum() for axis in range(3)]
        assert min(along) > 0.8
        assert max(along) - min(along) < 0.05


def test_a_box_holds_its_particle():
    settings = with_particles("irregular", fraction=0.2, radius=(5, 9))
    particles = phantom.particles_between(settings, 0, 8)
    wider = phantom.Particles(
        particles.material,
        particles.centre,
        particles.to_unit,
        particles.roughness,
        particles.waves,
        2 * particles.reach,
    )
    for row in (0, 5):
        np.testing.assert_array_equal(
            phantom.label_slice(settings, particles, row), phantom.label_slice(settings, wider, row)
        )


def test_the_supersampled_slice_averages_to_the_labels():
    settings = SimulationSettings(size=64, supersampling=4)
    particles = phantom.particles_between(settings, 5, 6)
    fine = phantom.residual_slice(settings, particles, 5)
    coarse = fine.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    extra = np.array([0, 0, *(m.attenuation - settings.materials[1].attenuation for m in settings.materials[2:])])
    exact = extra[phantom.label_slice(settings, particles, 5)]
    assert np.corrcoef(coarse.ravel(), exact.ravel())[0, 1] > 0.95


def test_materials_of_one_label_are_one_class():
    air, matrix, *particles = SimulationSettings().materials
    settings = SimulationSettings(materials=(air.model_copy(update={"label": "matrix"}), matrix, *particles))
    assert settings.classes == ["matrix", "precipitate", "inclusion"]
    assert phantom.class_of_material(settings).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pillar_radius": 200.0}, "does not fit"),
        ({"materials": SimulationSettings().materials[1:]}, "exactly one of shape outside"),
        ({"materials": (*SimulationSettings().materials, SimulationSettings().materials[2])}, "each name once"),
    ],
)
def test_impossible_specimens_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        SimulationSettings(**change)
