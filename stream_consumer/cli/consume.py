"""``consume``: a stream through a Lambda function on this machine, or topics through the same consumer without it."""

import os
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
    stream: Annotated[str, typer.Option(metavar="STREAM", help="Stream to consume, by name or ARN.")] = "ride_events",
    function: Annotated[
        str,
        typer.Option(
            metavar="MODULE.HANDLER", help="Handler of the function.", show_default="the handler of stream_consumer"
        ),
    ] = OWN_HANDLER,
    runtime: Annotated[
        bool,
        typer.Option(
            "--runtime", help="Run the function as Lambda does: in processes with a time limit and a memory limit."
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Time limit of an invocation (with --kafka: of a batch), in seconds, 0.1 to 900."
        ),
    ] = 60,
    memory: Annotated[
        int, typer.Option(metavar="MB", help="Memory limit of an execution environment, in MB (with --runtime).")
    ] = 1024,
    starting_position: Annotated[
        str, typer.Option(metavar="POSITION", help="TRIM_HORIZON, LATEST or an ISO 8601 time.")
    ] = "TRIM_HORIZON",
    batch_size: Annotated[
        int, typer.Option(metavar="COUNT", help="Maximum number of records in a batch, 1 to 10,000.")
    ] = 100,
    batching_window: Annotated[
        float, typer.Option(metavar="SECONDS", help="Maximum time to gather a batch, in seconds, 0 to 300.")
    ] = 0,
    tumbling_window: Annotated[
        int, typer.Option(metavar="SECONDS", help="Length of a tumbling window, in seconds, 0 to 900. 0: no windows.")
    ] = 0,
    parallelization_factor: Annotated[
        int, typer.Option(metavar="COUNT", help="Number of concurrent batches per shard, 1 to 10.")
    ] = 1,
    maximum_retry_attempts: Annotated[
        int, typer.Option(metavar="COUNT", help="Maximum number of retries of a failed batch. -1: no limit.")
    ] = -1,
    maximum_record_age: Annotated[
        float, typer.Option(metavar="SECONDS", help="Maximum age of a record, in seconds. -1: no limit.")
    ] = -1,
    bisect: Annotated[bool, typer.Option("--bisect", help="Split a failed batch in two halves.")] = False,
    report_batch_item_failures: Annotated[bool, typer.Option(help="Read batchItemFailures from the response.")] = True,
    on_failure: Annotated[
        str | None,
        typer.Option(
            metavar="DESTINATION",
            help="Destination for discarded batches: s3://BUCKET, the URL of an SQS queue or the ARN of an SNS topic.",
            show_default="no destination",
        ),
    ] = None,
    poll: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Time between reads of a shard without new records, in seconds."),
    ] = 1.0,
    checkpoint: options.Checkpoint = None,
    drain: Annotated[
        bool, typer.Option("--drain", help="Stop as soon as all records of the stream are consumed.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print batches and the total as JSON lines, as into a file or a pipe.")
    ] = False,
    kafka: kafka_options.Brokers = None,
    topic: kafka_options.Topics = None,
    group: Annotated[
        str, typer.Option(metavar="NAME", help="Kafka consumer group (with --kafka).")
    ] = "stream-consumer",
    session_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="Time until the group reassigns the partitions of a dead member, in seconds, 6 to 1,800 (with "
            "--kafka).",
        ),
    ] = 45,
    health_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            envvar="HEALTH_PORT",
            help="Port of /healthz, /readyz and /metrics (with --kafka). 0: any free port.",
            show_default="no port",
        ),
    ] = None,
    health_host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            envvar="HEALTH_HOST",
            help="Address of --health-port. 0.0.0.0 admits requests of remote machines.",
        ),
    ] = "127.0.0.1",
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Consume a stream like an event source mapping, or topics.

    The Lambda function runs on this machine. The options from --starting-position to --on-failure belong to the event
    source mapping and have the names of AWS. The settings of the function are environment variables, as on Lambda:
    MODEL_LOCATION, PREDICTIONS_STREAM_NAME and the rest of docs/settings.md. Standard output gets a line per batch and
    a total at the end, and in a file or a pipe JSON lines. Standard error gets the log lines of the function and the
    events of the mapping. A terminal shows the first log lines in short. Ctrl-C or SIGTERM finishes the current batch,
    prints the total and stops.

    With --kafka this process joins a consumer group and runs no function. Offsets are committed after their records
    are settled. Set KAFKA_AUTHENTICATION and the further variables of docs/kafka.md to authenticate at the brokers.
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

    start = options.start_at("--starting-position", starting_position)
    config = MappingConfig(
        stream_name=stream,
        starting_position=start.position,
        starting_position_timestamp=(
            options.timestamp("--starting-position", starting_position) if start.timestamp is not None else None
        ),
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
