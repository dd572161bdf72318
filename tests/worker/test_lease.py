"""What keeps a message a worker's own, and how it learns that they are not."""

import threading
from typing import Any, cast

from botocore.exceptions import EndpointConnectionError

from stream_consumer.worker.lease import Lease, heart
from stream_consumer.worker.loop import POLL_SECONDS
from stream_consumer.worker.queue import MAX_HIDDEN_SECONDS, Message, Queue, ReceiptLost
from tests.fakes import client_error

MESSAGE = Message("id", "receipt", "{}", 1)
AWAY = EndpointConnectionError(endpoint_url="https://aws.invalid")


class Scripted:
    """A queue of which each extension comes to what a script says."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.did: list[str] = []
        self.now = 100.0

    def extend(self, _: Message) -> None:
        self._next("extend")

    def _next(self, what: str) -> None:
        self.did.append(what)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome:
            raise outcome

    def lease(self) -> Lease:
        return Lease(cast("Queue", self), MESSAGE, self.now, 60.0, lambda: self.now)


def test_it_lasts_as_long_as_it_is_extended() -> None:
    script = Scripted()
    lease = script.lease()
    for _ in range(10):
        script.now += 20
        lease.beat()
        assert not lease.lost
    script.now += 60
    assert lease.lost == "it could not be extended for 60 s"
    lease.beat()  # too late: another may have it
    assert script.did == ["extend"] * 10


def test_one_failed_beat_is_made_up_for_by_the_next() -> None:
    script = Scripted(AWAY, None, AWAY, AWAY)
    lease = script.lease()
    for lost in (False, False, False, True):
        script.now += 20
        lease.beat()
        script.now += 19.5
        assert bool(lease.lost) is lost


def test_a_message_that_a_poll_brings_at_its_end_is_kept_all_the_same() -> None:
    """With the shortest lease that the command takes, and a beat that fails."""
    script = Scripted(AWAY)
    lease = Lease(cast("Queue", script), MESSAGE, script.now, 30.0, lambda: script.now)
    script.now += POLL_SECONDS
    for _ in range(10):
        script.now += 30 / 3
        lease.beat()
        assert not lease.lost


def test_a_lost_receipt_is_known_at_once() -> None:
    lease = Scripted(ReceiptLost("deleted")).lease()
    lease.beat()
    assert lease.lost == "deleted"


def test_the_heart_beats_until_the_work_is_done() -> None:
    beaten = threading.Event()
    with heart(0.001, beaten.set):
        assert beaten.wait(30)
    assert "heartbeat" not in [thread.name for thread in threading.enumerate()]


def test_no_message_is_hidden_for_longer_than_sqs_allows() -> None:
    asked: dict[str, Any] = {}

    class Sqs:
        def change_message_visibility(self, **request: Any) -> None:
            asked.update(request)

    Queue(cast("Any", Sqs()), "url", hidden_seconds=60).hide(MESSAGE, 10**6)
    assert asked == {"QueueUrl": "url", "ReceiptHandle": "receipt", "VisibilityTimeout": MAX_HIDDEN_SECONDS}


def test_a_receipt_is_lost_only_if_sqs_says_so() -> None:
    """Throttling says nothing of the kind."""

    class Sqs:
        def __init__(self, code: str, status: int) -> None:
            self.error = client_error(code, status)("ChangeMessageVisibility")

        def change_message_visibility(self, **_: Any) -> None:
            raise self.error

    def comes_to(code: str, status: int) -> type[Exception]:
        try:
            Queue(cast("Any", Sqs(code, status)), "url", hidden_seconds=60).extend(MESSAGE)
        except Exception as error:  # noqa: BLE001 (which one is the question)
            return type(error)
        raise AssertionError

    assert comes_to("ReceiptHandleIsInvalid", 400) is ReceiptLost
    assert comes_to("MessageNotInflight", 400) is ReceiptLost
    assert comes_to("RequestThrottled", 403) is type(client_error("", 0)(""))
