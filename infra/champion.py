"""
The model that a release bakes in.

The rule: ``champion.json`` is read once per release. From then on the model is known by its digest, so both images of a
deployment have the same model, even if another model is promoted meanwhile.
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
    """Digest of the model's files. Empty without a model."""
    champion: Champion | None = None
    """The model's entry in ``champion.json``. None if the location is not such a file."""
    challenger: Challenger | None = None
    """The previous champion, which also predicts during a canary, or None."""

    @property
    def version(self) -> ModelVersion | None:
        """The champion without its predecessors."""
        known = self.champion
        return known and ModelVersion(
            version=known.version, digest=known.digest, metrics=known.metrics, trained_on=known.trained_on
        )


def chosen(model: str, digest: str = "", s3: Callable[[], Any] = default_s3) -> Chosen:
    """
    Return the model at *model*. In a ``champion.json``, return the champion, or the entry with *digest*.

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
