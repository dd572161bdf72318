"""
One model behind each interface: the same events in, the values that came out.

The rule: nothing here imports mlflow or pandas, so that a process which forbids them can run it.
"""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from stream_consumer.batch.job import Job, run
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.dead_letter import decode_dead_letters
from stream_consumer.errors import InitError, StreamConsumerError
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.settings import Settings
from stream_consumer.web.app import web_app
from stream_consumer.web.settings import WebSettings
from tests.harness import Harness
from tests.web.client import post

Events = Sequence[bytes]

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a batch of events, or of the attempt."""

    values: Sequence[Any] = ()
    """The prediction of each event; None where the event became a dead letter."""
    faults: Sequence[str] = ()
    """Why events became dead letters."""
    refused: str | None = None
    """Why no event was taken."""
    crashed: str | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What came of one model."""

    refused: str | None = None
    """Why the model was not loaded."""
    crashed: str | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """By interface; empty if the model was not loaded."""


def events_of(rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    return [json.dumps({"ride": row, "ride_id": at}).encode() for at, row in enumerate(rows)]


def serve(location: str, environ: Mapping[str, str], rows: Sequence[Mapping[str, Any]], scratch: Path) -> Served:
    """Load a model once and send *rows* through each interface."""
    environ = {"MODEL_LOCATION": location, **environ}
    os.environ.update(environ)  # mlflow's own settings are read from there
    paths, modules = list(sys.path), set(sys.modules)
    try:
        try:
            settings = Settings.of(environ)
            model = load_model(settings.model_location, s3=_no_s3, choice=settings.choice)
        except InitError as error:
            return Served(refused=str(error))
        events = events_of(rows)
        answers = {name: _attempt(feed, model, events, scratch) for name, feed in INTERFACES.items()}
    except Exception:  # noqa: BLE001 (a crash is what the table must show)
        return Served(crashed=traceback.format_exc(limit=-3))
    finally:
        for name in environ:
            del os.environ[name]
        sys.path[:] = paths
        _forget(set(sys.modules) - modules)
    return Served(answers=answers)


def _forget(modules: Iterable[str]) -> None:
    """
    Forget the code that travelled with a model: the next model has to bring its own.

    Libraries stay, even where the whole checkout lies in the folder for temporary files.
    """
    for name in modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(tempfile.gettempdir()) and not file.startswith((str(_ROOT), sys.prefix)):
            del sys.modules[name]


def _no_s3() -> Any:
    raise AssertionError("no S3 is wanted here")


def _attempt(feed: "Feed", model: Model, events: Events, scratch: Path) -> Answer:
    try:
        return feed(model, events, scratch)
    except StreamConsumerError as error:
        return Answer(refused=f"{type(error).__name__}: {error}")
    except Exception:  # noqa: BLE001 (a crash is what the table must show)
        return Answer(crashed=traceback.format_exc(limit=-3))


def _stream(model: Model, events: Events, _: Path) -> Answer:
    """The Lambda handler: records in, what is on the stream and in the bucket out."""
    run = Harness(model=cast("Any", model))
    run.invoke(events)
    written = [json.loads(record.data) for record in run.kinesis.records]
    return _in_order(events, written, [letter.detail for letter in run.s3.letters])


def _batch(model: Model, events: Events, scratch: Path) -> Answer:
    """``stream-consumer batch``: a file of NDJSON in, files of predictions and of rejects out."""
    source, target, rejects = (scratch / name for name in ("in.ndjson", "out.ndjson", "out.ndjson.rejected.jsonl"))
    source.write_bytes(b"\n".join(events) + b"\n")
    run(Job.of(str(source), str(target)), model=model, stores=Stores(_no_s3, scratch))
    letters = decode_dead_letters(rejects.read_bytes()) if rejects.exists() else []
    written = [json.loads(line) for line in target.read_bytes().splitlines()]
    return _in_order(events, written, [letter.detail for letter in letters])


def _web(model: Model, events: Events, _: Path) -> Answer:
    """``POST /predict``: a list in, a list out."""
    app = web_app(model, WebSettings.of({"MODEL_LOCATION": "unused"}))
    reply = post(app, b"[" + b",".join(events) + b"]")
    if reply.status >= 500:
        return Answer(refused=f"{reply.status}: {reply.json['detail']}")
    items = reply.json
    return _in_order(
        events,
        [item for item in items if "prediction" in item],
        [item["detail"] for item in items if "reason" in item],
    )


def _in_order(events: Events, written: Sequence[Any], faults: Sequence[str]) -> Answer:
    by_id = {one["prediction"]["ride_id"]: one["prediction"]["ride_duration"] for one in written}
    assert len(by_id) + len(faults) == len(events), "an event has two outcomes or none"
    return Answer([by_id.get(at) for at in range(len(events))], faults)


Feed = Callable[[Model, Events, Path], Answer]
INTERFACES: Mapping[str, Feed] = {"stream": _stream, "batch": _batch, "web": _web}


def as_json(served: Served) -> str:
    return json.dumps(asdict(served))


def from_json(text: str) -> Served:
    content = json.loads(text)
    answers = {name: Answer(**answer) for name, answer in content.pop("answers").items()}
    return Served(answers=answers, **content)
