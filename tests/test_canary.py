"""The canary of a deployment: what it applies, in order, and what makes it go back."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.canary import Canary, Challenger
from infra.canary_bounds import parse_bounds
from infra.canary_metrics import MetricLines
from infra.environment import Environment, NotConfirmed
from infra.publish import ReleaseFailed

RELEASE = {"image_digest": "sha256:1234", "architecture": "arm64", "releases": {}}
WITH_DOORS = {**RELEASE, "doors_image_digest": "sha256:1234"}
BEGAN = datetime(2026, 11, 27, 12, tzinfo=UTC)
SHARE_ENDS = "2026-11-27T13:00:00Z"
"""Of a canary that may take 30 minutes: as many more are for what is applied before and after."""
OLD_MODEL = Challenger("s3://models/rides/7", "ab" * 32)

Writes = Callable[[int], Mapping[str, float]]
"""The metrics of a version's n-th batch."""


def rides(n: int, **changed: float) -> dict[str, float]:
    """Return the metrics of a batch whose mean prediction varies by a minute around 14."""
    metrics = {
        "RecordsReceived": 100.0,
        "PredictionsPublished": 98.0,
        "DeadLetters": 2.0,
        "RecordsUnsettled": 0.0,
        "UnseenZones": 1.0,
        "PredictionMean": 14.0 + (n % 3 - 1),
        "PredictionP95": 30.0,
    }
    return metrics | changed


def longer(n: int) -> dict[str, float]:
    """Return a batch of a version that predicts a third more."""
    return rides(n, PredictionMean=19.0 + (n % 3 - 1))


@dataclass
class Account:
    """
    Terraform, CloudWatch and the log group of an account.

    Each apply is kept and publishes. At each look alarms may go off, and both versions have written more batches.
    """

    live: str | None = "7"
    newest: str = "8"
    doors: str | None = None
    consumers: Sequence[str] = ("rides",)
    given: int = 2
    """Batches of the new version at each look."""
    given_to_live: int = 10
    """Batches of the live version for each of the new one."""
    of_new: Writes = rides
    of_live: Writes = rides
    of_challenger: Writes | None = None
    alarm_at: int | None = None
    applied: list[Mapping[str, Any]] = field(default_factory=list)
    written: list[dict[str, Any]] = field(default_factory=list)
    looks: int = 0
    slept: float = 0.0

    def outputs(self) -> dict[str, Any]:
        newest = self.newest if self.applied else self.live
        versions = {"alias": "live", "live_version": self.live, "newest_version": newest}
        consumers = {name: {"function_name": f"{name}-dev", **versions} for name in self.consumers}
        return {"consumers": consumers, "region": "eu-west-1", "doors_image_digest": self.doors}

    def clients(self, outputs: Mapping[str, Any]) -> Callable[[str], "Client"]:
        assert outputs["region"] == "eu-west-1"
        return lambda service: Client(self, service)

    def alarms(self, wanted: Mapping[str, Any]) -> Iterator[Any]:
        assert wanted == {"StateValue": "ALARM", "AlarmNamePrefix": "rides-dev-"}
        self.looks += 1
        yield {"MetricAlarms": [{"AlarmName": "rides-dev-known"}]}
        yield {"MetricAlarms": [{"AlarmName": "rides-dev-errors"}] if self.looks == self.alarm_at else []}

    def events(self, wanted: Mapping[str, Any]) -> Iterator[Any]:
        assert wanted["logGroupName"] == "/aws/lambda/rides-dev"
        yield {"events": []}  # a page of a log group may be empty, and the next one not
        yield {"events": [event for event in self.written if event["timestamp"] >= wanted["startTime"]]}

    def write(self, version: str, metrics: Mapping[str, float]) -> None:
        """Add a line as Powertools writes it to the log stream of an environment."""
        text = {"_aws": {"CloudWatchMetrics": [{}]}, "service": "rides-dev", **{k: [v] for k, v in metrics.items()}}
        event = {"logStreamName": f"2026/11/26/[{version}]0123abcd", "timestamp": round(self.now().timestamp() * 1000)}
        self.written.append({**event, "eventId": str(len(self.written)), "message": json.dumps(text)})

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        for n in range(self.given):
            self.write(self.newest, self.of_new(n))
            if self.of_challenger:
                self.write(self.newest, self.of_challenger(n))
        for n in range(self.given * self.given_to_live):
            self.write(str(self.live), self.of_live(n))

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.slept)

    def roll_out(
        self,
        release: Mapping[str, Any] = RELEASE,
        percent: int = 10,
        root: "type[Root] | None" = None,
        **options: Any,
    ) -> str | None:
        canary = Canary(percent, 10, connect=self.clients, sleep=self.sleep, now=self.now, **options)
        return canary.roll_out((root or Root)(account=self), release)

    @property
    def releases(self) -> list[Any]:
        return [release["releases"] for release in self.applied]

    @property
    def doors_applied(self) -> list[str | None]:
        return [release.get("doors_image_digest") for release in self.applied]


@dataclass(frozen=True, slots=True)
class Client:
    """What is asked of a service of the account."""

    account: Account
    service: str

    def get_paginator(self, name: str) -> "Client":
        assert (self.service, name) in {("cloudwatch", "describe_alarms"), ("logs", "filter_log_events")}
        return self

    def paginate(self, **wanted: Any) -> Iterator[Any]:
        return self.account.alarms(wanted) if self.service == "cloudwatch" else self.account.events(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root(Environment):
    """The environment in that account."""

    root: Path = Path()
    approve: bool = True
    account: Account

    def outputs(self) -> dict[str, Any]:
        return self.account.outputs() if self.account.live else {}

    def apply(self, release: Mapping[str, Any]) -> None:
        self.account.applied.append(release)


def test_the_first_deployment_is_released_at_once() -> None:
    account = Account(live=None)
    assert account.roll_out() is None
    assert account.applied == [RELEASE]


def test_some_of_the_batches_first_then_all() -> None:
    """Ten minutes without an alarm that did not ring before, looked at twice a minute."""
    account = Account()
    assert account.roll_out() is None
    assert account.releases == [
        {"rides": {"version": "7", "canary_weight": 0.1, "canary_until": SHARE_ENDS}},
        {},
    ]
    assert (account.looks, account.slept) == (1 + 20, 600)


def test_an_alarm_brings_the_live_version_back() -> None:
    account = Account(alarm_at=3)
    assert account.roll_out(percent=25) == "rolled back, rides on version 7: rides-dev-errors went off"
    assert account.releases == [
        {"rides": {"version": "7", "canary_weight": 0.25, "canary_until": SHARE_ENDS}},
        {"rides": {"version": "7"}},
    ]
    assert account.looks == 3


def test_a_canary_waits_for_its_batches_when_few_come() -> None:
    """One batch at a look makes twenty in ten minutes, and forty take twenty."""
    account = Account(given=1)
    assert account.roll_out(batches=40) is None
    assert (account.releases[-1], account.slept) == ({}, 1200)


@pytest.mark.parametrize(("given", "batches", "seen"), [(0, 20, 0), (1, 80, 60)])
def test_a_version_that_was_given_too_few_batches_does_not_pass(given: int, batches: int, seen: int) -> None:
    """Batches of the live version do not count."""
    account = Account(given=given)
    assert account.roll_out(batches=batches) == (
        f"rolled back, rides on version 7: the new version of rides was given {seen} of {batches} batches in 30 "
        "minutes, so it proved too little: give it more minutes (LONGEST) or a larger share (CANARY), ask for fewer "
        "BATCHES, or deploy without a canary"
    )
    assert (account.releases[-1], account.slept) == ({"rides": {"version": "7"}}, 1800)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1, "was given 10 of 20 batches in 5 minutes"),
        (2, "5 of 10 minutes had passed 10 minutes before the share ends by itself"),
    ],
)
def test_a_canary_goes_back_before_its_share_ends_by_itself(given: int, said: str) -> None:
    """A plan that waited for its approval has used up the time."""
    account = Account(given=given)

    class Slow(Root):
        def apply(self, release: Mapping[str, Any]) -> None:
            self.account.applied.append(release)
            self.account.slept += 45 * 60 if len(self.account.applied) == 1 else 0

    reason = account.roll_out(root=Slow)
    assert reason is not None
    assert said in reason
    assert account.releases[-1] == {"rides": {"version": "7"}}


def test_a_version_that_predicts_otherwise_goes_back_at_once() -> None:
    """The bound is a tenth of the 95th percentile, 30; both values are named."""
    account = Account(of_new=longer)
    assert account.roll_out() == (
        "rolled back, rides on version 7: rides: the mean prediction is 18.5, and 13.95 on the live version: beyond 3 "
        "(version 8 and version 7; BOUNDS sets it)"
    )
    assert (account.releases[-1], account.slept) == ({"rides": {"version": "7"}}, 300)


def test_a_large_difference_that_chance_explains_passes() -> None:
    """Batches of one record each say nearly nothing: the spread is wide, and so is what twenty of them may differ."""

    def spread(n: int) -> dict[str, float]:
        return rides(n, PredictionMean=14.0 + (40.0 if n % 2 else -10.0))

    wide = Account(of_new=lambda n: rides(n, PredictionMean=20.0 + (60.0 if n % 2 else -60.0)), of_live=spread)
    assert wide.roll_out() is None


def test_a_clear_difference_that_is_small_passes_whatever_the_number_of_batches() -> None:
    def slightly(n: int) -> dict[str, float]:
        return rides(n, PredictionMean=14.0 + (n % 3 - 1) + 2.0)

    assert Account(of_new=slightly, given=50).roll_out() is None
    reason = Account(of_new=slightly, given=50).roll_out(bounds=parse_bounds("mean=1"))
    assert reason is not None
    assert "beyond 1 " in reason


def test_batches_from_before_the_new_versions_first_do_not_count() -> None:
    """The night's rides are longer than the day's; only the same minutes are compared."""
    account = Account()
    account.given, night = 0, 200
    sleep = account.sleep

    def later(seconds: float) -> None:
        if account.slept < 300:
            for n in range(night):
                account.write("7", rides(n, PredictionMean=90.0, PredictionP95=200.0))
        else:
            account.given = 2
        sleep(seconds)

    account.sleep = later  # type: ignore[method-assign]
    assert account.roll_out() is None


def test_more_unseen_categories_bring_the_live_version_back() -> None:
    """A new version that saw more in training than the live one is welcome."""
    account = Account(of_new=lambda n: rides(n, UnseenZones=8.0 + n % 2))
    reason = account.roll_out()
    assert reason is not None
    assert "unseen categories for each record is 0.085, and 0.01 on the live version: beyond 0.05" in reason
    assert Account(of_live=lambda n: rides(n, UnseenZones=50.0)).roll_out() is None


@pytest.mark.parametrize("refused", ["DeadLetters", "RecordsUnsettled"])
@pytest.mark.parametrize("challenger", [None, OLD_MODEL])
def test_a_version_that_predicts_nothing_goes_back(refused: str, challenger: Challenger | None) -> None:
    """No alarm need have gone off by then, and nothing may be there for a challenger to be compared on."""
    nothing = {"RecordsReceived": 100.0, "PredictionsPublished": 0.0, refused: 100.0}
    account = Account(of_new=lambda _: nothing, of_challenger=lambda _: {"ChallengerCompared": 0.0})
    assert account.roll_out(challenger=challenger) == (
        "rolled back, rides on version 7: rides: the share of dead letters and unsettled records is 1, and 0.02 on the "
        "live version: beyond 0.05 (version 8 and version 7; BOUNDS sets it)"
    )
    assert (account.releases[-1], account.slept) == ({"rides": {"version": "7"}}, 300)


def test_more_dead_letters_than_the_bound_bring_the_live_version_back() -> None:
    """Fewer of them than on the live version are welcome."""

    def refusing(more: float) -> Writes:
        return lambda n: rides(n, DeadLetters=more + n % 2, PredictionsPublished=100.0 - more - n % 2)

    assert Account(of_new=refusing(6.0)).roll_out() is None
    assert Account(of_live=refusing(50.0)).roll_out() is None
    reason = Account(of_new=refusing(6.0)).roll_out(bounds=parse_bounds("deadletters=4%"))
    assert reason is not None
    assert "unsettled records is 0.065, and 0.02 on the live version: beyond 0.04 " in reason


def test_all_dead_letters_count_where_only_the_challenger_stands_for_the_live_version() -> None:
    """CANARY=100 leaves the live version no batch."""
    reason = Account(
        of_new=lambda n: rides(n, DeadLetters=99.0, PredictionsPublished=1.0),
        of_challenger=difference(0.0, ChallengerCompared=1.0),
        given_to_live=0,
    ).roll_out(challenger=OLD_MODEL)
    assert reason is not None
    assert "unsettled records is 0.99, beyond 0.05 " in reason


@pytest.mark.parametrize(("percent", "batches_of_live"), [(100, 0), (99, 1)])
def test_without_batches_of_the_live_version_there_is_nothing_to_compare(percent: int, batches_of_live: int) -> None:
    """Of a model that predicts anything."""
    account = Account(of_new=lambda n: rides(n, PredictionMean=9999.0), given_to_live=0)
    sleep = account.sleep

    def once(seconds: float) -> None:
        sleep(seconds)
        for n in range(batches_of_live if account.slept == 60 else 0):
            account.write("7", rides(n))

    account.sleep = once  # type: ignore[method-assign]
    assert account.roll_out(percent=percent) == (
        f"rolled back, rides on version 7: the live version of rides was given {batches_of_live} of 20 batches in 30 "
        "minutes, so there is too little to compare with: give the new version a smaller share (CANARY) or more "
        "minutes (LONGEST), ask for fewer BATCHES, or deploy without a canary"
    )


def test_the_pairs_of_a_challenger_need_no_batch_of_the_live_version() -> None:
    account = Account(of_challenger=difference(0.0), given_to_live=0)
    assert account.roll_out(percent=100, challenger=OLD_MODEL) is None


def test_batches_too_few_for_a_variance_are_refused() -> None:
    with pytest.raises(ReleaseFailed, match="BATCHES=1: a canary compares at least 2 batches of each version"):
        Account().roll_out(batches=1)


NO_NUMBERS = (float("nan"), float("inf"), -float("inf"), 1e300)


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("metric", ["PredictionMean", "PredictionP95", "DeadLetters"])
def test_a_prediction_that_is_no_number_is_named_and_goes_back(metric: str, value: float) -> None:
    """Of 40 batches one is enough, whichever version wrote it."""

    def once(n: int) -> dict[str, float]:
        return rides(n) | ({metric: value} if n == 0 else {})

    for side, writes in (("new", {"of_new": once}), ("live", {"of_live": once})):
        account = Account(**writes)  # type: ignore[arg-type]
        assert account.roll_out() == (
            f"rolled back, rides on version 7: rides: the metric {metric} of the {side} version is {value:.4g}, which "
            "cannot be compared (version 8 and version 7)"
        )
        assert account.releases[-1] == {"rides": {"version": "7"}}


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_difference_that_is_no_number_goes_back(value: float) -> None:
    reason = Account(of_challenger=difference(value)).roll_out(challenger=OLD_MODEL)
    assert reason is not None
    assert f"the metric ChallengerDifferenceMean of the new version is {value:.4g}, which cannot be compared" in reason


@pytest.mark.parametrize("lacking", ["PredictionMean", "PredictionP95"])
def test_a_version_that_predicts_no_numbers_where_the_live_one_does_goes_back(lacking: str) -> None:
    """A metric that is NaN, or beyond what CloudWatch takes, is not written at all."""
    reason = Account(of_new=lambda n: {k: v for k, v in rides(n).items() if k != lacking}).roll_out()
    assert reason is not None
    assert "is nan, which cannot be compared (version 8 and version 7)" in reason


def test_a_version_that_predicts_no_labels_where_the_live_one_does_goes_back() -> None:
    reason = Account(of_live=lambda n: {"RecordsReceived": 100.0, "Predictions.ham": 98.0 + n % 2}).roll_out()
    assert reason is not None
    assert "the share of any label is nan, which cannot be compared" in reason


def test_labels_are_compared_by_their_shares() -> None:
    def labels(spam: float) -> Writes:
        return lambda n: {"RecordsReceived": 100.0, "Predictions.spam": spam + n % 2, "Predictions.ham": 100.0 - spam}

    assert Account(of_new=labels(12.0), of_live=labels(10.0)).roll_out() is None
    reason = Account(of_new=labels(40.0), of_live=labels(10.0)).roll_out()
    assert reason is not None
    assert "the share of the label ham is 0.597" in reason


def difference(mean: float, p95: float = 1.0, **more: float) -> Writes:
    """Return what a challenger writes that predicts *mean* more than the new version."""
    compared = {"ChallengerCompared": 100.0, "ChallengerDisagreements": 90.0}
    return lambda _: {**compared, "ChallengerDifferenceMean": mean, "ChallengerDifferenceP95": p95, **more}


def test_the_live_model_decides_where_it_scores_the_same_records() -> None:
    """The batches of two versions may differ by what came; pairs do not."""
    account = Account(of_new=longer, of_challenger=difference(-0.5))
    assert account.roll_out(challenger=OLD_MODEL) is None
    assert [release.get("challengers") for release in account.applied] == [
        {"rides": {"location": "s3://models/rides/7", "digest": "ab" * 32}},
        None,
    ]


@pytest.mark.parametrize(
    ("challenger", "said"),
    [
        (difference(-4.0), "the mean difference of the new predictions from the live ones is 4, beyond 3 "),
        (difference(0.0, 16.0), "the 95th percentile of the absolute difference is 16, beyond 15 "),
        (
            lambda _: {"ChallengerCompared": 100.0, "ChallengerDisagreements": 30.0},
            "the share of records on which the versions disagree is 0.3, beyond 0.2 ",
        ),
    ],
)
def test_a_model_that_differs_on_the_same_records_goes_back(challenger: Writes, said: str) -> None:
    account = Account(of_challenger=challenger)
    reason = account.roll_out(challenger=OLD_MODEL)
    assert reason is not None
    assert said in reason
    assert account.releases[-1] == {"rides": {"version": "7"}}


def test_pairs_weigh_as_many_records_as_were_compared() -> None:
    """One batch of 10,000 outweighs nine of one record."""

    def weighed(n: int) -> dict[str, float]:
        return {"ChallengerCompared": 10000.0 if n else 1.0, "ChallengerDifferenceMean": 0.0 if n else 100.0}

    def paired(n: int) -> dict[str, float]:
        return weighed(n) | {"ChallengerDifferenceP95": 0.0}

    assert Account(of_challenger=paired).roll_out(challenger=OLD_MODEL) is None


def test_a_challenger_that_compares_nothing_proves_nothing() -> None:
    account = Account(of_challenger=lambda _: {"ChallengerCompared": 0.0, "ChallengerSkipped": 100.0})
    reason = account.roll_out(challenger=OLD_MODEL)
    assert reason is not None
    assert "the challenger of rides was compared in 0 of 20 batches in 30 minutes" in reason


@pytest.mark.parametrize("compared", [1.0, 49.0])
def test_a_challenger_that_compares_few_of_the_records_proves_nothing(compared: float) -> None:
    """It does not count as compared what the live model fails on or is not shown."""
    account = Account(
        of_challenger=difference(0.0, ChallengerCompared=compared, ChallengerFailures=9.0, ChallengerSkipped=2.0)
    )
    assert account.roll_out(challenger=OLD_MODEL) == (
        f"rolled back, rides on version 7: the challenger of rides was compared on {120 * compared:g} of the 11760 "
        "records that the new version predicted in 30 minutes, which is not most of them (it failed on 1080 and was "
        "not shown 240): the log of the function says why, or deploy without CHALLENGER"
    )


def test_a_challenger_that_is_loaded_late_still_compares_most_records() -> None:
    account = Account(of_challenger=difference(0.0, ChallengerCompared=60.0, ChallengerSkipped=38.0))
    assert account.roll_out(challenger=OLD_MODEL) is None


def test_a_consumers_own_challenger_does_not_decide() -> None:
    """It is not the live model, but one that is tried."""
    assert Account(of_challenger=difference(1000.0, 2000.0)).roll_out() is None


def test_a_challenger_of_several_consumers_is_named_before_anything_is_applied() -> None:
    account = Account(consumers=("rides", "fares"))
    with pytest.raises(ReleaseFailed, match=r"set CHALLENGER_OF to the model's consumer, one of rides, fares"):
        account.roll_out(challenger=OLD_MODEL)
    with pytest.raises(ReleaseFailed, match="CHALLENGER_OF"):
        Account().roll_out(challenger=Challenger("s3://models/7", None, "fares"))
    assert account.applied == []


def test_the_numbers_are_shown_at_each_look_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    account = Account(of_challenger=difference(-0.5, ChallengerFailures=2.0, ChallengerSkipped=1.0))
    account.roll_out(challenger=OLD_MODEL)
    said = capsys.readouterr().out.splitlines()
    first = "canary, 0.5 min: rides: 2 batches of version 8, 2 of them compared with the live model, 20 of version 7"
    assert (said[0], said[20]) == (first, "canary: alarms that went off: none")
    assert [line.split() for line in said[21:24]] == [
        ["rides", "version", "8", "version", "7", "bound"],
        ["batches", "40", "400"],
        ["records", "4000", "40000"],
    ]
    assert [line.split()[-2:] for line in said[24:26]] == [["0.02", "0.05"], ["0.5", "3"]]
    assert [line.split() for line in said[-2:]] == [["ChallengerFailures", "80"], ["ChallengerSkipped", "40"]]


def test_lines_are_told_apart_by_the_version_in_their_log_streams_names() -> None:
    """Moto names no stream by itself. Both of Lambda's forms are read, and what is no metrics line is passed over."""
    with mock_aws():
        logs = boto3.client("logs", "eu-west-1", aws_access_key_id="testing", aws_secret_access_key="testing")  # noqa: S106
        logs.create_log_group(logGroupName="/aws/lambda/rides-dev")
        now = round(datetime.now(UTC).timestamp() * 1000)
        line = '{"_aws": {"CloudWatchMetrics": []}, "RecordsReceived": [5.0], "service": "rides-dev"}'
        for stream in ("2026/11/27/[8]ab", "2026/11/27/rides-dev[8][cd]", "2026/11/27/[$LATEST]ef", "2026/11/27/[7]gh"):
            logs.create_log_stream(logGroupName="/aws/lambda/rides-dev", logStreamName=stream)
            events = [{"timestamp": now, "message": text} for text in (line, "START", '["CloudWatchMetrics"]')]
            logs.put_log_events(logGroupName="/aws/lambda/rides-dev", logStreamName=stream, logEvents=events)
        lines = MetricLines(logs, "rides-dev", now - 1000)
        for _ in range(2):  # a line that was read is not counted twice
            lines.read()
        assert lines.batches("8") == [{"RecordsReceived": 5.0}] * 2
        assert len(lines.batches("7")) == 1


def test_an_unknown_bound_is_named() -> None:
    with pytest.raises(ReleaseFailed, match="'median=3' is not a bound; wanted mean, p95"):
        parse_bounds("mean=5% median=3")


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("the token expired")])
def test_a_canary_that_nobody_watches_any_more_is_taken_back(
    fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account()

    def sleep(_: float) -> None:
        raise fault

    monkeypatch.setattr(account, "sleep", sleep)
    with pytest.raises(type(fault)):
        account.roll_out()
    assert account.releases[-1] == {"rides": {"version": "7"}}


def test_a_release_that_fails_halfway_leaves_no_share() -> None:
    """Terraform removes the schedule that would end the share before it changes the alias."""
    account = Account()

    class Failing(Root):
        def apply(self, release: Mapping[str, Any]) -> None:
            self.account.applied.append(release)
            if not release["releases"]:
                raise ReleaseFailed("terraform ended with 1")

    with pytest.raises(ReleaseFailed, match="ended with 1"):
        account.roll_out(root=Failing)
    assert account.releases[-2:] == [{}, {"rides": {"version": "7"}}]


@pytest.mark.parametrize("fault", [ReleaseFailed("terraform ended with 1"), KeyboardInterrupt(), RuntimeError()])
def test_a_share_that_fails_halfway_is_taken_back(fault: BaseException) -> None:
    """The alias may have its weight already, although Terraform failed at another consumer."""
    account = Account()
    with pytest.raises(type(fault)):
        account.roll_out(root=failing_first(fault))
    assert account.releases == [
        {"rides": {"version": "7", "canary_weight": 0.1, "canary_until": SHARE_ENDS}},
        {"rides": {"version": "7"}},
    ]


def test_a_share_that_was_not_confirmed_leaves_nothing_to_take_back() -> None:
    """What is taken back is applied, and would publish the image that the operator does not want."""
    account = Account()
    with pytest.raises(NotConfirmed):
        account.roll_out(root=failing_first(NotConfirmed("not applied")))
    assert len(account.applied) == 1


def failing_first(fault: BaseException) -> type[Root]:
    """Return an environment whose first apply ends with *fault*."""

    class Failing(Root):
        def apply(self, release: Mapping[str, Any]) -> None:
            self.account.applied.append(release)
            if len(self.account.applied) == 1:
                raise fault

    return Failing


def test_without_a_new_version_there_is_nothing_to_wait_for() -> None:
    """The same image again: the alias cannot share the batches between a version and itself."""
    account = Account(newest="7", given=0)
    assert account.roll_out() is None
    assert (account.releases[-1], account.slept) == ({}, 0)


def test_the_doors_keep_their_image() -> None:
    """A record without it would take the image of running interfaces."""
    account = Account(doors="sha256:abcd")
    account.roll_out({**RELEASE, "doors_image_digest": "sha256:abcd"})
    assert account.doors_applied == ["sha256:abcd", "sha256:abcd"]


def test_an_image_for_the_doors_reaches_them_last() -> None:
    account = Account(doors="sha256:abcd")
    account.roll_out(WITH_DOORS)
    assert account.doors_applied == ["sha256:abcd", "sha256:1234"]


@pytest.mark.parametrize("fault", [{"alarm_at": 2}, {"given": 0}])
def test_a_canary_that_fails_leaves_the_doors_theirs(fault: dict[str, Any]) -> None:
    account = Account(doors="sha256:abcd", **fault)
    assert account.roll_out(WITH_DOORS)
    assert account.doors_applied == ["sha256:abcd", "sha256:abcd"]


def test_the_first_doors_have_no_other_image() -> None:
    """Terraform refuses an interface without a digest, the canary's plan too."""
    account = Account()
    account.roll_out(WITH_DOORS)
    assert account.doors_applied == ["sha256:1234", "sha256:1234"]
