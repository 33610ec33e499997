"""A fuzzer of all readers: whatever happens to a file, it ends in an InputError or in data of the announced shape.

What is checked, of scans, volumes, images, labels and angles:

- nothing but InputError is raised, within a bounded time and memory;
- what is returned has the shape that the header announces, so that no array is shorter than it says;
- a file that is cut or extended gives exactly the values of the whole, or an error;
- where a format has checksums that its reader verifies, the same holds for every other damage.

Formats without checksums cannot tell a flipped value from a measured one, nor one header field from another as long as
the file is large enough for it: there, values and announced shapes may differ. A file that was exchanged for a valid one
of its kind cannot be told, nor can the end of a list of angles: it is found where it meets the projections.
"""

import os
import resource
import shutil
import signal
import warnings

import numpy as np
import pytest
from damage import SAMPLES, damage

from scan2seg.errors import InputError

CASES = int(os.environ.get("SCAN2SEG_FUZZ_CASES", 30))
SECONDS = 5
BYTES = 3 * 2**30


@pytest.fixture(autouse=True)
def _bounded():
    """A case that takes longer fails, and one that asks for more memory gets none, as on a node without it."""

    def stop(*_):
        raise TimeoutError(f"a damaged file took more than {SECONDS} s")

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, limits[1]))
    previous = signal.signal(signal.SIGALRM, stop)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The content of a file of every format, to be put under a wrong name."""
    found = []
    for sample in SAMPLES:
        folder = tmp_path_factory.mktemp("other")
        sample.write(folder)
        found.append(max(files_in(folder), key=lambda path: path.stat().st_size).read_bytes())
    return found


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_quietly(sample, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            return sample.read(folder)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.parametrize("number", range(len(SAMPLES)), ids=[sample.name for sample in SAMPLES])
def test_damage_ends_in_an_error_or_in_what_was_announced(tmp_path, contents, number):
    sample = SAMPLES[number]
    (tmp_path / "whole").mkdir()
    sample.write(tmp_path / "whole")
    whole = read_quietly(sample, tmp_path / "whole")
    names = [path.relative_to(tmp_path / "whole") for path in files_in(tmp_path / "whole")]
    refused = []
    for case in range(CASES):
        generator = np.random.default_rng([number, case])
        shutil.copytree(tmp_path / "whole", tmp_path / "damaged")
        name = names[int(generator.integers(len(names)))]
        way = damage(tmp_path / "damaged" / name, generator, contents)
        try:
            found = read_quietly(sample, tmp_path / "damaged")
        except InputError as error:
            refused.append(len(str(error)))
        except Exception as error:
            raise AssertionError(f"{sample.name}, case {case}: {way} of {name} gave {error!r}") from error
        else:
            if (way in ("cut", "extend") and not sample.listed) or (sample.verified and way != "exchange"):
                same = len(found) == len(whole) and all(map(np.array_equal, whole, found))
                assert same, f"{sample.name}, case {case}: {way} of {name} changed the values without an error"
        shutil.rmtree(tmp_path / "damaged")
    assert refused and max(refused) < 3000  # a message is for reading
