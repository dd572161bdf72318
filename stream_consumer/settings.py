"""
Read the environment into a frozen :class:`Settings` and report every fault at once.

Limits of AWS services are constants in the modules that obey them, not settings. Where the MLOps Zoomcamp reference
solution has a variable, the name is the same. ``FIELDS`` is the source of the table in
docs/settings.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream_consumer.contract.event_schema import Column
from stream_consumer.contract.stream_arn import stream_name
from stream_consumer.environment_variables import (
    Field,
    amount,
    boolean,
    foreign_faults,
    integer,
    matching,
    read,
    refuse,
    share,
    some_text,
    url,
)
from stream_consumer.kafka_settings import FIELDS as KAFKA_FIELDS
from stream_consumer.kafka_settings import KafkaSettings
from stream_consumer.models.columns import parse_columns
from stream_consumer.models.loading import Choice

_stream = matching(
    r"[a-zA-Z0-9_.-]{1,128}|arn:[^:]+:kinesis:[^:]+:\d{12}:stream/[a-zA-Z0-9_.-]{1,128}", "a stream's name or ARN"
)
_digest = matching(r"[0-9a-f]{64}", "a SHA-256 in lower-case hex")
_bucket = matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name")

FIELDS = {
    "predictions_stream_name": Field(
        "PREDICTIONS_STREAM_NAME",
        _stream,
        "ride_predictions",
        "Name of the output stream. Its ARN if the stream is in another account",
    ),
    "model_location": Field(
        "MODEL_LOCATION",
        some_text,
        None,
        "Location of the model: a directory, an `s3://` prefix, a `champion.json` or, with mlflow installed, "
        "`models:/name@alias`",
    ),
    "model_bucket": Field(
        "MODEL_BUCKET",
        _bucket,
        None,
        "Bucket of MLflow's artifacts. Replaces `MODEL_LOCATION` together with the next two",
    ),
    "mlflow_experiment_id": Field(
        "MLFLOW_EXPERIMENT_ID", matching(r"\w+", "an experiment's id"), None, "Id of the experiment"
    ),
    "run_id": Field(
        "RUN_ID",
        matching(r"[\w.-]+", "a run's or model's id"),
        None,
        "Id of the run, or MLflow 3's model id (`m-…`). Overrides the `version` in predictions",
    ),
    "model_digest": Field(
        "MODEL_DIGEST",
        _digest,
        None,
        "SHA-256 of the model directory, as `stream-consumer model` prints it. Required for pickled models",
    ),
    "model_columns": Field(
        "MODEL_COLUMNS",
        parse_columns,
        (),
        "Columns of a model logged without a signature: `NAME:TYPE`, separated by commas. Types are MLflow's, with `?` "
        "behind the type of an optional column",
    ),
    "entity_field": Field(
        "ENTITY_FIELD",
        str,
        None,
        "Field of the event with the model's input. Empty if the event itself is the input. The default is in the "
        "model's metadata, else `ride`",
        empty=True,
    ),
    "id_field": Field(
        "ID_FIELD",
        str,
        None,
        "Field of the event with its identifier, the partition key of the prediction. Empty if events have none, and "
        "the event id is used. The default is in the model's metadata, else `ride_id`",
        empty=True,
    ),
    "prediction_field": Field(
        "PREDICTION_FIELD",
        some_text,
        None,
        "Field with the predicted value. The default is in the model's metadata, else `ride_duration`",
    ),
    "dead_letter_bucket": Field(
        "DEAD_LETTER_BUCKET",
        _bucket,
        None,
        "Bucket for dead letters. Without a bucket, an invalid record fails its batch and goes to the mapping's "
        "on-failure destination",
    ),
    "dead_letter_prefix": Field(
        "DEAD_LETTER_PREFIX",
        matching(r"[\w!.*'()-]+(/[\w!.*'()-]+)*", "a key prefix without slashes at its ends"),
        "dead-letters",
        "Key prefix of dead letters",
    ),
    "dead_letter_max_share": Field(
        "DEAD_LETTER_MAX_SHARE",
        share,
        None,
        "Largest share of dead letters among the last 1,000 records, such as `5%`. Above this share a batch fails as a "
        "whole. The default allows any share",
    ),
    "kinesis_endpoint_url": Field(
        "KINESIS_ENDPOINT_URL",
        url,
        None,
        "URL of the Kinesis endpoint, for emulators. botocore's `AWS_ENDPOINT_URL…` work too",
    ),
    "test_run": Field(
        "TEST_RUN", boolean, default=False, meaning="With `true`, score and return predictions, and write nothing"
    ),
    "return_predictions": Field(
        "RETURN_PREDICTIONS",
        boolean,
        default=False,
        meaning="With `true`, add `predictions` to the response, as many as fit into 6 MB",
    ),
    "deadline_margin_ms": Field(
        "DEADLINE_MARGIN_MS",
        integer(0, 60_000),
        1000,
        "Part of the invocation's remaining time reserved for the answer, in milliseconds",
    ),
    "publish_aggregate_keys": Field(
        "PUBLISH_AGGREGATE_KEYS",
        integer(0, 10_000),
        0,
        "Number of partition keys for folding predictions into KPL aggregates, several for each shard of the output. "
        "Every reader must then unfold. With `0`, each prediction is a record",
    ),
    "publish_concurrency": Field("PUBLISH_CONCURRENCY", integer(1, 32), 4, "Number of PutRecords requests in flight"),
    "challenger_location": Field(
        "CHALLENGER_LOCATION",
        some_text,
        None,
        "Location of a second model, in the form of `MODEL_LOCATION`. The challenger scores each settled batch again, "
        "and metrics show the differences",
    ),
    "challenger_digest": Field(
        "CHALLENGER_DIGEST", _digest, None, "Digest of the challenger, in the form of `MODEL_DIGEST`"
    ),
    "challenger_stream": Field(
        "CHALLENGER_STREAM",
        _stream,
        None,
        "Name or ARN of the stream for the challenger's predictions. Predictions that the stream refuses are dropped",
    ),
    "challenger_threshold": Field(
        "CHALLENGER_THRESHOLD",
        amount,
        0.0,
        "Largest difference of two predicted numbers that counts as agreement, in the unit of the prediction",
    ),
    "challenger_timeout_ms": Field(
        "CHALLENGER_TIMEOUT_MS",
        integer(1, 600_000),
        2000,
        "Time for which a batch waits for the challenger, in milliseconds. With less time left, the challenger is not "
        "asked. If it is late, it is switched off for the life of the environment",
    ),
}

VARIABLES = frozenset(field.variable for field in (*FIELDS.values(), *KAFKA_FIELDS.values()))
"""Every variable that :class:`Settings` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a deployment. ``FIELDS`` explains each field."""

    predictions_stream_name: str
    model_location: str
    run_id: str | None
    model_digest: str | None
    model_columns: Sequence[Column]
    entity_field: str | None
    id_field: str | None
    prediction_field: str | None
    dead_letter_bucket: str | None
    dead_letter_prefix: str
    dead_letter_max_share: float | None
    kinesis_endpoint_url: str | None
    test_run: bool
    return_predictions: bool
    deadline_margin_ms: int
    publish_aggregate_keys: int
    publish_concurrency: int
    challenger_location: str | None
    challenger_digest: str | None
    challenger_stream: str | None
    challenger_threshold: float
    challenger_timeout_ms: int
    kafka: KafkaSettings

    @property
    def choice(self) -> Choice:
        """The choices about the model: digest, run, envelope and columns."""
        names = {"entity": self.entity_field, "id": self.id_field, "prediction": self.prediction_field}
        envelope = {name: value for name, value in names.items() if value is not None}
        return Choice(self.model_digest, self.run_id, envelope, self.model_columns)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Settings":
        """
        Read *environ*.

        Raises:
            SettingsError: At least one variable is wrong. The message has each such variable, its value and the value
                wanted.
        """
        values, faults = read(FIELDS, environ)
        bucket, experiment = values.pop("model_bucket"), values.pop("mlflow_experiment_id")
        if values["model_location"] is None:
            values["model_location"] = _artifact_location(bucket, experiment, values["run_id"])
            if values["model_location"] is None:
                faults.append(
                    "MODEL_LOCATION is not set, nor are all of MODEL_BUCKET, MLFLOW_EXPERIMENT_ID and RUN_ID: name a "
                    "model by MODEL_LOCATION, or by --model of a command"
                )
        values["kafka"], kafka_faults = KafkaSettings.read(environ)
        faults += [*_challenger_faults(values), *kafka_faults]
        refuse([*faults, *foreign_faults(environ)])
        values["return_predictions"] |= values["test_run"]
        return cls(**values)


def _challenger_faults(values: Mapping[str, Any]) -> list[str]:
    faults = [
        f"{FIELDS[name].variable} is set, but CHALLENGER_LOCATION is not"
        for name in ("challenger_digest", "challenger_stream")
        if values[name] and not values["challenger_location"]
    ]
    stream, own = values["challenger_stream"], values["predictions_stream_name"]
    # Readers keep the first prediction of an event, and the challenger's might come first.
    if stream and (stream == own or stream_name(stream) == own or stream_name(own) == stream):
        faults.append(f"CHALLENGER_STREAM={stream!r} is PREDICTIONS_STREAM_NAME; wanted a stream of its own")
    return faults


def _artifact_location(bucket: str | None, experiment: str | None, run: str | None) -> str | None:
    if not (bucket and experiment and run):
        return None
    # MLflow 3 keeps a logged model beside its run, under the model's own id.
    return f"s3://{bucket}/{experiment}/" + (
        f"models/{run}/artifacts" if run.startswith("m-") else f"{run}/artifacts/model"
    )
