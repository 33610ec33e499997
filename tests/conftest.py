import pytest


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Two cores: more threads than that only wait for each other."""
    import torch

    torch.set_num_threads(2)
