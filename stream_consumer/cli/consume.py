"""``consume``: a stream through a Lambda function on this machine, or topics through the same consumer without it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from stream_consumer.cli import kafka_options, options
from stream_consumer.errors import UsageError

OWN_HANDLER = "stream_consumer.lambda_function.lambda_handler"

_OF_BOTH = {
    *("starting_position", "batch_size", "batching_window", "timeout", "drain", "as_json"),
    *("endpoint_url", "region", "profile"),
}
_OF_KAFKA = {"kafka", "topic", "group", "session_timeout", "health_port", "health_host"}
"""Options by their parameters; the others are of Kinesis alone."""


def consume(  # noqa: PLR0913 (each is an option)
    context: typer.Context,
    *,
    stream: Annotated[str, typer.Option(help="Stream to consume, by name or ARN.")] = "ride_events",
    function: Annotated[
        str,
        typer.Option(metavar="MODULE.HANDLER", help="Handler of the function.", show_default="that of stream_consumer"),
    ] = OWN_HANDLER,
    runtime: Annotated[
        bool, typer.Option("--runtime", help="Run it as Lambda does: in processes, with timeout and memory limit.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds of an invocation, with --kafka of a batch.")] = 60,
    memory: Annotated[int, typer.Option(help="MB of an environment (with --runtime).")] = 1024,
    starting_position: Annotated[
        str, typer.Option(help="TRIM_HORIZON, LATEST or a time in ISO 8601.")
    ] = "TRIM_HORIZON",
    batch_size: Annotated[int, typer.Option(help="Records of a batch, 1 to 10,000.")] = 100,
    batching_window: Annotated[float, typer.Option(help="Seconds to gather a batch, 0 to 300.")] = 0,
    tumbling_window: Annotated[int, typer.Option(help="Seconds of a tumbling window, 0 to 900, or 0 for none.")] = 0,
    parallelization_factor: Annotated[int, typer.Option(help="Batches of a shard at once, 1 to 10.")] = 1,
    maximum_retry_attempts: Annotated[int, typer.Option(help="Retries of a failed batch, or -1 for no end.")] = -1,
    maximum_record_age: Annotated[
        float, typer.Option(help="Seconds after which a record is given up, or -1 for never.")
    ] = -1,
    bisect: Annotated[bool, typer.Option("--bisect", help="Halve a batch whose invocation failed.")] = False,
    report_batch_item_failures: Annotated[bool, typer.Option(help="Read batchItemFailures from the response.")] = True,
    on_failure: Annotated[
        str | None,
        typer.Option(
            metavar="DESTINATION",
            help="s3://BUCKET, an SQS queue's URL or an SNS topic's ARN.",
        ),
    ] = None,
    poll: Annotated[float, typer.Option(help="Seconds between reads of a shard with nothing new; AWS: 1.")] = 1.0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to keep the place in, so that the next start goes on.")
    ] = None,
    drain: Annotated[
        bool, typer.Option("--drain", help="Stop when everything on the stream has been consumed.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print batches and the total as JSON lines, as into a file or a pipe.")
    ] = False,
    kafka: kafka_options.Brokers = None,
    topic: kafka_options.Topics = None,
    group: Annotated[
        str, typer.Option(metavar="NAME", help="Consumer group of Kafka (with --kafka).")
    ] = "stream-consumer",
    session_timeout: Annotated[
        float,
        typer.Option(help="Seconds until the group gives away what a member that died has (with --kafka)."),
    ] = 45,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, envvar="HEALTH_PORT", help="Port of /healthz, /readyz and /metrics (with --kafka)."
        ),
    ] = None,
    health_host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", envvar="HEALTH_HOST", help="Address of that port; 0.0.0.0 lets other machines ask."
        ),
    ] = "127.0.0.1",
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Consume a stream as an event source mapping does, or topics.

    The Lambda function runs on this machine. The options from --starting-position to --on-failure are the mapping's,
    named as AWS names them. The function's settings are environment variables, as on Lambda: MODEL_LOCATION,
    PREDICTIONS_STREAM_NAME and the others. Standard output has a line for each batch and a total at the end, which are
    JSON lines in a file or a pipe. Log lines of the function and events of the mapping go to standard error. A terminal
    shows the first log lines in short. Ctrl-C or SIGTERM finishes the batch at hand and stops.

    With --kafka this process is a member of a consumer group, without a function. Offsets are committed behind settled
    records only. KAFKA_AUTHENTICATION and the other variables of docs/kafka.md say how the brokers know it.
    """
    from stream_consumer.cli.function_log import watched

    if kafka is not None:
        _refuse_others(context, _OF_BOTH | _OF_KAFKA, "goes with Kinesis, and not with --kafka")
        from stream_consumer.cli.consume_kafka import Group, consume_topics, session

        asked = Group(
            brokers=kafka,
            topics=kafka_options.topic_names(topic),
            group=group,
            starting_position=starting_position,
            batch_size=batch_size,
            batching_window=batching_window,
            timeout=timeout,
            session_timeout=session_timeout,
            drain=drain,
            health_host=health_host,
            health_port=health_port,
        )
        with watched(as_json=as_json) as log:
            consume_topics(asked, session(endpoint_url, region, profile), log)
        return
    _refuse_others(context, set(context.params) - _OF_KAFKA, "goes with --kafka")
    from stream_consumer.cli.consume_stream import Consumption, consume_stream
    from stream_consumer.local.mapping.config import MappingConfig
    from stream_consumer.local.runtime.functions import FunctionConfig

    start = options.start_at(starting_position)
    config = MappingConfig(
        stream_name=stream,
        starting_position=start.position,
        starting_position_timestamp=options.timestamp(starting_position) if start.timestamp is not None else None,
        batch_size=batch_size,
        maximum_batching_window_in_seconds=batching_window,
        parallelization_factor=parallelization_factor,
        maximum_retry_attempts=maximum_retry_attempts,
        maximum_record_age_in_seconds=maximum_record_age,
        bisect_batch_on_function_error=bisect,
        report_batch_item_failures=report_batch_item_failures,
        tumbling_window_in_seconds=tumbling_window,
    )
    kept = options.written("--checkpoint", checkpoint) if checkpoint else None
    clients = options.aws(endpoint_url, region, profile)
    os.environ.update(options.environment(clients))
    runs_as = FunctionConfig(function, timeout_seconds=timeout, memory_mb=memory, region=clients.session.region_name)
    wanted = Consumption(
        mapping=config,
        function=runs_as,
        runtime=runtime,
        on_failure=on_failure,
        checkpoint=kept,
        poll_seconds=poll,
        drain=drain,
    )
    with watched(as_json=as_json) as log:
        consume_stream(wanted, clients, log)


def _refuse_others(context: typer.Context, known: set[str], why: str) -> None:
    """
    Refuse the options of the command line that are not *known*.

    Raises:
        UsageError: Names them, and *why*.
    """
    given = [name for name in context.params if _is_given(context, name)]
    if others := [f"--{name.replace('_', '-')}" for name in given if name not in known]:
        raise UsageError(f"{', '.join(others)}: {why}")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
