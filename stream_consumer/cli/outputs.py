"""The outputs of a command. They are looked for before the first record is read."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.aws.clients import CONFIG, client, default_session
from stream_consumer.errors import UsageError
from stream_consumer.kinesis.shard_reader import is_absent
from stream_consumer.settings import Settings

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_s3 import S3Client

_NOT_FOUND = 404


def check_outputs(settings: Settings) -> None:
    """
    Make sure that no output is known to be missing. The consumer would try its batches again for ever.

    The output topic is checked with the connection to its cluster.

    Raises:
        UsageError: The output stream or the bucket of dead letters does not exist.
    """
    if settings.test_run:
        return
    session, stream, bucket = default_session(), settings.predictions_stream_name, settings.dead_letter_bucket
    if not settings.kafka.predictions_topic:
        kinesis = client(session, "kinesis", endpoint_url=settings.kinesis_endpoint_url, config=CONFIG)
        refuse_absent_stream(kinesis, stream, f"PREDICTIONS_STREAM_NAME={stream}")
    if bucket and _is_absent_bucket(client(session, "s3", config=CONFIG), bucket):
        raise UsageError(
            f"DEAD_LETTER_BUCKET={bucket}: the bucket does not exist. Create the bucket, or name an existing bucket"
        )


def refuse_absent_stream(kinesis: "KinesisClient", stream: str, given: str) -> None:
    """
    Refuse *stream* if it is known not to exist. *given* is the option or variable that names the stream.

    Raises:
        UsageError: The stream does not exist.
    """
    if is_absent(kinesis, stream):
        raise UsageError(
            f"{given}: the stream does not exist at {kinesis.meta.endpoint_url}. "
            "Create the stream, or name an existing stream"
        )


def _is_absent_bucket(s3: "S3Client", bucket: str) -> bool:
    """Whether *bucket* is known not to exist. A client that may not look does not know."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] == _NOT_FOUND
    except BotoCoreError:
        return False
    return False
