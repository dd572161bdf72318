"""The environment: what each variable may be, what is there without it, and every fault at once."""

import dataclasses
from typing import Any

import pytest

from stream_consumer.errors import SettingsError
from stream_consumer.settings import FIELDS, Settings

MODEL = {"MODEL_LOCATION": "/opt/model"}


def test_only_the_model_must_be_named() -> None:
    assert dataclasses.asdict(Settings.of(MODEL)) == {
        "predictions_stream_name": "ride_predictions",
        "model_location": "/opt/model",
        "run_id": None,
        "model_digest": None,
        "model_columns": (),
        "entity_field": None,
        "id_field": None,
        "prediction_field": None,
        "dead_letter_bucket": None,
        "dead_letter_prefix": "dead-letters",
        "dead_letter_max_share": None,
        "kinesis_endpoint_url": None,
        "test_run": False,
        "return_predictions": False,
        "deadline_margin_ms": 1000,
        "publish_aggregate_keys": 0,
        "publish_concurrency": 4,
        "challenger_location": None,
        "challenger_digest": None,
        "challenger_stream": None,
        "challenger_threshold": 0.0,
        "challenger_timeout_ms": 2000,
        "kafka": {
            "predictions_topic": None,
            "brokers": None,
            "authentication": "tls",
            "secret_arn": None,
            "ca_secret_arn": None,
            "partial_response": False,
        },
    }


GOOD: dict[str, tuple[str, str, Any]] = {
    "a stream's name": ("PREDICTIONS_STREAM_NAME", "rides_2.x-y", "rides_2.x-y"),
    "a stream's ARN": (
        "PREDICTIONS_STREAM_NAME",
        "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/rides",
        "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/rides",
    ),
    "white space around it": ("PREDICTIONS_STREAM_NAME", " rides\n", "rides"),
    "an S3 prefix": ("MODEL_LOCATION", "s3://models/1/m-1", "s3://models/1/m-1"),
    "a registered model": ("MODEL_LOCATION", "models:/ride-duration@champion", "models:/ride-duration@champion"),
    "an override of the version": ("RUN_ID", "Test123", "Test123"),
    "a digest": ("MODEL_DIGEST", "0a" * 32, "0a" * 32),
    "a bucket": ("DEAD_LETTER_BUCKET", "my.dead-letters", "my.dead-letters"),
    "a prefix": ("DEAD_LETTER_PREFIX", "a/b-c/d_e", "a/b-c/d_e"),
    "an endpoint": ("KINESIS_ENDPOINT_URL", "http://127.0.0.1:4566", "http://127.0.0.1:4566"),
    "no margin": ("DEADLINE_MARGIN_MS", "0", 0),
    "the longest margin": ("DEADLINE_MARGIN_MS", "60000", 60_000),
    "aggregate keys": ("PUBLISH_AGGREGATE_KEYS", "16", 16),
    "one request at a time": ("PUBLISH_CONCURRENCY", "1", 1),
    "a challenger": ("CHALLENGER_LOCATION", "s3://models/2", "s3://models/2"),
    "a threshold": ("CHALLENGER_THRESHOLD", "0.25", 0.25),
    "no threshold": ("CHALLENGER_THRESHOLD", "0", 0.0),
    "a long timeout": ("CHALLENGER_TIMEOUT_MS", "600000", 600_000),
    "TEST_RUN as in the reference solution": ("TEST_RUN", "True", True),
    "yes": ("RETURN_PREDICTIONS", "YES", True),
    "on": ("RETURN_PREDICTIONS", "on", True),
    "1": ("RETURN_PREDICTIONS", "1", True),
    "no": ("RETURN_PREDICTIONS", "no", False),
    "0": ("RETURN_PREDICTIONS", "0", False),
    "nothing": ("RETURN_PREDICTIONS", "", False),
}


@pytest.mark.parametrize(("variable", "text", "value"), GOOD.values(), ids=GOOD)
def test_a_variable_is_read(variable: str, text: str, value: Any) -> None:
    [name] = [name for name, field in FIELDS.items() if field.variable == variable]
    assert getattr(Settings.of(MODEL | {variable: text}), name) == value


BAD: dict[str, tuple[str, str, str]] = {
    "a stream with a slash": ("PREDICTIONS_STREAM_NAME", "a/b", "a stream's name or ARN"),
    "another service's ARN": (
        "PREDICTIONS_STREAM_NAME",
        "arn:aws:sqs:us-east-1:123456789012:q",
        "a stream's name or ARN",
    ),
    "a stream of 129 characters": ("PREDICTIONS_STREAM_NAME", "a" * 129, "a stream's name or ARN"),
    "a bucket in capitals": ("MODEL_BUCKET", "Models", "a bucket's name"),
    "a path for an experiment": ("MLFLOW_EXPERIMENT_ID", "1/2", "an experiment's id"),
    "a path for a run": ("RUN_ID", "../x", "a run's or model's id"),
    "a short digest": ("MODEL_DIGEST", "0a", "a SHA-256 in lower-case hex"),
    "a URL for a bucket": ("DEAD_LETTER_BUCKET", "s3://bucket", "a bucket's name"),
    "a prefix that begins with a slash": ("DEAD_LETTER_PREFIX", "/a", "a key prefix without slashes at its ends"),
    "a host for a URL": ("KINESIS_ENDPOINT_URL", "localhost:4566", "an http:// or https:// URL"),
    "neither true nor false": ("TEST_RUN", "maybe", "true or false"),
    "a negative margin": ("DEADLINE_MARGIN_MS", "-1", "a whole number from 0 to 60000"),
    "a fraction": ("DEADLINE_MARGIN_MS", "1.5", "a whole number from 0 to 60000"),
    "a margin of hours": ("DEADLINE_MARGIN_MS", "9" * 20, "a whole number from 0 to 60000"),
    "fewer than no aggregate keys": ("PUBLISH_AGGREGATE_KEYS", "-1", "a whole number from 0 to 10000"),
    "no request at a time": ("PUBLISH_CONCURRENCY", "0", "a whole number from 1 to 32"),
    "a negative threshold": ("CHALLENGER_THRESHOLD", "-1", "a number that is not negative, such as 0.5"),
    "a threshold that is none": ("CHALLENGER_THRESHOLD", "nan", "a number that is not negative, such as 0.5"),
    "no time for a challenger": ("CHALLENGER_TIMEOUT_MS", "0", "a whole number from 1 to 600000"),
    "half a digest of a challenger": ("CHALLENGER_DIGEST", "0a" * 16, "a SHA-256 in lower-case hex"),
}


@pytest.mark.parametrize(("variable", "text", "wanted"), BAD.values(), ids=BAD)
def test_a_fault_names_the_variable_its_value_and_what_is_wanted(variable: str, text: str, wanted: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.of(MODEL | {"CHALLENGER_LOCATION": "/opt/challenger", variable: text})
    assert str(caught.value) == f"the environment is wrong: {variable}={text!r}: wanted {wanted}"


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.of({"MODEL_DIGEST": "x", "TEST_RUN": "maybe", "PUBLISH_CONCURRENCY": "many"})
    assert str(caught.value) == (
        "the environment is wrong: MODEL_DIGEST='x': wanted a SHA-256 in lower-case hex; TEST_RUN='maybe': wanted true "
        "or false; PUBLISH_CONCURRENCY='many': wanted a whole number from 1 to 32; MODEL_LOCATION is not set, nor are "
        "all of MODEL_BUCKET, MLFLOW_EXPERIMENT_ID and RUN_ID: name a model by MODEL_LOCATION, or by --model of a "
        "command"
    )


def test_a_fault_of_the_reference_variables_is_not_reported_as_their_absence() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.of({"MODEL_BUCKET": "models", "MLFLOW_EXPERIMENT_ID": "1/2", "RUN_ID": "r"})
    assert str(caught.value) == "the environment is wrong: MLFLOW_EXPERIMENT_ID='1/2': wanted an experiment's id"


@pytest.mark.parametrize(
    ("run", "location"),
    [
        ("e1efc53e9bd149078b0c12aeaa6365df", "s3://models/7/e1efc53e9bd149078b0c12aeaa6365df/artifacts/model"),
        ("m-575cd3567ba04b87bb393319faedcb0c", "s3://models/7/models/m-575cd3567ba04b87bb393319faedcb0c/artifacts"),
    ],
    ids=["a run of the reference solution", "a model of MLflow 3"],
)
def test_the_reference_variables_name_the_model_too(run: str, location: str) -> None:
    settings = Settings.of({"MODEL_BUCKET": "models", "MLFLOW_EXPERIMENT_ID": "7", "RUN_ID": run})
    assert (settings.model_location, settings.run_id) == (location, run)


@pytest.mark.parametrize("variable", ["CHALLENGER_DIGEST", "CHALLENGER_STREAM"])
def test_what_is_said_of_a_challenger_needs_one(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is set, but CHALLENGER_LOCATION is not"):
        Settings.of(MODEL | {variable: "0a" * 32})


ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/"


@pytest.mark.parametrize(
    ("own", "challengers", "refused"),
    [
        ("rides", "rides", True),
        ("rides", f"{ARN}rides", True),
        (f"{ARN}rides", "rides", True),
        (f"{ARN}rides", f"{ARN}rides", True),
        ("rides", "rides-2", False),
        (f"{ARN}rides", f"{ARN.replace('123456789012', '210987654321')}rides", False),
    ],
)
def test_a_challenger_never_publishes_on_the_champions_stream(own: str, challengers: str, *, refused: bool) -> None:
    """Readers keep the first prediction of each event, whoever made it."""
    environ = {"PREDICTIONS_STREAM_NAME": own, "CHALLENGER_LOCATION": "/opt/c", "CHALLENGER_STREAM": challengers}
    if not refused:
        assert Settings.of(MODEL | environ).challenger_stream == challengers
        return
    with pytest.raises(SettingsError, match="is PREDICTIONS_STREAM_NAME; wanted a stream of its own"):
        Settings.of(MODEL | environ)


@pytest.mark.parametrize("missing", ["MODEL_BUCKET", "MLFLOW_EXPERIMENT_ID", "RUN_ID"])
def test_the_reference_variables_name_the_model_only_together(missing: str) -> None:
    environ = {"MODEL_BUCKET": "models", "MLFLOW_EXPERIMENT_ID": "7", "RUN_ID": "r"}
    with pytest.raises(SettingsError, match="MODEL_LOCATION is not set"):
        Settings.of(environ | {missing: ""})


def test_the_location_wins_over_the_reference_variables() -> None:
    environ = {"MODEL_BUCKET": "models", "MLFLOW_EXPERIMENT_ID": "7", "RUN_ID": "r"}
    settings = Settings.of(MODEL | environ)
    assert (settings.model_location, settings.run_id) == ("/opt/model", "r")


def test_a_test_run_returns_its_predictions() -> None:
    settings = Settings.of(MODEL | {"TEST_RUN": "true", "RETURN_PREDICTIONS": "false"})
    assert settings.return_predictions


def test_variables_of_others_are_ignored() -> None:
    assert Settings.of(MODEL | {"PATH": "/bin", "predictions_stream_name": "x"}) == Settings.of(MODEL)


def test_the_variables_of_libraries_are_checked_with_our_own() -> None:
    """Powertools and botocore would find out later, in words of their own."""
    with pytest.raises(SettingsError) as caught:
        Settings.of(MODEL | {"TEST_RUN": "maybe", "POWERTOOLS_METRICS_DISABLED": "maybe", "AWS_MAX_ATTEMPTS": "many"})
    assert str(caught.value) == (
        "the environment is wrong: TEST_RUN='maybe': wanted true or false; POWERTOOLS_METRICS_DISABLED='maybe': wanted "
        "true or false; AWS_MAX_ATTEMPTS='many': wanted a whole number from 1 to 9999"
    )
