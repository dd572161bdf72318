"""What the parent of the workers decides, without a process: who starts, who is asked to leave, and when all ends."""

import re
import signal
from dataclasses import dataclass, field

import pytest

from stream_consumer.web.supervisor import Plan, Supervisor, WorkerFailed
from stream_consumer.web.worker_process import Refused, Serving

PLAN = Plan(workers=2, leave_seconds=30.0, silent_seconds=60.0)


@dataclass(eq=False)
class FakeProcess:
    """A worker that does what a test lets it do."""

    pid: int
    slot: int
    exit_code: int | None = None
    signals: list[int] = field(default_factory=list)
    silent: float = 0.0
    reports: list[Serving | Refused] = field(default_factory=list)
    closed: bool = False

    def report(self) -> Serving | Refused | None:
        return self.reports.pop(0) if self.reports else None

    def silent_seconds(self) -> float:
        return self.silent

    def signal(self, number: int) -> None:
        self.signals.append(number)
        if number == signal.SIGKILL:
            self.exit_code = -signal.SIGKILL

    def close(self) -> None:
        self.closed = True

    def serve(self, model: str = "ride-duration 7") -> None:
        self.reports.append(Serving(model))

    def refuse(self, reason: str) -> None:
        self.reports.append(Refused(reason))
        self.exit_code = 1


class Scene:
    """A supervisor of two, and a clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.started: list[FakeProcess] = []
        self.ended: list[int] = []
        self.announced: list[str] = []
        self.no_process: OSError | None = None
        self.supervisor = Supervisor(
            PLAN, self._start, ended=self.ended.append, serving=self.announced.append, clock=lambda: self.now
        )

    def _start(self, slot: int) -> FakeProcess:
        if self.no_process:
            raise self.no_process
        self.started.append(FakeProcess(100 + len(self.started), slot))
        return self.started[-1]

    def step(self, seconds: float = 0.0) -> bool:
        self.now += seconds
        return self.supervisor.step()

    def running(self) -> list[int]:
        return [process.pid for process in self.started if not process.closed]


@pytest.fixture
def scene() -> Scene:
    """Return one whose workers have been started."""
    scene = Scene()
    scene.step()
    return scene


@pytest.fixture
def serving(scene: Scene) -> Scene:
    """Return one whose workers have served for long."""
    for process in scene.started:
        process.serve()
    scene.step()
    scene.now += 100
    return scene


def test_all_workers_start_at_once_each_in_its_slot(scene: Scene) -> None:
    assert [process.slot for process in scene.started] == [0, 1]


def test_the_model_is_told_once_when_all_of_them_serve(scene: Scene) -> None:
    first, second = scene.started
    first.serve()
    scene.step()
    assert scene.announced == []
    second.serve()
    scene.step()
    second.exit_code = -9
    scene.step(100)
    scene.started[2].serve()
    scene.step()
    assert scene.announced == ["ride-duration 7"]


def test_the_model_is_told_again_when_the_last_worker_with_another_has_ended(serving: Scene) -> None:
    """Until then the workers do not serve one model. A worker that dies meanwhile makes no difference."""
    first, second = serving.started
    renew(serving)
    for at, (old, told) in enumerate(((first, 1), (second, 1)), start=2):
        serving.started[at].serve("ride-duration 8")
        serving.step()
        serving.step()
        assert len(serving.announced) == told
        old.exit_code = 0
        serving.step()
    assert serving.announced == ["ride-duration 7", "ride-duration 8"]
    serving.started[2].exit_code = -9
    serving.step()
    serving.step(1)
    serving.started[4].serve("ride-duration 8")
    serving.step()
    assert len(serving.announced) == 2


def test_two_models_are_told_where_each_worker_loads_its_own(serving: Scene) -> None:
    """The model may be exchanged while they start."""
    first, second = serving.started
    renew(serving)
    serving.started[2].serve("ride-duration 8")
    serving.step()
    serving.step()
    first.exit_code = 0
    serving.step()
    serving.started[3].serve("ride-duration 9")
    serving.step()
    serving.step()
    second.exit_code = 0
    serving.step()
    assert serving.announced[1:] == ["ride-duration 8 and ride-duration 9"]


def test_a_model_that_one_worker_cannot_load_ends_the_start_with_its_own_words(scene: Scene) -> None:
    scene.started[0].serve()
    scene.step()
    scene.started[1].refuse("there is no MLflow model at here")
    with pytest.raises(WorkerFailed, match=r"^there is no MLflow model at here$"):
        scene.step()


@pytest.mark.parametrize(
    ("exit_code", "how"), [(-9, "signal 9 (Killed)"), (1, "exit code 1")], ids=["killed", "failed"]
)
def test_so_does_a_worker_that_dies_before_it_served(scene: Scene, exit_code: int, how: str) -> None:
    scene.started[1].exit_code = exit_code
    with pytest.raises(WorkerFailed, match=re.escape(f"worker 101 ended with {how} before it served")):
        scene.step()


def test_a_worker_that_dies_is_replaced_at_once_in_its_slot(serving: Scene) -> None:
    serving.started[0].exit_code = -9
    serving.step()
    assert (serving.running(), serving.started[2].slot, serving.ended) == ([101, 102], 0, [0])


def test_workers_that_die_again_and_again_start_ever_more_slowly(serving: Scene) -> None:
    """At once, then after 1, 2, 4, … and at most 30 seconds; one that lasts ten seconds makes it at once again."""

    def seconds_until_replaced() -> int:
        died, seconds = len(serving.started), 0
        serving.started[-1].exit_code = -11
        serving.step()
        while len(serving.started) == died:
            seconds += 1
            serving.step(1)
        serving.started[-1].serve()
        serving.step()
        return seconds

    assert [seconds_until_replaced() for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]
    serving.now += 10
    assert seconds_until_replaced() == 0


def test_a_replacement_that_cannot_start_is_tried_again_while_another_worker_serves(
    serving: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    serving.started[0].exit_code = -9
    serving.step()
    serving.started[2].refuse("S3 is away")
    serving.step()
    assert (serving.running(), caplog.messages[-1]) == ([101], "S3 is away; another worker starts in 1 s")
    serving.step(1)
    assert serving.running() == [101, 103]


def test_it_ends_all_if_no_other_serves(serving: Scene) -> None:
    for process in serving.started:
        process.exit_code = -9
    serving.step()
    serving.started[2].refuse("S3 is away")
    with pytest.raises(WorkerFailed, match="S3 is away"):
        serving.step()


def test_a_process_that_the_system_refuses_is_a_start_that_failed(serving: Scene) -> None:
    serving.no_process = OSError("Cannot allocate memory")
    serving.started[0].exit_code = -9
    serving.step()
    serving.no_process = None
    assert serving.running() == [101]
    serving.step(1)
    assert serving.running() == [101, 102]


def renew(scene: Scene) -> None:
    scene.supervisor.renew()
    scene.step()


def test_workers_are_replaced_one_after_another_each_when_its_replacement_serves(serving: Scene) -> None:
    first, second = serving.started
    renew(serving)
    serving.step()
    assert (serving.running(), first.signals) == ([100, 101, 102], []), "the replacement starts"
    serving.started[2].serve()
    serving.step()
    serving.step()
    assert (first.signals, serving.running()) == ([signal.SIGHUP], [100, 101, 102]), "no more than one above the plan"
    first.exit_code = 0
    serving.step()
    assert (second.signals, serving.running()) == ([], [101, 102, 103])
    serving.started[3].serve()
    serving.step()
    second.exit_code = 0
    serving.step()
    serving.step()
    assert serving.running() == [102, 103]


def test_a_replacement_that_cannot_start_leaves_the_others_as_they_are(
    serving: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    renew(serving)
    serving.started[2].refuse("the model is of another version")
    serving.step()
    serving.step(100)
    assert serving.running() == [100, 101]
    assert caplog.messages == ["the workers are not replaced: the model is of another version"]
    assert serving.announced == ["ride-duration 7"], "nothing new"


def test_a_worker_that_does_not_leave_is_killed(serving: Scene) -> None:
    renew(serving)
    serving.started[2].serve()
    serving.step()
    serving.step(PLAN.leave_seconds)
    assert serving.started[0].signals == [signal.SIGHUP]
    serving.step(0.1)
    assert serving.started[0].signals == [signal.SIGHUP, signal.SIGKILL]


def test_a_worker_that_serves_and_does_not_respond_is_killed_and_replaced(
    serving: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    serving.started[0].silent = PLAN.silent_seconds
    serving.step()
    assert serving.started[0].signals == []
    serving.started[0].silent += 0.1
    serving.step()
    serving.step()
    assert caplog.messages[0] == "worker 100 does not respond and is killed"
    assert serving.running() == [101, 102]


def test_a_worker_may_take_as_long_to_start_as_it_likes(scene: Scene) -> None:
    scene.started[0].silent = 1_000
    scene.step(1_000)
    assert scene.started[0].signals == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_signal_to_stop_is_passed_on_and_nobody_is_replaced(serving: Scene, number: int) -> None:
    first, second = serving.started
    serving.supervisor.stop(number)
    serving.supervisor.stop(number)
    assert first.signals == second.signals == [number, number]
    first.exit_code = 0
    assert serving.step(), "one still finishes what it accepted"
    second.exit_code = 0
    assert not serving.step()
    assert (serving.running(), sorted(serving.ended)) == ([], [0, 1])


def test_what_runs_is_killed_whatever_it_does(scene: Scene) -> None:
    scene.supervisor.kill()
    assert [process.signals for process in scene.started] == [[signal.SIGKILL]] * 2
    assert scene.running() == []
