import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scan2seg.errors import InputError
from scan2seg.replacement import replacing
from scan2seg.storage import create_array, creating, open_store, shards, write_json


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"a": float("nan")})
    assert target.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the disk is full"), replacing(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_killed_writer_leaves_nothing_finished_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from scan2seg.storage import creating\n"
        "with creating(sys.argv[1]) as group:\n"
        "    group.create_array('a', shape=(3,), dtype='int8'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "s.zarr")], env={**os.environ}, check=False)
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    with creating(tmp_path / "s.zarr") as group:
        group.create_array("b", shape=(2,), dtype="int8")
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_shards_are_whole_items_and_tens_of_megabytes(tmp_path: Path) -> None:
    with creating(tmp_path / "s.zarr") as group:
        array = create_array(group, "image", (100, 1, 700, 900), "float32")
        assert array.shards[0] * 700 * 900 * 4 < 40e6
        for block in shards(array):
            array[block] = np.float32(block.start)
    stored = open_store(tmp_path / "s.zarr")["image"]
    assert stored[99, 0, 699, 899] == shards(stored)[-1].start
    with pytest.raises(InputError, match="not a readable Zarr store"):
        open_store(tmp_path / "nothing.zarr")
