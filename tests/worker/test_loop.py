"""The worker on a real bucket's notifications in a real queue, without the waiting."""

import dataclasses
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import EndpointConnectionError

from stream_consumer.batch.errors import Stopped
from stream_consumer.batch.job import Job
from stream_consumer.batch.storage import Stores
from stream_consumer.batch.summary import Summary
from stream_consumer.errors import ModelError, UsageError
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.model import Model
from stream_consumer.worker.errors import QueueUnusable
from stream_consumer.worker.loop import Scoring, Tally, Worker, targets
from stream_consumer.worker.notifications import NewObject
from stream_consumer.worker.queue import Message, Queue
from stream_consumer.worker.shutdown import Shutdown
from tests.batch.files import jobs_asked, parquet_file
from tests.batch.test_contents import FILES, VERDICTS, cases
from tests.worker.sqs import MAX_RECEIVES, Rides

LEASE = 60


class Impatient(Queue):
    """A queue that waits for nothing, and keeps what it was asked to."""

    def __init__(self, rides: Rides) -> None:
        super().__init__(rides.clients.sqs, rides.queue, hidden_seconds=LEASE)
        self.hidden: list[float] = []

    def receive(self, wait_seconds: int) -> Message | None:
        del wait_seconds
        return super().receive(0)

    def hide(self, message: Message, seconds: float) -> None:
        self.hidden.append(seconds)
        super().hide(message, 0)


class Lines:
    """The log."""

    def __init__(self) -> None:
        self.infos: list[tuple[object, dict[str, Any]]] = []
        self.warnings: list[tuple[object, dict[str, Any]]] = []

    def info(self, msg: object, *, extra: dict[str, Any]) -> None:
        self.infos.append((msg, extra))

    def warning(self, msg: object, *, extra: dict[str, Any]) -> None:
        self.warnings.append((msg, extra))


@dataclasses.dataclass
class Bench:
    """A worker and what it works on."""

    rides: Rides
    scoring: Scoring
    queue: Impatient
    log: Any = dataclasses.field(default_factory=Lines)
    shutdown: Shutdown = dataclasses.field(default_factory=lambda: Shutdown(0))

    def worker(self) -> Worker:
        return Worker(self.queue, self.scoring, self.shutdown, self.log, lease_seconds=LEASE)

    def drain(self) -> Worker:
        worker = self.worker()
        worker.work(until_empty=True)
        return worker

    def scoring_with(self, run: Callable[[Job, Callable[[], bool]], Summary]) -> None:
        self.scoring = dataclasses.replace(self.scoring, run=run)

    def send(self, body: str) -> None:
        self.rides.clients.sqs.send_message(QueueUrl=self.rides.queue, MessageBody=body)

    def put(self, key: str, file: Path) -> None:
        self.rides.clients.s3.put_object(Bucket=self.rides.bucket, Key=key, Body=file.read_bytes())


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as embedded:
        yield embedded


@pytest.fixture
def bench(aws: EmbeddedAws, model: Model, request: pytest.FixtureRequest) -> Bench:
    rides = Rides.make(aws.clients(), f"w{abs(hash(request.node.name)) % 10**9}")
    scoring = Scoring.of(model, Stores(lambda: rides.clients.s3), targets("s3://{bucket}/predictions/{stem}.parquet"))
    return Bench(rides, scoring, Impatient(rides))


@pytest.fixture(scope="session")
def rides_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parquet_file(tmp_path_factory.mktemp("files") / "rides.parquet")


def test_a_worker_scores_as_many_chunks_at_once_as_it_is_told(
    model: Model, rides_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = jobs_asked(monkeypatch)
    scoring = Scoring.of(model, Stores(), targets("s3://out/{key}.parquet"), 3)
    scoring.run(Job.of(str(rides_file), str(tmp_path / "out.csv")), lambda: False)
    assert asked == [3]


def test_a_new_object_is_scored_and_its_message_deleted(bench: Bench, rides_file: Path, tmp_path: Path) -> None:
    """So is the test event with which S3 announces itself; nothing but the output stays."""
    bench.put("rides/2021 03+é.parquet", rides_file)
    assert bench.drain().tally == Tally(scored=1)
    assert bench.rides.objects() == [
        f"predictions/2021 03+é{end}" for end in (".parquet", ".parquet.rejected.jsonl", ".parquet.summary.json")
    ]
    bench.rides.clients.s3.download_file(bench.rides.bucket, bench.rides.objects()[0], str(tmp_path / "out.parquet"))
    assert pq.read_table(tmp_path / "out.parquet").column("ride_duration").to_pylist() == [12.0, 7.0]
    assert bench.rides.messages() == (0, 0)
    [(message, said)] = bench.log.infos
    assert (message, said["rows"], said["predicted"], said["rejected"]) == ("scored", 4, 2, 2)
    assert said["source"] == f"s3://{bench.rides.bucket}/rides/2021 03+é.parquet"


def test_a_duplicate_of_what_is_committed_is_deleted_without_scoring(bench: Bench, rides_file: Path) -> None:
    bench.put("rides/a.parquet", rides_file)
    bench.drain()
    bench.put("rides/a.parquet", rides_file)  # the same bytes have the same ETag
    assert bench.drain().tally == Tally(already=1)
    assert bench.rides.messages() == (0, 0)


class Mute:
    """A log that cannot be written."""

    def info(self, msg: object, *, extra: dict[str, Any]) -> None:
        raise BrokenPipeError(msg, extra)

    warning = info


def test_a_log_that_cannot_be_written_decides_nothing(bench: Bench, rides_file: Path) -> None:
    bench.log = Mute()
    bench.put("rides/a.parquet", rides_file)
    bench.send("not a notification")
    assert bench.drain().tally == Tally(scored=1, left=MAX_RECEIVES)
    assert bench.rides.messages() == (0, 0)


def test_an_object_that_was_overwritten_is_scored_again(bench: Bench, rides_file: Path, tmp_path: Path) -> None:
    bench.put("rides/a.parquet", rides_file)
    bench.drain()
    other = {"PULocationID": [1], "DOLocationID": [2], "trip_distance": [1.0], "ride_id": [1]}
    bench.put("rides/a.parquet", parquet_file(tmp_path / "other.parquet", other))
    assert bench.drain().tally == Tally(scored=1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no.parquet", "Parquet"),
        ("no.xlsx", "the format is told by the name's end"),
        ("gone.parquet", "there is no object"),
    ],
)
def test_poison_reaches_the_dead_letter_queue_after_as_many_receives_as_the_policy_says(
    bench: Bench, tmp_path: Path, name: str, reason: str
) -> None:
    """Each receive is one line with its reason, and comes later than the one before."""
    (tmp_path / name).write_text("not what its name says")
    bench.put(f"rides/{name}", tmp_path / name)
    if name.startswith("gone"):
        bench.rides.clients.s3.delete_object(Bucket=bench.rides.bucket, Key=f"rides/{name}")
    assert bench.drain().tally == Tally(left=MAX_RECEIVES)
    assert bench.rides.messages() == (0, 0)
    assert bench.rides.messages(bench.rides.dead) == (1, 0)
    assert [said["receives"] for _, said in bench.log.warnings] == [1, 2, 3]
    assert [said["source"].rpartition("/")[2] for _, said in bench.log.warnings] == [name] * 3
    assert all(reason in said["reason"] and said["message_id"] for _, said in bench.log.warnings)
    assert bench.queue.hidden == [1, 2, 4]
    assert bench.rides.objects() == []


def test_a_content_is_scored_or_reaches_the_dead_letter_queue_with_what_it_is(bench: Bench, tmp_path: Path) -> None:
    """As batch reads it or refuses it; nothing is tried for ever. The reader is that of batch, so some contents do."""
    scored, refused = 0, dict[str, str]()
    for number, (end, content) in enumerate(cases(VERDICTS)[::5]):
        (tmp_path / f"{number}.{end}").write_bytes(FILES[end][content])
        bench.put(f"rides/{number}.{end}", tmp_path / f"{number}.{end}")
        verdict = VERDICTS[end][content]
        if isinstance(verdict, str):
            refused[f"{number}.{end}"] = verdict
        else:
            scored += 1
    assert bench.drain().tally == Tally(scored=scored, left=MAX_RECEIVES * len(refused))
    assert bench.rides.messages() == (0, 0)
    assert bench.rides.messages(bench.rides.dead) == (len(refused), 0)
    for _, said in bench.log.warnings:
        assert re.search(refused[said["source"].rpartition("/")[2]], said["reason"])


def test_a_message_that_is_no_notification_is_poison(bench: Bench) -> None:
    bench.send("hello")
    assert bench.drain().tally == Tally(left=MAX_RECEIVES)
    assert bench.rides.messages(bench.rides.dead) == (1, 0)
    assert "not a notification of S3" in bench.log.warnings[0][1]["reason"]


def test_what_may_pass_goes_back_for_minutes_and_the_worker_goes_on(bench: Bench, rides_file: Path) -> None:
    """A full disk, a throttled S3, a network that is away."""
    troubles: list[Exception] = [OSError(28, "No space left on device"), EndpointConnectionError(endpoint_url="s3")]
    run = bench.scoring.run

    def troubled(job: Job, stop: Callable[[], bool]) -> Summary:
        if troubles:
            raise troubles.pop(0)
        return run(job, stop)

    bench.scoring_with(troubled)
    bench.put("rides/a.parquet", rides_file)
    assert bench.drain().tally == Tally(scored=1, left=2)
    assert bench.queue.hidden == [30, 60]
    assert "No space left on device" in bench.log.warnings[0][1]["reason"]
    assert bench.rides.messages(bench.rides.dead) == (0, 0)


def test_two_inputs_never_share_an_output(bench: Bench, rides_file: Path) -> None:
    """The second would replace the first's predictions, and nobody would notice."""
    bench.put("rides/march/a.parquet", rides_file)
    bench.drain()
    bench.put("rides/april/a.parquet", rides_file)
    assert bench.drain().tally == Tally(left=MAX_RECEIVES)
    assert "has the predictions of s3://" in bench.log.warnings[0][1]["reason"]


def test_a_message_of_several_objects_stays_until_all_are_committed(bench: Bench, rides_file: Path) -> None:
    """The good ones are scored once all the same."""
    entities = [
        f'{{"eventName": "ObjectCreated:Put", "s3": {{"bucket": {{"name": "{bench.rides.bucket}"}}, '
        f'"object": {{"key": "other/{name}.parquet"}}}}}}'
        for name in ("a", "gone", "b")
    ]
    for name in "ab":
        bench.put(f"other/{name}.parquet", rides_file)
    bench.send(f'{{"Records": [{", ".join(entities)}]}}')
    assert bench.drain().tally == Tally(scored=2, already=4, left=MAX_RECEIVES)
    assert bench.rides.messages(bench.rides.dead) == (1, 0)


def test_a_model_at_fault_ends_the_worker_and_hands_the_message_back(bench: Bench, rides_file: Path) -> None:
    def broken(*_: object) -> Summary:
        raise ModelError("the model fails on its own example")

    bench.scoring_with(broken)
    bench.put("rides/a.parquet", rides_file)
    with pytest.raises(ModelError):
        bench.drain()
    assert bench.queue.hidden == [0]
    assert bench.rides.messages() == (1, 0)


def test_asked_to_stop_it_hands_the_object_at_hand_back_and_takes_no_other(bench: Bench, rides_file: Path) -> None:
    def stopped(_: Job, stop: Callable[[], bool]) -> Summary:
        bench.shutdown.ask()
        assert stop()  # no grace
        raise Stopped("stopped before the end; nothing was committed")

    bench.scoring_with(stopped)
    for name in "ab":
        bench.put(f"rides/{name}.parquet", rides_file)
    assert bench.drain().tally == Tally(left=1)
    assert bench.queue.hidden == [0]
    assert bench.rides.messages()[0] == 2
    assert bench.rides.objects() == []


def test_what_a_poll_brings_after_the_request_to_stop_is_handed_back_at_once(bench: Bench, rides_file: Path) -> None:
    """The grace, of which all is left, is for what was begun before."""

    class Late(Impatient):
        def receive(self, wait_seconds: int) -> Message | None:
            message = super().receive(wait_seconds)
            if message and "rides/a.parquet" in message.body:
                bench.shutdown.ask()
            return message

    bench.put("rides/a.parquet", rides_file)
    bench.queue, bench.shutdown = Late(bench.rides), Shutdown(3600)
    assert bench.drain().tally == Tally(left=1)
    assert bench.queue.hidden == [0]
    assert bench.log.warnings[0][1]["reason"] == "stopped"
    assert bench.rides.messages() == (1, 0)
    assert bench.rides.objects() == []


def test_a_queue_that_is_not_there_ends_the_worker(bench: Bench) -> None:
    bench.rides.clients.sqs.delete_queue(QueueUrl=bench.rides.queue)
    said = rf"the queue {bench.rides.queue} cannot be received from: .*(QueueDoesNotExist|NonExistentQueue)"
    with pytest.raises(QueueUnusable, match=said):
        bench.drain()


def test_a_queue_that_is_away_for_a_while_does_not(bench: Bench, rides_file: Path) -> None:
    waited: list[float] = []

    class Away(Impatient):
        def receive(self, wait_seconds: int) -> Message | None:
            if not waited:
                raise EndpointConnectionError(endpoint_url="https://sqs.invalid")
            return super().receive(wait_seconds)

    class Patient(Shutdown):
        def wait(self, seconds: float) -> None:
            waited.append(seconds)

    bench.put("rides/a.parquet", rides_file)
    bench.queue, bench.shutdown = Away(bench.rides), Patient(0)
    assert bench.drain().tally == Tally(scored=1)
    assert waited == [10]


def test_a_message_that_cannot_be_deleted_comes_again_and_finds_its_output(bench: Bench, rides_file: Path) -> None:
    class Forgetful(Impatient):
        def delete(self, message: Message) -> None:
            if message.receives > 1:
                super().delete(message)
            else:
                super().hide(message, 0)
                raise EndpointConnectionError(endpoint_url="https://sqs.invalid")

    bench.queue = Forgetful(bench.rides)
    bench.put("rides/a.parquet", rides_file)
    assert bench.drain().tally == Tally(scored=1, already=1)
    assert bench.log.warnings[0][0] == "message not settled"
    assert bench.rides.messages() == (0, 0)


def test_many_workers_settle_every_message(bench: Bench, rides_file: Path) -> None:
    """Three threads, ten objects, each told of twice: two that meet at one object both score it, to the same bytes."""
    for at in range(10):
        bench.put(f"rides/{at}.parquet", rides_file)
        bench.put(f"rides/{at}.parquet", rides_file)
    benches = [dataclasses.replace(bench, queue=Impatient(bench.rides)) for _ in range(3)]
    workers = [one.worker() for one in benches]
    threads = [threading.Thread(target=worker.work, kwargs={"until_empty": True}) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(worker.tally.scored + worker.tally.already for worker in workers) == 20
    assert bench.rides.messages() == (0, 0)
    assert not [key for key in bench.rides.objects() if key.endswith(".committing.json")]
    assert len([key for key in bench.rides.objects() if key.endswith(".summary.json")]) == 10


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("predictions/{stem}.parquet", "wanted an s3:// URL"),
        ("s3://out/all.parquet", "an output for each object"),
        ("s3://out/{name}.parquet", "wanted fields"),
        ("s3://out/{stem.parquet", "wanted fields"),
        ("s3://{0}", "wanted fields"),
        ("s3://{bucket}/{key}", "predictions would replace their input"),
        ("s3://out/{bucket}/{stem}", "the format is told by the name's end"),
        ("s3://out/{key}.txt", "the format is told by the name's end"),
    ],
)
def test_a_template_that_names_no_output_for_each_object_is_refused(template: str, fault: str) -> None:
    with pytest.raises(UsageError, match=f"--output {re.escape(repr(template))}: .*{fault}"):
        targets(template)


@pytest.mark.parametrize(
    ("template", "target"),
    [
        ("s3://{bucket}/predictions/{key}", "s3://taxi/predictions/rides/a.csv.gz"),
        ("s3://out/{key}", "s3://out/rides/a.csv.gz"),
        ("s3://{bucket}/{key}.parquet", "s3://taxi/rides/a.csv.gz.parquet"),
    ],
)
def test_an_output_may_be_in_the_bucket_of_its_input_or_in_another(template: str, target: str) -> None:
    assert targets(template)(NewObject("taxi", "rides/a.csv.gz")) == target
