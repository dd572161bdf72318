"""``archive`` as a user has it."""

import gzip

from stream_consumer.aws.clients import Clients
from tests.cli.conftest import Command

ARCHIVE = ("archive", "--to", "s3://ride-failures/archive", "--no-follow")


def test_a_stream_is_archived_once_however_often_the_command_runs(mocked_aws: Clients, command: Command) -> None:
    for number in range(3):
        mocked_aws.kinesis.put_record(StreamName="ride_predictions", PartitionKey="1", Data=b'{"a": %d}' % number)
    first = command(*ARCHIVE)
    assert (first.code, first.err) == (0, "3 records of ride_predictions archived in 1 objects\n")
    again = command(*ARCHIVE)
    assert (again.code, again.err) == (0, "0 records of ride_predictions archived in 0 objects\n")
    listed = mocked_aws.s3.list_objects_v2(Bucket="ride-failures")["Contents"]
    [key] = [one["Key"] for one in listed if one["Key"].endswith(".gz")]
    content = mocked_aws.s3.get_object(Bucket="ride-failures", Key=key)["Body"].read()
    assert gzip.decompress(content) == b'{"a": 0}\n{"a": 1}\n{"a": 2}\n'


def test_what_is_no_archive_is_refused(mocked_aws: Clients, command: Command) -> None:  # noqa: ARG001 (AWS)
    ran = command("archive", "--to", "postgresql://user:secret@db/x")
    assert (ran.code, ran.err) == (
        2,
        "error: postgresql://db/x is not an archive; name a folder or s3://bucket/prefix\n",
    )
