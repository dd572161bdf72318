"""
Checks of the models: each function has a model, and the model loads as in the function.

The rule: a package that is missing only on this machine is not a fault, since the image gets its model's packages.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.container.needs import needs_of
from infra.container.packages import LOCKS, pins
from infra.preflight.finding import Finding, stop
from infra.preflight.variables import Model
from stream_consumer.errors import ModelError, SettingsError
from stream_consumer.models.files import default_s3, directory_digest, model_directory
from stream_consumer.models.loading import load_directory
from stream_consumer.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def models(asked: Mapping[str, Model], baked: str, s3: Callable[[], Any] | None) -> Iterator[Finding]:
    """Yield a finding for each model: baked in (MODEL), or on S3. *s3* is None without credentials."""
    bare = sorted(name for name, model in asked.items() if not model.location)
    if bare and not baked:
        yield stop("model", f"none for {', '.join(bare)}", "name it by MODEL=…, or as model.location in the tfvars")
    if baked:
        settings = next((model.environment for model in asked.values() if not model.location), {})
        yield _loads(baked, Model(baked, environment=settings), s3, pinned=True)
    remote = {(model.location, model.digest): model for model in asked.values() if model.location}
    for model in remote.values():
        if model.location and model.location.startswith("s3://"):
            yield _loads(model.location, model, s3, pinned=bool(model.digest))


def _loads(location: str, model: Model, s3: Callable[[], Any] | None, *, pinned: bool) -> Finding:
    if s3 is None and location.startswith("s3://"):
        return Finding("model", location, "not looked at without an identity")
    try:
        with model_directory(location, s3 or default_s3) as directory:
            return _loads_from(directory, location, model, pinned=pinned)
    except (ModelError, SettingsError, ImportError) as fault:
        remedy = "name another by MODEL=… or model.location; MODEL_DIGEST is model.digest there"
        return stop("model", " ".join(str(fault).split()), remedy)


def _loads_from(directory: Path, location: str, model: Model, *, pinned: bool) -> Finding:
    digest = directory_digest(directory)
    pin = {"MODEL_DIGEST": model.digest or digest} if pinned else {}  # the image pins its own model
    settings = Settings.of({**model.environment, "MODEL_LOCATION": location, **pin})
    try:
        load_directory(directory, location, settings.choice)
    except (ModelError, ImportError):
        needs = needs_of(directory, location, pins(ROOT / LOCKS / "runtime.txt"))
        if not needs:
            raise
        packages = ", ".join(need.requirement for need in needs)
        return Finding("model", f"{location} needs {packages}", "not loaded here; the image gets it")
    return Finding("model", f"{location} loads, sha256 {digest[:12]}…")
