"""
The Lambda handler. Init turns the settings into clients, a model and a consumer, and :func:`lambda_handler` answers.

A batch comes from a Kinesis mapping or from a Kafka mapping, as the event says.

The rule: the response always has the key ``batchItemFailures`` under exactly this name, since Lambda takes any other
key for success. The handler raises if this key cannot express a failure. A Kafka mapping without partial responses
takes every response for success. Therefore the handler raises, unless the settings say that the mapping has partial
responses.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from stream_consumer.aws.invocation import seconds_left
from stream_consumer.composition import Closable, compose
from stream_consumer.consumer import ALLOCATIONS_BETWEEN_COLLECTIONS, BatchResult, Consumer
from stream_consumer.contract.kafka_event import is_kafka_event, item_identifier, records_from_kafka
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.record import Record
from stream_consumer.errors import BatchFailed, InitError, SettingsError
from stream_consumer.settings import VARIABLES, Settings
from stream_consumer.telemetry import Telemetry, telemetry

if TYPE_CHECKING:
    from stream_consumer.challenger.challenger import Challenger

# Source: AWS Lambda developer guide, "Lambda quotas": 6 MB for a synchronous response. 64 KiB are left for the rest.
_MAX_PREDICTIONS_BYTES = 6 * 2**20 - 2**16


class Handler:
    """Answers Lambda's invocations with one consumer."""

    def __init__(  # noqa: PLR0913 (its parts, each named where they are composed)
        self,
        consumer: Consumer,
        settings: Settings,
        report: Telemetry,
        *,
        clients: Sequence[Closable] = (),
        challenger: "Challenger | None" = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._consumer = consumer
        self._settings = settings
        self._report = report
        self._clients = clients
        self._challenger = challenger
        self._monotonic = monotonic
        self._now = now

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """
        Consume the batch in *event*.

        Raises:
            BatchFailed: Not even the first record could be settled, or the response cannot name the unsettled records.
                The whole batch must be redelivered. Only a raised error lets the mapping bisect down to the blocking
                record.
            NotAKinesisEvent: *event* holds no batch.
            NotAKafkaEvent: *event* looks like Kafka's and holds no batch.
        """
        records = _records(event)
        deadline = self._deadline(context)
        result = self._consumer.process(records, deadline)
        self._report.invoked(result, getattr(context, "aws_request_id", None), self._now())
        response: dict[str, Any] = {"batchItemFailures": self._failures(result)}
        if self._settings.return_predictions:
            try:
                response |= _returned(result)
            except Exception as error:  # noqa: BLE001 (published is published: what is only told cannot fail the batch)
                self._report.not_returned(error)
                response |= {"predictions": [], "predictionsLeftOut": len(result.predictions)}
        if self._challenger:
            # The challenger comes last, and no error of its own may escape: the batch is settled, and the response must
            # reach Lambda.
            with contextlib.suppress(Exception):
                self._report.challenged(self._challenger.challenge(result, deadline))
        return response

    def _failures(self, result: BatchResult) -> list[dict[str, Any]]:
        """Return the items for Lambda to deliver again: for Kafka each unsettled record, for Kinesis only the first."""
        if not result.unsettled:
            return []
        from_kafka = result.first_unsettled[0].kafka is not None
        if result.settled == 0 or not (from_kafka or result.checkpoint):
            raise BatchFailed(f"none of the {len(result.records)} records could be checkpointed: {result.cause}")
        if not from_kafka:
            return [{"itemIdentifier": result.checkpoint}]
        if not self._settings.kafka.partial_response:
            raise BatchFailed(
                f"{result.unsettled} of the {len(result.records)} records could not be settled, and all come again "
                f"without KAFKA_PARTIAL_RESPONSE: {result.cause}"
            )
        return [{"itemIdentifier": item_identifier(result.records[at])} for at in result.unsettled_positions]

    def renew(self) -> None:
        """
        Renew connections and random numbers after SnapStart has restored a snapshot.

        With the same random numbers, all restored environments would wait in step.

        The rest of init belongs in the snapshot: the model is loaded and has predicted its example, and the clients are
        built. The only threads are those of a Kafka producer, and closing the producer ends them. No clock value is
        kept, since each invocation reads the clock anew.

        Source: AWS Lambda developer guide, "Handling uniqueness with Lambda SnapStart".
        """
        for client in self._clients:
            client.close()
        random.seed()

    def _deadline(self, context: Any) -> float:
        return self._monotonic() + seconds_left(context) - self._settings.deadline_margin_ms / 1000


def _records(event: Mapping[str, Any]) -> list[Record]:
    # An operator may invoke the function with any JSON.
    from_kafka = isinstance(event, dict) and is_kafka_event(event)
    return records_from_kafka(event) if from_kafka else records_from_lambda(event)


def _returned(result: BatchResult) -> dict[str, Any]:
    """Return as many predictions as fit into a response. If some do not fit, the response also has their number."""
    predictions, room = [], _MAX_PREDICTIONS_BYTES
    for prediction in result.predictions:
        item = msgspec.to_builtins(prediction)
        room -= len(json.dumps(item)) + 2
        if room < 0:
            break
        predictions.append(item)
    left_out = len(result.predictions) - len(predictions)
    return {"predictions": predictions} | ({"predictionsLeftOut": left_out} if left_out else {})


def build_handler(environ: Mapping[str, str], report: Telemetry) -> Handler:
    """
    Build the handler for the settings in *environ*.

    Raises:
        InitError: The environment or the model is wrong. No record is consumed until the operator mends the fault.
    """
    settings = Settings.of(environ)
    report.misspelt(VARIABLES, environ)
    composed = compose(settings, report.started)
    return Handler(composed.consumer, settings, report, clients=composed.clients, challenger=composed.challenger)


@functools.cache
def _handler() -> Handler:
    try:
        report = telemetry(os.environ)
    except SettingsError:
        Settings.of(os.environ)  # raises with all faults of the environment
        raise
    # The objects of init live as long as the process. Searching them for garbage again and again takes a tenth of init.
    gc.disable()
    try:
        return build_handler(os.environ, report)
    except InitError as error:
        report.failed_to_start(error)
        raise
    finally:
        gc.freeze()
        gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
        gc.enable()


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Answer an invocation. See :class:`Handler`."""
    return _handler()(event, context)


# Lambda's init phase is the import of this module. Outside Lambda the import has no effect.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # The hooks come with the runtime interface client, and only SnapStart makes the client call them.
    importlib.import_module("snapshot_restore_py").register_after_restore(_handler().renew)
