"""
The delivery promise over hours: real workers, a real client and a real endpoint, and faults at random moments.

``python -m tests.soak --minutes 10 --seed 1`` puts rides and malformed records round after round, kills the workers,
fails the output stream and the bucket, reads everything back after each round, and prints what came of it.
"""

import argparse
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from integration_tests.faults import Fault, Rejected
from integration_tests.proxy import FaultProxy
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.events import Event, Invoked
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from tests.example_models import boosted_rides_model
from tests.faults.figures import ROOT, Figures, write
from tests.process.handlers import plan
from tests.process.scene import Scene

RIDES = 4_000
"""A round."""
TIMEOUT_SECONDS = 8.0
FAULTS = (
    *(Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.THROTTLED, Fault.DENIED, Fault.RESET_BEFORE, Fault.SLOW) * 3,
    *(Fault.RESET_AFTER, Fault.TRUNCATED) * 6,
    Fault.HANGING,
)


class Invocations:
    """An observer that counts."""

    def __init__(self) -> None:
        self.count = 0
        self.killed = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Invoked):
            self.count += 1
            error = event.invocation.error
            self.killed += error is not None and error.error_type != "BatchFailed"


@contextmanager
def trouble(proxy: FaultProxy, dice: random.Random) -> Iterator[None]:
    """Let requests meet a fault every now and then."""
    over = threading.Event()

    def script() -> None:
        while not over.wait(dice.uniform(0.0, 0.05)):
            if not proxy.unmet():
                rejected = Rejected(tuple(dice.sample(range(50), dice.randrange(1, 20))))
                proxy.script("PutRecords", rejected if dice.random() < 0.3 else dice.choice(FAULTS))
                proxy.script("PutObject", dice.choice(FAULTS))

    thread = threading.Thread(target=script, name="trouble")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def round_of(aws: EmbeddedAws, model: Path, number: int, dice: random.Random) -> Figures:
    """Put, consume, and check one round; its figures."""
    scene = Scene(aws.clients(), f"round-{number}", model)
    scene.put(RIDES, seed=number)
    seen = Invocations()
    config = FunctionConfig("tests.process.handlers.handler", task_root=ROOT, timeout_seconds=TIMEOUT_SECONDS)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, FaultProxy(aws.endpoint_url) as proxy:
        kills = [{"kill": dice.uniform(0.0, 0.3)} if dice.random() < 0.2 else {} for _ in range(40)]
        plan(Path(folder), kills)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environ |= aws.environment | scene.environment | {"PLAN": folder, "AWS_ENDPOINT_URL": proxy.url}
        with RuntimeFunction(config, environment=environ, environments=2, freeze=dice.random() < 0.5) as function:
            # Now and then two pollers own the shard.
            sizes = dice.choices((50, 200, 1_000), k=1 + (dice.random() < 0.2))
            mappings = [scene.mapping(function, seen, batch_size=size) for size in sizes]
            with trouble(proxy, dice), ThreadPoolExecutor(len(mappings)) as pool:
                for mapping in mappings:
                    mapping.drain()
                list(pool.map(EventSourceMapping.run, mappings))
        met = Counter({fault.name if isinstance(fault, Fault) else fault: n for fault, n in proxy.met.items()})
    figures = scene.check(duplicates=None, ordered=False)
    figures.invocations = seen.count
    figures.faults = met + Counter(Die=seen.killed, Again=len(mappings) - 1)
    scene.delete()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Kill real workers and fail real endpoints at random times, and check the delivery promise after "
        "each round.",
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="Length of the run, in minutes. Default: %(default)s."
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="Seed of the random number generators. Default: %(default)s."
    )
    parser.add_argument("--write", action="store_true", help="Write the table into README.md and docs/.")
    options = parser.parse_args()
    total = Figures()
    end = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="soak-model-") as folder, EmbeddedAws() as aws:
        model = boosted_rides_model(Path(folder, "model"))
        while time.monotonic() < end:
            dice = random.Random(options.seed * 1_000_003 + total.schedules)  # noqa: S311 - repeatable, not secret
            figures = round_of(aws, model, total.schedules, dice)
            total.add(figures)
            print(
                f"round {total.schedules}: {figures.events:,} events, {sum(figures.faults.values())} faults, "
                f"{figures.invocations} invocations, {figures.duplicates:,} duplicates, 0 lost",
                flush=True,
            )
    table = total.table("rounds")
    print(f"\n{table}")
    if options.write:
        source = f"`make soak MINUTES={options.minutes:g} SEED={options.seed}`, {datetime.now(UTC):%d %B %Y}"
        write("soak", f"{source}:\n\n{table}")
        write(
            "soak-summary",
            total.summary(f"{total.schedules:,} rounds of faults with real workers and a real endpoint ({source})"),
        )


if __name__ == "__main__":
    main()
