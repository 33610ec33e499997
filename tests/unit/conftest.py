"""What several files of unit tests read."""

from pathlib import Path

import pytest
from stages import make_inputs


@pytest.fixture(scope="session")
def stage_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the stages read which write a store part by part."""
    made = tmp_path_factory.mktemp("inputs")
    make_inputs(made)
    return made
