"""``archive``: what comes onto a stream, into files by the hour."""

from typing import Annotated

import typer

from stream_consumer.cli import options
from stream_consumer.cli.terminal import complain


def archive(  # noqa: PLR0913 (each is an option)
    *,
    stream: Annotated[
        str, typer.Option(metavar="STREAM", help="Stream to archive, by name or ARN.")
    ] = "ride_predictions",
    to: Annotated[str, typer.Option(metavar="LOCATION", help="The archive: a folder or s3://bucket/prefix.")],
    follow: Annotated[bool, typer.Option(help="Wait for new records, or stop at the end of the stream.")] = True,
    seconds: Annotated[
        int,
        typer.Option(metavar="SECONDS", min=1, max=900, help="Maximum time until a file is closed, in seconds."),
    ] = 60,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Archive the records of a stream as files by the hour.

    The files have the layout of Amazon Data Firehose: yyyy/mm/dd/hh, gzip, a record a line. The archive holds a
    checkpoint for each shard, so the next run continues there and archives no record twice.
    """
    from stream_consumer.archive.layout import archive_at
    from stream_consumer.archive.stream_archive import StreamArchive
    from stream_consumer.batch.storage import Stores
    from stream_consumer.kinesis.shard_reader import Start
    from stream_consumer.kinesis.stream_pages import StreamPages

    clients = options.aws(endpoint_url, region, profile)
    archived = StreamArchive(Stores(lambda: clients.s3), archive_at(to), stream, seconds=seconds)
    try:
        for shard_id, page in StreamPages(clients.kinesis, stream, archived.positions, start=Start(), follow=follow):
            archived.take(shard_id, page)
    finally:
        archived.flush()
        complain(f"{archived.records:,} records of {stream} archived in {archived.objects:,} objects")
