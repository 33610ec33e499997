import pytest
from pipeline import Pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The pipeline after a finished run."""
    made = Pipeline(tmp_path_factory.mktemp("pipeline"))
    result = made.run()
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    return made
