"""``local``: the embedded Kinesis and S3, kept running."""

from typing import Annotated

import typer

from stream_consumer.cli.terminal import Terminal

app = typer.Typer(name="local", help="Kinesis and S3 on this machine.", no_args_is_help=True)

_HELP = """\
Kinesis and S3 are up on {url} (Ctrl-C stops them). In another terminal:

  export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  export AWS_CBOR_DISABLE=true CBOR_ENABLED=false  # for Java clients, SDK 1 and 2

  aws kinesis put-record --stream-name {input} --partition-key 1 \\
      --data fileb://event.json
  stream-consumer put RIDES --stream {input}
  stream-consumer consume --stream {input}
  stream-consumer tail --from TRIM_HORIZON
"""


@app.command("up")
def up(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 for any free one.")] = 4566,
    shards: Annotated[int, typer.Option(min=1, max=500, help="Shards of each stream.")] = 2,
    stream: Annotated[list[str] | None, typer.Option(help="Streams to create; may be repeated.")] = None,
    bucket: Annotated[list[str] | None, typer.Option(help="Buckets to create; may be repeated.")] = None,
) -> None:
    """
    Run Kinesis and S3 on loopback until Ctrl-C.

    They hold the streams and the bucket that the other commands expect by default.
    """
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws
    from stream_consumer.local.demo.run import BUCKET, INPUT_STREAM, OUTPUT_STREAM

    streams = stream or [INPUT_STREAM, OUTPUT_STREAM]
    with EmbeddedAws(port=port, streams=dict.fromkeys(streams, shards), buckets=bucket or [BUCKET]) as aws:
        Terminal().print(_HELP.format(url=aws.endpoint_url, input=streams[0]), soft_wrap=True)
        aws.wait()
