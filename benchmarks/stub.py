"""
Kinesis as a publisher sees it: acknowledges PutRecords and PutRecord on loopback after a latency, and counts.

The rule: it runs in a process of its own, so that its processor time is nobody's.
``python -m benchmarks.stub 0.02`` prints its port; ``GET /`` answers how many records it has acknowledged.
"""

import asyncio
import subprocess
import sys
import urllib.request
from typing import Self

# As long as Kinesis' own.
_SEQUENCE_NUMBER = b"49630081666084879290581185630324770398608704880802529282"
_ACKNOWLEDGED = b'{"SequenceNumber":"' + _SEQUENCE_NUMBER + b'","ShardId":"shardId-000000000000"}'


class _Server:
    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._acknowledged = 0

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(_content_length(head))
                await asyncio.sleep(self._latency if body else 0)
                answer = self._answer(head, body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 0\r\ndate: Sat, 21 Nov 2026 03:00:00 GMT\r\n"
                    b"content-type: application/x-amz-json-1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer)
                )
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if not body:
            return b"%d" % self._acknowledged
        if b".putrecords\r\n" not in head:
            self._acknowledged += 1
            return _ACKNOWLEDGED
        records = body.count(b'"PartitionKey"')  # the data is base64 and holds no quotes
        self._acknowledged += records
        return b'{"EncryptionType":"NONE","FailedRecordCount":0,"Records":[%b]}' % b",".join([_ACKNOWLEDGED] * records)


def _content_length(head: bytes) -> int:
    return int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)


class StubKinesis:
    """Context manager: inside it ``endpoint_url`` acknowledges."""

    def __init__(self, latency: float = 0.0) -> None:
        """*latency* is in seconds, a request."""
        self._latency = latency
        self.endpoint_url = ""

    def __enter__(self) -> Self:
        program = [sys.executable, "-m", "benchmarks.stub", str(self._latency)]
        self._process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)  # noqa: S603 (ours)
        assert self._process.stdout is not None  # noqa: S101 (for mypy)
        self.endpoint_url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def acknowledged(self) -> int:
        """How many records, so far."""
        with urllib.request.urlopen(self.endpoint_url) as response:  # noqa: S310 (http)
            return int(response.read())


if __name__ == "__main__":
    asyncio.run(_Server(float(sys.argv[1])).serve())
