import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the workflow first: files are shared out whole, and its files are the longest."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Two cores: more threads than that only wait for each other."""
    import torch

    torch.set_num_threads(2)
