"""Fetching files: S3 and HTTP, what is said while they come, and what is not said of credentials."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from stream_consumer.errors import UsageError
from stream_consumer.models.files import default_s3
from stream_consumer.training import sources
from stream_consumer.training.progress import silent
from stream_consumer.training.rides import load_rides
from stream_consumer.training.sources import fetch, shown
from tests.training.trips import write_trips

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Stages:
    """Keeps what progress was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int | None]] = []

    def __call__(self, stage: str, *, done: int = 0, total: int | None = None) -> None:
        self.told.append((stage, done, total))


class Site(BaseHTTPRequestHandler):
    """Serves the content of a file, less than it announces, more and more of it without end, or a 404."""

    content = b""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/missing.parquet":
            self.send_error(404)
            return
        self.send_response(200)
        if path == "/unsound.parquet":
            self.send_header("Content-Length", "many")
        elif path not in {"/unmeasured.parquet", "/endless.parquet"}:
            missing = 10 if path == "/cut.parquet" else 0
            self.send_header("Content-Length", str(len(self.content) + missing))
        self.end_headers()
        self.wfile.write(self.content)
        with contextlib.suppress(ConnectionError):
            while path == "/endless.parquet":
                self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a web server on loopback that has trip records."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(Site, "content", Path(write_trips(tmp_path / "green.parquet")).read_bytes())
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], "S3Client"]]:
    """A maker of S3 clients, for a bucket ``rides`` that has trip records."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="rides")
        client.upload_file(write_trips(tmp_path / "green.parquet"), "rides", "2021/green.parquet")
        yield lambda: client


def refusal(source: str, directory: Path, s3: Callable[[], "S3Client"] = default_s3) -> str:
    with pytest.raises(UsageError) as caught:
        fetch(source, directory, progress=silent, s3=s3)
    return str(caught.value)


def test_rides_come_from_a_web_page_and_progress_is_told_in_bytes(site: str) -> None:
    stages = Stages()
    rides = load_rides([f"http://{site}/green.parquet"], progress=stages)
    size = len(Site.content)
    assert rides.PULocationID.tolist() == [130]
    assert stages.told == [
        (f"downloading http://{site}/green.parquet", 0, None),
        (f"downloading http://{site}/green.parquet", size, size),
        (f"reading http://{site}/green.parquet", 0, None),
    ]


def test_a_page_that_does_not_tell_its_size_is_read_to_its_end(site: str) -> None:
    assert len(load_rides([f"http://{site}/unmeasured.parquet"])) == 1


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"_LARGEST_BYTES": 100_000}, "is larger than the 100,000 bytes that are downloaded; name a smaller file"),
        ({"_PATIENCE_SECONDS": 0.0}, "sent less than 1,048,576 bytes within 0 s; download it, and name the file"),
    ],
)
def test_a_page_that_never_ends_is_given_up(
    limits: dict[str, float], said: str, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its size where it is fast, and by its pace where each byte comes just in time."""
    for name, value in limits.items():
        monkeypatch.setattr(sources, name, value)
    url = f"http://{site}/endless.parquet"
    assert refusal(url, tmp_path) == f"{url} {said}"


def test_a_page_that_says_that_it_is_too_large_is_not_downloaded(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_LARGEST_BYTES", 100)
    assert "is larger than the 100 bytes" in refusal(f"http://{site}/green.parquet", tmp_path)
    assert list(tmp_path.glob("rides*")) == []


def test_a_page_that_is_not_there_is_refused_with_its_status(site: str, tmp_path: Path) -> None:
    assert refusal(f"http://{site}/missing.parquet", tmp_path) == (
        f"http://{site}/missing.parquet cannot be downloaded: HTTP 404 Not Found"
    )


def test_a_download_that_ends_early_is_refused(site: str, tmp_path: Path) -> None:
    size = len(Site.content)
    assert refusal(f"http://{site}/cut.parquet", tmp_path) == (
        f"http://{site}/cut.parquet ended after {size} of {size + 10} bytes; try again"
    )


def test_a_size_that_is_no_number_is_one_line(site: str, tmp_path: Path) -> None:
    url = f"http://{site}/unsound.parquet"
    assert refusal(url, tmp_path) == f"{url} cannot be downloaded: invalid literal for int() with base 10: 'many'"


def test_a_host_that_does_not_answer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    assert refusal("http://127.0.0.1:9/green.parquet", tmp_path) == (
        "http://127.0.0.1:9/green.parquet cannot be downloaded: <urlopen error [Errno 111] Connection refused>"
    )


def test_what_may_be_credentials_in_a_url_is_never_shown(site: str) -> None:
    stages = Stages()
    rides = load_rides([f"http://{site}/green.parquet?X-Amz-Signature=secret"], progress=stages)
    assert "secret" not in rides.origin + str(stages.told)
    assert shown("https://user:secret@host/green.parquet?token=secret#part") == "https://host/green.parquet#part"


@pytest.mark.parametrize(
    "source", ["/data/what?is#this@there.csv", "s3://rides/2021/green.parquet", "sqlite:///mlflow.db"]
)
def test_what_holds_no_credentials_is_shown_as_it_is(source: str) -> None:
    assert shown(source) == source


def test_rides_come_from_s3_and_progress_is_told_in_bytes(bucket: Callable[[], "S3Client"]) -> None:
    stages = Stages()
    rides = load_rides(["s3://rides/2021/green.parquet"], progress=stages, s3=bucket)
    assert rides.PULocationID.tolist() == [130]
    assert stages.told[0] == ("downloading s3://rides/2021/green.parquet", 0, None)
    assert stages.told[-2][1] > 0
    assert stages.told[-1] == ("reading s3://rides/2021/green.parquet", 0, None)


def test_an_object_that_is_not_there_is_refused(bucket: Callable[[], "S3Client"], tmp_path: Path) -> None:
    assert refusal("s3://rides/no.parquet", tmp_path, bucket) == (
        "s3://rides/no.parquet cannot be downloaded: "
        "An error occurred (404) when calling the HeadObject operation: Not Found"
    )


def test_s3_without_its_settings_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert refusal("s3://rides/green.parquet", tmp_path, lambda: boto3.Session().client("s3")) == (
        "s3://rides/green.parquet cannot be downloaded: The config profile (nobody) could not be found"
    )


def test_s3_is_found_as_the_aws_cli_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert default_s3().meta.endpoint_url == "http://127.0.0.1:4566"
