"""``local``: the embedded Kinesis and S3, kept running, and a broker of Kafka."""

import contextlib
from typing import Annotated

import typer

from stream_consumer.cli.commands import Commands
from stream_consumer.cli.terminal import Terminal

app = Commands(name="local", help="Run Kinesis, S3 and Kafka on this machine.", no_args_is_help=True)

_HELP = """\
Kinesis and S3 are up on {url} (Ctrl-C stops them).
In another terminal:

  export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  export AWS_CBOR_DISABLE=true CBOR_ENABLED=false  # Java clients, SDK 1 and 2

A ride, by the AWS CLI (`stream-consumer put FILE` puts the rides of a file):

  printf %s '{{"ride": {{"PULocationID": 130, "DOLocationID": 205,' \\
      ' "trip_distance": 3.66}}, "ride_id": 256}}' > event.json
  aws kinesis put-record --stream-name {input} --partition-key 1 \\
      --data fileb://event.json

Predictions, by the model that `make demo` leaves or by one of your own:

  export MODEL_LOCATION=models:/ride-duration@champion
  export DEAD_LETTER_BUCKET={bucket} PREDICTIONS_STREAM_NAME={output}
  stream-consumer consume --stream {input} --drain
  stream-consumer tail --stream {output} --from TRIM_HORIZON --no-follow
"""

_KAFKA_HELP = """\
A broker of Kafka is on {brokers}, with topics called as the streams:

  export KAFKA_BROKERS={brokers} KAFKA_AUTHENTICATION=plaintext
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
    ] = 4566,
    shards: Annotated[int, typer.Option(metavar="COUNT", min=1, max=500, help="Number of shards per stream.")] = 2,
    stream: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Stream to create. May be repeated.",
            show_default="ride_events and ride_predictions",
        ),
    ] = None,
    bucket: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Bucket to create. May be repeated.", show_default="ride-failures"),
    ] = None,
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
    Run Kinesis and S3 on loopback until Ctrl-C.

    By default the streams and the bucket are the defaults of the commands. With --kafka-port a Kafka broker runs, too,
    with topics named like the streams.
    """
    from stream_consumer.local.demo.consuming import BUCKET, INPUT_STREAM, OUTPUT_STREAM
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws

    streams, buckets = stream or [INPUT_STREAM, OUTPUT_STREAM], bucket or [BUCKET]
    output = [*streams, OUTPUT_STREAM][1]
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(EmbeddedAws(port=port, streams=dict.fromkeys(streams, shards), buckets=buckets))
        text = _HELP.format(url=aws.endpoint_url, input=streams[0], output=output, bucket=buckets[0])
        if kafka_port is not None:
            from stream_consumer.local.demo.embedded_kafka import embedded_kafka

            brokers = stack.enter_context(embedded_kafka(dict.fromkeys(streams, shards), kafka_port))
            text += "\n" + _KAFKA_HELP.format(brokers=brokers, input=streams[0], output=output)
        Terminal().print(text, soft_wrap=True)
        aws.wait()
