"""``local``: the embedded Kinesis, S3 and SQS, kept running, and a broker of Kafka."""

import contextlib
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from stream_consumer.cli.commands import Commands
from stream_consumer.cli.terminal import Terminal, say
from stream_consumer.errors import LocalPlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

app = Commands(name="local", help="Run Kinesis, S3, SQS and Kafka on this machine.", no_args_is_help=True)

_PORT = 4566
Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--stream",
        metavar="NAME",
        help="Stream to create: first the input, then the output. May be repeated.",
        show_default="ride_events and ride_predictions",
    ),
]
Buckets = Annotated[
    list[str] | None,
    typer.Option(
        "--bucket",
        metavar="NAME",
        help="Bucket to create. The first is for dead letters. May be repeated.",
        show_default="ride-failures",
    ),
]

_HELP = """\
Kinesis, S3 and SQS are up on {url} (Ctrl-C stops them).
In another terminal:

{exports}

or, which is the same:

  eval "$(stream-consumer local env{options})"

A ride, or the rides of a file (Parquet or CSV):

  printf %s '{{"ride": {{"PULocationID": 130, "DOLocationID": 205,' \\
      ' "trip_distance": 3.66}}, "ride_id": 256}}' > ride.ndjson
  stream-consumer put ride.ndjson --stream {input}

Predictions, by the model that `make demo` leaves or by one of your own:

  export MODEL_LOCATION=models:/ride-duration@champion
  stream-consumer consume --stream {input} --drain
  stream-consumer tail --stream {output} --from TRIM_HORIZON --no-follow

Predictions of the files below s3://{objects}/{prefix} (docs/worker.md):

  curl --upload-file FILE {url}/{objects}/{prefix}
  stream-consumer worker --exit-when-empty
"""

_KAFKA_HELP = """\
A broker of Kafka is on {brokers}, with topics called as the streams:

  stream-consumer put FILE --kafka {brokers} --topic {input}
  PREDICTIONS_TOPIC={output} PREDICTIONS_STREAM_NAME= \\
      stream-consumer consume --kafka {brokers} --topic {input} \\
      --group rides --drain
  stream-consumer tail --kafka {brokers} --topic {output} \\
      --from earliest --no-follow
"""


@app.command("up")
def up(
    *,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65_535, help="Port on 127.0.0.1. 0: any free port.")
    ] = _PORT,
    shards: Annotated[int, typer.Option(metavar="COUNT", min=1, max=500, help="Number of shards per stream.")] = 2,
    stream: Streams = None,
    bucket: Buckets = None,
    kafka_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65_535,
            help="Port of a Kafka broker, such as 9092. 0: any free port.",
            show_default="no broker",
        ),
    ] = None,
) -> None:
    """
    Run Kinesis, S3 and SQS on loopback until Ctrl-C.

    By default the streams and the bucket are the defaults of the other commands. A queue holds events of new objects
    for the worker. With --kafka-port a Kafka broker runs, too, with topics named like the streams.
    """
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws
    from stream_consumer.local.demo.object_queue import OBJECTS, PREFIX, make_object_queue

    streams, buckets = _names(stream, bucket)
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(EmbeddedAws(port=port, streams=dict.fromkeys(streams, shards), buckets=buckets))
        queue, brokers = make_object_queue(aws.clients()), None
        if kafka_port is not None:
            from stream_consumer.local.demo.embedded_kafka import embedded_kafka

            brokers = stack.enter_context(embedded_kafka(dict.fromkeys(streams, shards), kafka_port))
        exports = _exports(aws.environment, streams, buckets, queue, brokers)
        text = _HELP.format(
            url=aws.endpoint_url,
            options=_options(aws.endpoint_url, stream, bucket, brokers),
            exports="\n".join(f"  {line}" for line in exports),
            input=streams[0],
            output=streams[1],
            objects=OBJECTS,
            prefix=PREFIX,
        )
        if brokers:
            text += "\n" + _KAFKA_HELP.format(brokers=brokers, input=streams[0], output=streams[1])
        Terminal().print(text, soft_wrap=True)
        aws.wait()


@app.command("env")
def env(
    *,
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65_535, help="Port of local up.")] = _PORT,
    stream: Streams = None,
    bucket: Buckets = None,
    kafka_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=1, max=65_535, help="Port of the Kafka broker of local up.", show_default="no broker"
        ),
    ] = None,
) -> None:
    """
    Print the variables of a running local up, for a shell.

    Repeat the options that you gave to local up:

    eval "$(stream-consumer local env)"
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from stream_consumer.aws.clients import connect
    from stream_consumer.local.demo.embedded_aws import HOST, environment_of
    from stream_consumer.local.demo.object_queue import object_queue

    url = f"http://{HOST}:{port}"
    environment = environment_of(url)
    try:
        queue = object_queue(connect(environ={}, endpoint_url=url, region=environment["AWS_REGION"]))
    except (BotoCoreError, ClientError) as error:
        raise LocalPlatformError(
            f"stream-consumer local up does not run on {url}: start it in another terminal, or give its --port"
        ) from error
    streams, buckets = _names(stream, bucket)
    for line in _exports(environment, streams, buckets, queue, f"{HOST}:{kafka_port}" if kafka_port else None):
        say(line)


def _options(url: str, streams: "Sequence[str] | None", buckets: "Sequence[str] | None", brokers: str | None) -> str:
    """Return the options that `local env` needs for what `local up` has created."""
    port, kafka_port = url.rpartition(":")[2], (brokers or "").rpartition(":")[2]
    given = [("--port", port)] if port != str(_PORT) else []
    given += [("--stream", name) for name in streams or ()] + [("--bucket", name) for name in buckets or ()]
    given += [("--kafka-port", kafka_port)] if kafka_port else []
    return "".join(f" \\\n      {name} {shlex.quote(value)}" for name, value in given)


def _names(streams: "Sequence[str] | None", buckets: "Sequence[str] | None") -> tuple[list[str], list[str]]:
    """Return the names of the streams, input and output first, and of the buckets."""
    from stream_consumer.local.demo.consuming import BUCKET, INPUT_STREAM, OUTPUT_STREAM

    named = list(streams or [INPUT_STREAM])
    return named + ([OUTPUT_STREAM] if len(named) == 1 else []), list(buckets or [BUCKET])


def _exports(
    environment: "Mapping[str, str]",
    streams: "Sequence[str]",
    buckets: "Sequence[str]",
    queue: str,
    brokers: str | None,
) -> list[str]:
    """Return the lines that a shell takes, for all that the commands read from variables."""
    region = {name: environment[name] for name in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    keys = {name: environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    java = {"AWS_CBOR_DISABLE": "true", "CBOR_ENABLED": "false"}
    names = {"DEAD_LETTER_BUCKET": buckets[0], "PREDICTIONS_STREAM_NAME": streams[1]}
    kafka = {"KAFKA_BROKERS": brokers, "KAFKA_AUTHENTICATION": "plaintext"} if brokers else {}
    endpoint = {"AWS_ENDPOINT_URL": environment["AWS_ENDPOINT_URL"]}
    aws = [_export(endpoint), _export(region), _export(keys), f"{_export(java)}  # Java clients, SDK 1 and 2"]
    return [*aws, _export(names), _export({"QUEUE_URL": queue}), *([_export(kafka)] if kafka else [])]


def _export(variables: "Mapping[str, str]") -> str:
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
