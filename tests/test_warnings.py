"""Which warnings fail a test: those of our own modules."""

import warnings

import pytest


@pytest.mark.parametrize("module", ["stream_consumer", "stream_consumer.batch.job", "tests.fakes", "benchmarks.web"])
def test_a_warning_of_ours_fails(module: str) -> None:
    with pytest.raises(UserWarning, match="ours"):
        warnings.warn_explicit("ours", UserWarning, "file.py", 1, module=module)


def test_what_is_left_open_fails_wherever_it_is_noticed() -> None:
    with pytest.raises(ResourceWarning):
        warnings.warn_explicit("unclosed", ResourceWarning, "file.py", 1, module="threading")


@pytest.mark.parametrize("module", ["joblib.externals.loky.backend.context", "mlflow", "codecs", "stream_consumers"])
def test_a_warning_of_others_does_not(module: str) -> None:
    """Joblib warns where it cannot count the physical cores, and Python 3.14 of what MLflow calls."""
    with warnings.catch_warnings(record=True):
        warnings.warn_explicit("theirs", UserWarning, "file.py", 1, module=module)
