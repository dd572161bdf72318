"""``consume`` of a Kinesis stream: an event source mapping on this machine, which invokes a Lambda function."""

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stream_consumer.cli.batch_lines import plural
from stream_consumer.cli.consume import OWN_HANDLER
from stream_consumer.cli.function_log import FunctionLog
from stream_consumer.cli.outputs import check_outputs
from stream_consumer.cli.terminal import complain, hint
from stream_consumer.contract.timestamps import iso_seconds
from stream_consumer.errors import BatchFailed, DeploymentAtFault, UsageError
from stream_consumer.kinesis.shard_reader import list_shards, same_stream, stream_arn
from stream_consumer.local.mapping import events
from stream_consumer.local.mapping.checkpoints import Checkpoints, FileCheckpoints, MemoryCheckpoints
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.on_failure import (
    OnFailureDestination,
    S3Destination,
    SnsDestination,
    SqsDestination,
)
from stream_consumer.local.runtime.functions import (
    EMPTY_BATCH,
    Function,
    FunctionConfig,
    InProcessFunction,
    Invocation,
    started,
)
from stream_consumer.settings import Settings

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients

_EXPECTED = {BatchFailed.__name__, DeploymentAtFault.__name__}
"""Errors whose message says all. The frames of any other error lead to its cause in the handler."""
_TOPIC = re.compile(r"arn:[^:]+:sns:[^:]+:\d+:.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """The stream that the command line asks for, and its function."""

    mapping: MappingConfig
    function: FunctionConfig
    runtime: bool
    """Whether the function runs in processes of its own."""
    on_failure: str | None
    checkpoint: Path | None
    poll_seconds: float
    drain: bool


def consume_stream(asked: Consumption, clients: "Clients", log: FunctionLog) -> None:
    """
    Consume until SIGTERM or Ctrl-C, or with ``--drain`` until everything is settled.

    Raises:
        UsageError: Predictions would go on the stream that is consumed, an output does not exist, or an option is
            wrong.
        LocalPlatformError: The function does not start, or the stream cannot be read.
    """
    destination = _destination(asked.on_failure, clients)
    arn = stream_arn(clients.kinesis, asked.mapping.stream_name)
    if asked.function.handler == OWN_HANDLER:
        settings = Settings.of(os.environ)
        _check_output(asked.mapping.stream_name, settings, clients)
        check_outputs(settings)
    checkpoints = _checkpoints(asked, arn)
    environments = len(list_shards(clients.kinesis, arn)) * asked.mapping.parallelization_factor
    with _function(asked, log, environments) as function:
        mapping = EventSourceMapping(
            clients.kinesis,
            _Watched(function, log),
            asked.mapping,
            on_failure=destination,
            observer=functools.partial(_narrate, log),
            checkpoints=checkpoints,
            pace=Pace(poll_seconds=asked.poll_seconds),
        )
        log.begin()
        if asked.drain:
            mapping.drain()
        else:
            hint("waiting for records until Ctrl-C or SIGTERM")
        mapping.run()


def _check_output(stream: str, settings: Settings, clients: "Clients") -> None:
    """Refuse an output stream that is consumed. A stream of another endpoint is another stream."""
    output = settings.predictions_stream_name
    elsewhere = settings.kinesis_endpoint_url not in {None, clients.endpoint_url}
    if settings.test_run or settings.kafka.predictions_topic or elsewhere:
        return
    if same_stream(clients.kinesis, output, stream):
        raise UsageError(
            f"--stream {stream}: PREDICTIONS_STREAM_NAME is the same stream, and predictions would be consumed as "
            "events; set it to another"
        )


def _checkpoints(asked: Consumption, arn: str) -> Checkpoints:
    """Return the checkpoints, and tell where consuming begins."""
    stream, start = asked.mapping.stream_name, _start(asked.mapping)
    if asked.checkpoint is None:
        complain(f"{stream} from {start}. The next start begins there again, as --checkpoint FILE is not given")
        return MemoryCheckpoints()
    checkpoints = FileCheckpoints(asked.checkpoint)
    if checkpoints.load(arn) is None:
        complain(f"{stream} from {start}: the checkpoint file {asked.checkpoint} is new")
    else:
        complain(f"{stream} from the checkpoint in {asked.checkpoint}")
    return checkpoints


def _start(config: MappingConfig) -> str:
    if config.starting_position_timestamp is not None:
        return f"the records of {iso_seconds(int(config.starting_position_timestamp.timestamp()))} on"
    return {"LATEST": "the records that come now"}.get(config.starting_position, "the beginning of the stream")


@contextlib.contextmanager
def _function(asked: Consumption, log: FunctionLog, environments: int) -> Iterator[Function]:
    """
    Give the function, in this process or in processes of its own, with this process's environment.

    Raises:
        LocalPlatformError: It does not start; it would only be retried for ever.
    """
    if asked.runtime:
        from stream_consumer.local.runtime.worker_pool import RuntimeFunction

        environment = dict(os.environ)
        with RuntimeFunction(asked.function, environments=environments, environment=environment, log=log.take) as made:
            started(made.warm_up())
            yield made
        return
    with InProcessFunction(asked.function) as in_process:
        if asked.function.handler == OWN_HANDLER:
            started(in_process.invoke(EMPTY_BATCH).error)
        yield in_process


class _Watched:
    """A function whose log is told which lines are of which invocation."""

    def __init__(self, function: Function, log: FunctionLog) -> None:
        self._function = function
        self._log = log

    @property
    def arn(self) -> str:
        return self._function.arn

    def invoke(self, payload: bytes) -> Invocation:
        return self._log.call(self._function, payload)


def _destination(text: str | None, clients: "Clients") -> OnFailureDestination | None:
    if text is None:
        return None
    if text.startswith("s3://"):
        return S3Destination(clients.s3, text.removeprefix("s3://").rstrip("/"))
    if text.startswith(("http://", "https://")):
        return SqsDestination(clients.sqs, text)
    if _TOPIC.fullmatch(text):
        return SnsDestination(clients.sns, text)
    raise UsageError(f"--on-failure {text}: wanted s3://BUCKET, an SQS queue's URL or an SNS topic's ARN")


def _narrate(log: FunctionLog, event: events.Event) -> None:
    """Say what an operator should know; silence is success."""
    log(event)
    match event:
        case events.Invoked(shard_id=shard, records=records, invocation=invocation) if invocation.error:
            error = invocation.error
            hint(f"{shard}: {plural(records, 'record', 'records')} failed: {error.error_type}: {error.message}")
            for frame in error.stack_trace if error.error_type not in _EXPECTED else ():
                for line in frame.splitlines():
                    hint(line)
        case events.GivenUp(shard_id=shard, records=records, condition=condition):
            hint(f"{shard}: {plural(records, 'record', 'records')} discarded: {condition}")
        case events.WindowLost(shard_id=shard, start=start, end=end, condition=condition):
            span = f"{iso_seconds(start)} to {iso_seconds(end)}"
            hint(f"{shard}: the state of the window from {span} is lost: {condition}")
        case events.ReadingFailed(shard_id=shard, reason=reason):
            hint(f"{shard}: read failed, trying again: {reason}")
        case events.DeliveryFailed(shard_id=shard, reason=reason):
            hint(f"{shard}: the on-failure destination did not take a document, trying again: {reason}")
        case _:
            pass
