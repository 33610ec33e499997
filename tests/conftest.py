import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Two cores: more threads than that only wait for each other."""
    import torch

    torch.set_num_threads(2)
