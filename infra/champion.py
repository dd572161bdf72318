"""
The model that a release bakes in.

The rule: ``champion.json`` is read once for a release. What it names is then known by its digest, so both images of a
deployment hold the same model, whoever is promoted meanwhile.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from infra.canary import Challenger
from infra.publish import ReleaseFailed
from stream_consumer.models.champion import Champion, ModelVersion, beside, names_champion, read_champion
from stream_consumer.models.files import default_s3


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model to bake in."""

    location: str = ""
    """Of its files; empty: none is baked in."""
    champion: Champion | None = None
    """What ``champion.json`` says of it; None: the location is that of no such file."""
    challenger: Challenger | None = None
    """The champion before it, which predicts beside it during a canary; None: there is none."""

    @property
    def version(self) -> ModelVersion | None:
        """The champion without those before it."""
        known = self.champion
        return known and ModelVersion(
            version=known.version, digest=known.digest, metrics=known.metrics, trained_on=known.trained_on
        )


def chosen(model: str, digest: str = "", s3: Callable[[], Any] = default_s3) -> Chosen:
    """
    Return the model that *model* names; of a ``champion.json`` the one with *digest*, or with none the champion.

    Raises:
        ModelError: The file cannot be read.
        ReleaseFailed: No champion of the file, now or before, has the digest.
    """
    if not names_champion(model):
        return Chosen(model)
    found = [champion for champion in _history(read_champion(model, s3)) if digest in {"", champion.digest}]
    if not found:
        raise ReleaseFailed(f"no champion of {model}, now or before, has the digest {digest}: leave DIGEST out")
    before = found[0].previous
    challenger = Challenger(beside(model, before.digest), before.digest) if before else None
    return Chosen(beside(model, found[0].digest), found[0], challenger)


def _history(champion: Champion | None) -> Iterator[Champion]:
    while champion:
        yield champion
        champion = champion.previous
