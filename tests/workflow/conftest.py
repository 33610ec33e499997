import fcntl
import os

import pytest
from pipeline import CACHES, Pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The pipeline after a finished run without a home folder: one run for all test processes, a copy for each."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    shared.mkdir(exist_ok=True)
    # not even root can make this one
    homeless = {"HOME": "/dev/null/home", **{name: str(shared / "cache") for name in CACHES}}
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "made").exists():
            first = Pipeline(shared / "pipeline")
            first.env |= homeless
            result = first.run()
            assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
            (shared / "made").touch()
    made = Pipeline(tmp_path_factory.mktemp("pipeline"), finished=shared / "pipeline")
    made.env |= homeless
    return made
