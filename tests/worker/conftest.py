"""The worker's runs are batch runs: the same model, the same stores."""

from tests.batch.conftest import model, model_folder, scratch, stores

__all__ = ["model", "model_folder", "scratch", "stores"]
