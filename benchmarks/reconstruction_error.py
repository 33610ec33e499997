"""How far reconstructed volumes of a simulated scan are from the attenuation that it was simulated with.

    python benchmarks/reconstruction_error.py results/simulations/NAME-KEY/labels.zarr results/*/NAME-*/volume.zarr

Voxels count whose 27 neighbours are of one class, within 0.94 of the radius of a slice: elsewhere a voxel is a mixture,
or outside of what was projected. Volumes are in units per pixel, as the simulation is. Each class must be one
material; for pillar3, where two are one class, see the report of an experiment with variants.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from scan2seg.config.simulation import SimulationSettings
from scan2seg.storage import open_store

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("labels", type=Path)
parser.add_argument("volumes", type=Path, nargs="+")
given = parser.parse_args()

store = open_store(given.labels)
labels = np.asarray(store["label"])
materials = SimulationSettings.model_validate(store.attrs["provenance"]["settings"]).materials
expected = np.array([material.attenuation for material in materials])[labels]
middle = (labels.shape[1] - 1) / 2
y, x = np.ogrid[: labels.shape[1], : labels.shape[1]]
inside = (y - middle) ** 2 + (x - middle) ** 2 < (0.94 * labels.shape[1] / 2) ** 2
known = (minimum_filter(labels, 3) == maximum_filter(labels, 3)) & inside
for path in given.volumes:
    group = open_store(path)
    error = np.asarray(group["volume"]) - expected
    bias = [float(error[known & (labels == index)].mean()) for index in range(len(materials))]
    shown = ", ".join(f"{material.name} {value:+.1e}" for material, value in zip(materials, bias, strict=True))
    print(f"{path.parent.name}: RMSE {np.sqrt(np.mean(error[known] ** 2)):.2e}; mean error of {shown}")
