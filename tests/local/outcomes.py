"""An outcome of the demo, made by hand."""

import json
from collections import Counter

import numpy as np

from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import Reason
from stream_consumer.local.demo.run import Outcome
from stream_consumer.operate.dead_letter_bucket import StoredDeadLetter

HOSTILE = "<script>alert(1)</script>\u202e"
SHOWN = r"&lt;script&gt;alert(1)&lt;/script&gt;\u202e"

_PREDICTION = json.dumps(
    {
        "model": "ride-duration",
        "version": "3",
        "prediction": {"ride_duration": 12.5, "ride_id": HOSTILE},
        "event_id": "shardId-000000000000:1",
    }
).encode()


def letter(at: int, reason: Reason, detail: str = "Expected `float`, got `str`") -> StoredDeadLetter:
    return StoredDeadLetter(
        document="dead-letters/ride_events/shardId-000000000000/1.jsonl",
        event_id=f"shardId-000000000000:{at}",
        reason=reason.value,
        path="$.ride.trip_distance",
        detail=detail,
        stream="ride_events",
        shard="shardId-000000000000",
        sequence_number=f"{at}",
        partition_key=f"key-{at}",
        arrival=None,
        data=b"{}",
    )


def outcome(*, latencies: int = 200) -> Outcome:
    """Return a run of which each record came out, with seven dead letters of three reasons."""
    letters = [letter(at, Reason.SCHEMA) for at in range(5)]
    letters += [letter(5, Reason.BOUNDS, HOSTILE), letter(6, Reason.UNDECODABLE)]
    dead = Counter(Reason(one.reason) for one in letters)
    generator = np.random.default_rng(5)
    return Outcome(
        put=latencies + len(letters),
        put_again=0,
        predicted=latencies,
        duplicates=0,
        dead_letters=dead,
        expected_dead_letters=dead,
        discarded=0,
        seconds=1.5,
        invocations=3,
        failed_invocations=0,
        last_error="",
        metrics={},
        fault="",
        predictions=[decode_prediction(_PREDICTION)] * latencies,
        actual=generator.uniform(1, 60, latencies),
        latencies=generator.gamma(2.0, 0.1, latencies),
        read_at=np.linspace(0, 1.5, latencies),
        letters=letters,
    )
