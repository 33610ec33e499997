import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the workflow first: files are shared out whole, and its files are the longest."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """A process a core runs the tests: more threads than that spend their time waiting for each other.

    For every test anew, because numba's first parallel kernel, of an earlier test, gives torch all cores.
    """
    import torch

    torch.set_num_threads(1)
