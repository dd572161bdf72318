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
        "PREDICTIONS_STREAM_NAME", _stream, "ride_predictions", "Output stream, by name or, across accounts, by ARN"
    ),
    "model_location": Field(
        "MODEL_LOCATION",
        some_text,
        None,
        "The model: a directory, an `s3://` prefix, a `champion.json` that names one, or (where mlflow is installed) "
        "`models:/name@alias`",
    ),
    "model_bucket": Field(
        "MODEL_BUCKET",
        _bucket,
        None,
        "With the next two, instead of `MODEL_LOCATION`: the bucket of MLflow's artifacts",
    ),
    "mlflow_experiment_id": Field(
        "MLFLOW_EXPERIMENT_ID", matching(r"\w+", "an experiment's id"), None, "The experiment's id"
    ),
    "run_id": Field(
        "RUN_ID",
        matching(r"[\w.-]+", "a run's or model's id"),
        None,
        "The run's id, or MLflow 3's model id (`m-…`); overrides the `version` on predictions",
    ),
    "model_digest": Field(
        "MODEL_DIGEST",
        _digest,
        None,
        "What the model directory must hash to (`stream-consumer model` prints it); obligatory for pickled models",
    ),
    "model_columns": Field(
        "MODEL_COLUMNS",
        parse_columns,
        (),
        "Columns of a model that was logged without a signature: `NAME:TYPE`, separated by commas, with `?` behind the "
        "type of an optional one; types are MLflow's",
    ),
    "entity_field": Field(
        "ENTITY_FIELD",
        str,
        None,
        "Field of the event that holds the model's input; empty: the event itself is the input. By default the model's "
        "metadata says, else `ride`",
        empty=True,
    ),
    "id_field": Field(
        "ID_FIELD",
        str,
        None,
        "Field of the event that identifies it, and partition key of its prediction; empty: events have none, and the "
        "event id serves. By default the model's metadata says, else `ride_id`",
        empty=True,
    ),
    "prediction_field": Field(
        "PREDICTION_FIELD",
        some_text,
        None,
        "Field that holds the predicted value. By default the model's metadata says, else `ride_duration`",
    ),
    "dead_letter_bucket": Field(
        "DEAD_LETTER_BUCKET",
        _bucket,
        None,
        "Bucket for dead letters; without one, an invalid record fails its batch, "
        "so that the mapping's on-failure destination takes it",
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
        "Share of dead letters among the last 1,000 records, such as `5%`, above which a batch fails as a whole. By "
        "default any share is settled",
    ),
    "kinesis_endpoint_url": Field(
        "KINESIS_ENDPOINT_URL", url, None, "Kinesis endpoint, for emulators; botocore's `AWS_ENDPOINT_URL…` work too"
    ),
    "test_run": Field(
        "TEST_RUN", boolean, default=False, meaning="`true`: score and return predictions, write nothing anywhere"
    ),
    "return_predictions": Field(
        "RETURN_PREDICTIONS",
        boolean,
        default=False,
        meaning="`true`: add `predictions` to the response, as many as fit its 6 MB",
    ),
    "deadline_margin_ms": Field(
        "DEADLINE_MARGIN_MS",
        integer(0, 60_000),
        1000,
        "Time kept back from the invocation's remaining time, to answer in",
    ),
    "publish_aggregate_keys": Field(
        "PUBLISH_AGGREGATE_KEYS",
        integer(0, 10_000),
        0,
        "Fold predictions into KPL aggregates under so many partition keys, several for each shard of the output; "
        "every reader must then unfold. `0`: a record for each prediction",
    ),
    "publish_concurrency": Field("PUBLISH_CONCURRENCY", integer(1, 32), 4, "PutRecords requests in flight"),
    "challenger_location": Field(
        "CHALLENGER_LOCATION",
        some_text,
        None,
        "A second model, as `MODEL_LOCATION`: it scores each batch once more after the batch is settled, and metrics "
        "tell how the two differ",
    ),
    "challenger_digest": Field("CHALLENGER_DIGEST", _digest, None, "Its digest, as `MODEL_DIGEST`"),
    "challenger_stream": Field(
        "CHALLENGER_STREAM",
        _stream,
        None,
        "Stream for its predictions, by name or ARN; what the stream does not take is dropped",
    ),
    "challenger_threshold": Field(
        "CHALLENGER_THRESHOLD",
        amount,
        0.0,
        "Difference of two predicted numbers above which the models disagree, in the unit of the prediction",
    ),
    "challenger_timeout_ms": Field(
        "CHALLENGER_TIMEOUT_MS",
        integer(1, 600_000),
        2000,
        "How long a batch's answer waits for the challenger, which is asked only if so much time is left. Without an "
        "answer by then it is switched off for as long as the environment lives",
    ),
}


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
                faults.append("MODEL_LOCATION is not set, nor are all of MODEL_BUCKET, MLFLOW_EXPERIMENT_ID and RUN_ID")
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
