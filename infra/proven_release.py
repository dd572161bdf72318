"""
Release, test, record, or go back: ``make release``, which the workflow of GitHub also runs.

The rule: if the canary or the smoke test fails, the previous release is live again before the command fails, and the
record has the reason. A release never writes ``champion.json``, so it never causes another release.
"""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from infra.canary import Canary
from infra.champion import Chosen, chosen
from infra.environment import Environment, recorded
from infra.publish import Push, ReleaseFailed
from infra.release import Image, model_digests_of, promoted_images, publish, put_live
from infra.release_records import Cause, Record, Records, now
from infra.rollback import versioned
from infra.smoke.verify import told
from infra.smoke.wait import Result, SmokeTestFailed
from stream_consumer.errors import StreamConsumerError

_FORESEEN = (ReleaseFailed, SmokeTestFailed, StreamConsumerError, BotoCoreError, ClientError)
_LOOKED_BACK = 20
"""A repeated dispatch comes within a day."""

Prove = Callable[[Mapping[str, Any], str], Iterator[Result]]
"""Runs the smoke test of a deployment and yields the results. Takes the outputs and the location of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The wanted release and its cause."""

    cause: Cause
    model: str = ""
    """Location of the model to bake in."""
    digest: str = ""
    """Digest of a champion of a ``champion.json``. Empty means the current champion."""
    source: Environment | None = None
    """Environment whose images are released. None builds the image of this commit."""
    architecture: str | None = None
    doors: bool = False
    training: bool = False
    challenger_of: str | None = None
    """The consumer of the previous champion. None means the only consumer."""
    commit: str = ""


def not_due(environment: Environment, order: Order, records: Records) -> str:
    """
    Return the reason why a dispatch needs no release, or an empty text. A manual order is always due.

    Raises:
        ModelError: The champion does not exist.
    """
    cause = order.cause
    if not cause.champion:
        return ""
    if cause.champion != order.model:
        return f"{environment.root.name} bakes in {order.model or 'no model'}, not what {cause.champion} names"
    for record in records.newest(_LOOKED_BACK):
        if cause.version and (record.cause.champion, record.cause.version) == (cause.champion, cause.version):
            return f"version {cause.version} of {cause.champion} was {record.outcome} at {record.at}"
    champion = chosen(order.model).champion
    if champion and _is_live(environment.outputs(), champion.digest, doors=order.doors):
        return f"the model {champion.version}, {champion.digest}, is live"
    return ""


def _is_live(outputs: Mapping[str, Any], digest: str, *, doors: bool) -> bool:
    known = outputs.get("model_digests") or {}
    kinds = ["lean", "doors"] if doors else ["lean"]
    return not outputs.get("releases") and all(known.get(kind) == digest for kind in kinds)


class _Ended(NamedTuple):
    """The end of a part of a release."""

    reason: str = ""
    """Why it failed."""
    fault: BaseException | None = None
    """An unexpected exception, to raise after the record is written."""

    @classmethod
    def by(cls, fault: BaseException) -> "_Ended":
        return cls(str(fault)) if isinstance(fault, _FORESEEN) else cls(repr(fault), fault)


@dataclass(frozen=True, slots=True)
class Releaser:
    """Releases to an environment."""

    environment: Environment
    records: Records
    build_and_push: Push
    prove: Prove
    canary: Canary | None = None

    def release(self, order: Order) -> Record:
        """
        Release *order*, and keep a record.

        Returns:
            The record. After a failed canary or smoke test, the previous release is live and the record tells why.

        Raises:
            ReleaseFailed: Nothing was applied: the environment has not been bootstrapped, or there is nothing to
                promote.
            ContainerError: The image cannot be built here.
            ModelError: The model cannot be read.
            BaseException: Any other exception, also Ctrl-C, after the record is written.
        """
        self.environment.init()
        before = self.environment.outputs()
        images, model = self._images(order)
        said, seen = _Heard(), list[Result]()
        with contextlib.redirect_stdout(said):  # Terraform writes to the process's own stdout, so this is the canary
            canary = _challenged(self.canary, model, before, order.challenger_of)
            ended = self._refused(images, canary)
        if not ended.reason:
            ended = self._unproven(before, model, seen)
        record = Record(
            at=now(),
            environment=self.environment.root.name,
            outcome="failed" if ended.reason else "released",
            reason=ended.reason,
            cause=order.cause,
            commit=order.commit,
            images={kind: image.digest for kind, image in images.items()},
            model_digests=model_digests_of(images),
            model=model.version,
            challenger=canary.challenger.location if canary and canary.challenger else "",
            canary=said.lines if canary else (),
            smoke=[f"{result.part}: {result.answer or f'not tested: {result.untested}'}" for result in seen],
        )
        print(self.records.write(record), flush=True)
        if ended.fault:
            raise ended.fault
        return record

    def _images(self, order: Order) -> tuple[Mapping[str, Image], Chosen]:
        """Get the images into the registry. Return the images and their model."""
        if order.source:
            images = promoted_images(order.source, self.environment)
            return images, _known(order.model, images["lean"].model)
        model = chosen(order.model, order.digest)
        images = publish(
            self.environment,
            order.architecture,
            self.build_and_push,
            doors=order.doors,
            training=order.training,
            model=model.location,
        )
        return images, model

    def _refused(self, images: Mapping[str, Image], canary: Canary | None) -> _Ended:
        """Put the images live. Return the reason if they are not."""
        try:
            put_live(self.environment, images, canary)
        except ReleaseFailed as fault:
            return _Ended(str(fault))
        except BaseException as fault:  # noqa: BLE001 (raised after the record is written)
            return _Ended(f"it was stopped before the smoke test: {fault!r}", fault)
        return _Ended()

    def _unproven(self, before: Mapping[str, Any], model: Chosen, seen: list[Result]) -> _Ended:
        """Go back to the previous release after a failed smoke test. Return the reason."""
        try:
            told(_kept(self.prove(self.environment.outputs(), model.location), seen))
        except BaseException as fault:  # noqa: BLE001 (after any exception, the applied release is live and not proven)
            failed = _Ended.by(fault)
        else:
            return _Ended()
        try:
            back = _back(self.environment, before)
        except BaseException as fault:  # noqa: BLE001 (as above)
            stayed = _Ended.by(fault)
            return _Ended(
                f"the smoke test failed, and the previous release is not live again, {stayed.reason}; go back with "
                f"make rollback ENV={self.environment.root.name}: {failed.reason}",
                failed.fault or stayed.fault,
            )
        return _Ended(f"{back}: {failed.reason}", failed.fault)


def _challenged(canary: Canary | None, model: Chosen, before: Mapping[str, Any], consumer: str | None) -> Canary | None:
    """Return *canary* with the previous champion as challenger, if it has no challenger and one consumer runs."""
    if not canary or canary.challenger or not model.challenger:
        return canary
    if consumer is None and len(before.get("consumers", {})) > 1:
        print(f"no challenger: set CHALLENGER_OF to the consumer in which {model.challenger.location} was live")
        return canary
    return replace(canary, challenger=replace(model.challenger, consumer=consumer))


class _Heard(io.StringIO):
    """A copy of the printed text, which is also printed."""

    def __init__(self) -> None:
        super().__init__()
        self._printed = sys.stdout

    def write(self, text: str) -> int:
        self._printed.write(text)
        self._printed.flush()
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


def _known(model: str, digest: str) -> Chosen:
    """Return the entry in *model* of the model with *digest* from another environment. May be unknown."""
    try:
        return chosen(model, digest) if digest else Chosen(model)
    except ReleaseFailed:
        return Chosen(model)


def _kept(results: Iterator[Result], seen: list[Result]) -> Iterator[Result]:
    for result in results:
        seen.append(result)
        yield result


def _back(environment: Environment, before: Mapping[str, Any]) -> str:
    """Make the release *before* live again, and return a sentence about it."""
    if not before.get("consumers"):
        return "the smoke test failed, and there is no release to go back to"
    environment.apply(undone(before, environment.outputs()))
    live = ", ".join(f"{name} on version {function['live_version']}" for name, function in versioned(before).items())
    return f"the smoke test failed, and the previous release is live again, {live}"


def undone(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of a release that take an environment from *after* back to *before*."""
    held = before.get("releases") or {}
    live = {name: held.get(name, {"version": it["live_version"]}) for name, it in versioned(before).items()}
    record = {**recorded(after), "releases": live}
    if before.get("doors_image_digest"):
        record["doors_image_digest"] = before["doors_image_digest"]
        record["model_digests"] = _with_doors_of(before, after)
    return record


def _with_doors_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    lean, doors = (outputs.get("model_digests") or {} for outputs in (after, before))
    return {kind: of[kind] for kind, of in (("lean", lean), ("doors", doors)) if kind in of}
