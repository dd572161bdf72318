"""Through the local platform: how long a ride waits for its prediction, and what more shards bring."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.workload import Say, Workload
from stream_consumer.local.demo.consuming import BUCKET, INPUT_STREAM, OUTPUT_STREAM, POLL_SECONDS
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.demo.function_metrics import MetricsTally
from stream_consumer.local.demo.ride_plan import ride_plan
from stream_consumer.local.demo.run import Outcome, Plan, run
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from stream_consumer.training.rides import Rides

RATE = 500
_SHARDS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Platform:
    """Figures of the whole machine: emulator, producer, mapping, workers and reader share its cores."""

    latencies: Mapping[int, float]
    """Percentile → milliseconds from put to read at 500 rides/s."""
    poll_milliseconds: float
    rides_per_second: Mapping[int, float]
    """Shards → rides/s as fast as they go."""


class DoesNotAddUp(Exception):
    """A run's counts do not add up: its figures say nothing."""


def platform(workload: Workload, seconds: int, say: Say) -> Platform:
    """Put rides at a rate for so many seconds, then as fast as they go on one, two and four shards."""
    say(f"local platform, {RATE} rides/s for {seconds} s")
    paced = _outcome(workload, ride_plan(_first(workload, RATE * seconds), rate=RATE), shards=1)
    rates = {}
    for shards in _SHARDS:
        say(f"local platform, {shards} shards")
        plan = ride_plan(_first(workload, 20_000), batch_size=1_000)
        rates[shards] = _outcome(workload, plan, shards=shards).records_per_second
    percentiles = {at: float(np.percentile(paced.latencies, at)) * 1000 for at in (50, 95, 99)}
    return Platform(percentiles, POLL_SECONDS * 1000, rates)


def _first(workload: Workload, count: int) -> Rides:
    return workload.rides.where(np.arange(len(workload.rides)) < count)


def _outcome(workload: Workload, plan: Plan, *, shards: int) -> Outcome:
    streams, metrics = {INPUT_STREAM: shards, OUTPUT_STREAM: shards}, MetricsTally()
    with EmbeddedAws(streams=streams, buckets=[BUCKET]) as aws:
        environment = {
            **os.environ,
            **aws.environment,
            "MODEL_LOCATION": str(Path(workload.models["default"])),
            "PREDICTIONS_STREAM_NAME": OUTPUT_STREAM,
            "DEAD_LETTER_BUCKET": BUCKET,
        }
        config = FunctionConfig("stream_consumer.lambda_function.lambda_handler", name="benchmark")
        with RuntimeFunction(config, environments=shards, environment=environment, log=metrics.take) as function:
            # Every environment is made before the clock runs; together, or the first would answer for all.
            with ThreadPoolExecutor(shards) as pool:
                list(pool.map(function.invoke, [b'{"Records":[]}'] * shards))
            outcome = run(plan, aws.clients(), function, metrics, lambda _: None)
    if outcome.faults:
        raise DoesNotAddUp("; ".join(outcome.faults))
    return outcome
