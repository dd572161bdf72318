"""Options that several commands share, and what they turn into."""

import math
import os
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_consumer.cli.terminal import complain
from stream_consumer.contract.timestamps import parse_time
from stream_consumer.errors import UsageError
from stream_consumer.kinesis.shard_reader import Start

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from types_boto3_s3 import S3Client

    from stream_consumer.aws.clients import Clients
    from stream_consumer.model import Model

MODEL_SETTINGS = (
    "Environment variables of the model: MODEL_DIGEST, MODEL_COLUMNS, ENTITY_FIELD, ID_FIELD and PREDICTION_FIELD. "
    "docs/your-model.md explains them."
)
"""The end of the help of each command that loads a model."""
MODEL = "Model: a directory, an s3:// prefix, a champion.json or models:/name@alias."
"""The locations that a model can have."""

EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        metavar="URL",
        help="Endpoint of AWS, such as an emulator's.",
        show_default="AWS_ENDPOINT_URL or AWS",
    ),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="NAME", help="AWS region.", show_default="AWS_REGION or the profile's"),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="Profile of ~/.aws/config.", show_default="AWS_PROFILE"),
]
Env = Annotated[str, typer.Option("--env", metavar="NAME", help="Environment, as in make deploy ENV=NAME.")]
Functions = Annotated[
    list[str] | None,
    typer.Option(
        "--function",
        metavar="NAME",
        help="Lambda function. May be repeated.",
        show_default="all functions of the environment",
    ),
]
ModelLocation = Annotated[
    str | None, typer.Option("--model", metavar="LOCATION", help=MODEL, show_default="MODEL_LOCATION")
]
Location = Annotated[str, typer.Argument(metavar="LOCATION", help=MODEL)]
EntityField = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Event field with the model's input. Empty: the event itself is the input.",
        show_default="ENTITY_FIELD",
    ),
]
IdField = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Event field with the identifier. Empty: events have no identifier.",
        show_default="ID_FIELD",
    ),
]
PredictionField = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Field with the predicted value.", show_default="PREDICTION_FIELD"),
]
Malformed = Annotated[
    str,
    typer.Option(
        metavar="SHARE", help="Share of malformed records to mix in, as a percentage such as 1% or a fraction."
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File for the checkpoint. The next start continues from there.",
        show_default="no checkpoint",
    ),
]
# Source: NumPy and scikit-learn, which take a seed of 32 bits.
Seed = Annotated[int, typer.Option(metavar="SEED", min=0, max=2**32 - 1, help="Seed of the random number generators.")]


def number(value: float | None) -> float | None:
    """
    Return *value*, an option whose range excludes what is infinite.

    Raises:
        typer.BadParameter: It is nan, which lies in every range since it compares with nothing.
    """
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number.")
    return value


Rate = Annotated[
    float | None,
    typer.Option(
        metavar="RATE",
        min=0.001,
        max=1e6,
        callback=number,
        help="Maximum rate, in records per second.",
        show_default="no limit",
    ),
]
Models = Annotated[
    str | None,
    typer.Option(
        envvar="MODELS_LOCATION",
        metavar="LOCATION",
        help="Registry of files: a folder or s3://bucket/prefix.",
        show_default="no such registry",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="COUNT",
        min=1,
        max=1024,
        envvar="BATCH_JOBS",
        help="Number of chunks scored in parallel by scikit-learn and ONNX models. Models of all further kinds score "
        "chunk by chunk.",
        show_default="number of usable cores",
    ),
]


def aws(endpoint_url: str | None, region: str | None, profile: str | None) -> "Clients":
    """Return clients by the AWS CLI's rules."""
    from stream_consumer.aws.clients import connect

    return connect(environ=os.environ, endpoint_url=endpoint_url, region=region, profile=profile)


def chosen_model(location: str | None, s3: "Callable[[], S3Client]") -> "Model":
    """
    Load the model at *location* or, without one, that of the environment, by which it may be pinned all the same.

    Raises:
        InitError: The environment or the model is wrong.
        UsageError: *location* is blank.
    """
    from stream_consumer.models.loading import load_model
    from stream_consumer.settings import VARIABLES, Settings

    if location is not None and not location.strip():
        raise UsageError(
            f"{location!r} is not a model. Name a directory, an s3:// prefix, a champion.json or models:/NAME@ALIAS"
        )
    settings = Settings.of(os.environ | ({"MODEL_LOCATION": location} if location else {}))
    warn_of_misspelt(VARIABLES)
    return load_model(settings.model_location, s3=s3, choice=settings.choice)


def warn_of_misspelt(settings: "Collection[str]") -> None:
    """Warn of each environment variable that resembles one of *settings* and is no setting."""
    from stream_consumer.environment_variables import misspelt

    for variable, meant in misspelt(settings, os.environ).items():
        complain(f"{variable} is not a setting, and its value is not used. Is {meant} meant?")


def envelope_names(entity: str | None, identifier: str | None, prediction: str | None) -> dict[str, str]:
    """
    Return the names of the envelope's fields that options or, without them, the environment give.

    An empty name is given, too: there is no such field.
    """
    from stream_consumer.environment_variables import read
    from stream_consumer.settings import FIELDS

    said, _ = read({name: FIELDS[f"{name}_field"] for name in ("entity", "id", "prediction")}, os.environ)
    given = {"entity": entity, "id": identifier, "prediction": prediction}
    names = {name: said[name] if option is None else option for name, option in given.items()}
    return {name: value for name, value in names.items() if value is not None}


def environment(clients: "Clients") -> dict[str, str]:
    """
    Return the variables by which a function reaches the same AWS as *clients*, as Lambda sets them.

    So ``--endpoint-url``, ``--region`` and ``--profile`` are meant for the function, too.
    """
    region = clients.session.region_name
    variables = {"AWS_DEFAULT_REGION": region, "AWS_REGION": region, "AWS_ENDPOINT_URL": clients.endpoint_url}
    credentials = clients.session.get_credentials()
    if credentials:
        key, secret, token = credentials.get_frozen_credentials()[:3]
        variables |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
    return {name: value for name, value in variables.items() if value}


def start_at(option: str, text: str) -> Start:
    """
    Return the start that *text*, the value of *option*, names.

    TRIM_HORIZON, which Kafka calls earliest, LATEST and ISO 8601 times are names.

    Raises:
        UsageError: *text* is none of these.
    """
    position = {"EARLIEST": "TRIM_HORIZON"}.get(text.upper(), text.upper())
    if position in {"TRIM_HORIZON", "LATEST"}:
        return Start(position)
    return Start("AT_TIMESTAMP", timestamp=timestamp(option, text).timestamp())


TIME = "2026-11-21T01:02:03Z"


def timestamp(option: str, text: str, wanted: str = f"TRIM_HORIZON, LATEST or {TIME}") -> datetime:
    """
    Return the time that *text*, the value of *option*, means. A time without a zone is in UTC.

    Raises:
        UsageError: *text* is not an ISO 8601 time, or at an end of the calendar.
    """
    return parse_time(text, f"{option} {text!r} is not a time, wanted {wanted}")


def day(option: str, text: str) -> date:
    """
    Return the day that *text*, the value of *option*, names.

    Raises:
        UsageError: *text* is not a date, or at an end of the calendar, where months around the day may not exist.
    """
    moment = timestamp(option, text, wanted="2026-11-21")
    if len(text) != len("2026-11-21") or not 1971 <= moment.year <= 9997:  # noqa: PLR2004 (years)
        raise UsageError(f"{option} {text!r} is not a date of the years 1971 to 9997, wanted 2026-11-21")
    return moment.date()


_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(option: str, text: str, most: int) -> int:
    """
    Return the seconds that *text*, the value of *option*, means: ``90s``, ``10m``, ``2h`` or ``1d``.

    Raises:
        UsageError: The value is no such duration, or longer than *most* seconds.
    """
    number, unit = text[:-1], text[-1:]
    value = int(number) * _SECONDS[unit] if re.fullmatch(r"[0-9]{1,9}", number) and unit in _SECONDS else 0
    if not 1 <= value <= most:
        raise UsageError(f"{option} {text!r} is not a duration of 1s to {most // 86_400}d, wanted 90s, 10m, 2h or 1d")
    return value


def written(option: str, path: Path) -> Path:
    """
    Return *path*, the value of *option*, where a file is written later.

    Raises:
        UsageError: No file can be written there.
    """
    from stream_consumer.whole_file import refuse_unwritable

    try:
        refuse_unwritable(path)
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be written: {error.strerror}. Name a different file") from None
    return path


def share(option: str, text: str, *, all_of_it: bool = False) -> float:
    """
    Return the share that *text*, the value of *option*, means: ``1%`` or ``0.01``. Only with *all_of_it* 100 % is one.

    Raises:
        UsageError: *text* is not a number, or out of range.
    """
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1
    if not 0 <= value <= 1 or (value == 1 and not all_of_it):
        bound = "at most" if all_of_it else "less than"
        raise UsageError(f"{option} {text!r} is not a share, wanted 1% or 0.01, {bound} 100 %")
    return value
