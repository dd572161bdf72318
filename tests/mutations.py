"""
Mutation check: take one rule of the delivery promise out of the code at a time, and see that the tests notice.

``python -m tests.mutations`` copies the tree, breaks one rule in the copy, and runs the unit tests of the module and
the property test of the promise. If both pass, it runs the unit tests of the rest of the core. It fails if a mutant
survives them all, or if a mutant's text is not in the code.
"""

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PROMISE = ("tests/test_invariants.py",)
UNITS = (
    "tests/aws",
    "tests/challenger",
    "tests/contract",
    "tests/kafka",
    "tests/kinesis",
    "tests/models/test_loading.py",
    "tests/test_consumer.py",
    "tests/test_dead_letter_sink.py",
    "tests/test_lambda_function.py",
    "tests/test_inference.py",
    "tests/test_scoring.py",
    "tests/test_telemetry.py",
)
MAPPING = ("tests/local/test_tumbling_windows.py",)
"""The consumer's promise says nothing of the local event source mapping."""

PYTEST = (
    "import resource, sys, pytest; "
    "resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); "
    "sys.exit(pytest.main(sys.argv[1:]))"
)
"""With so many seconds of processor time: a mutant may keep a shard from advancing for ever."""


class Mutant(NamedTuple):
    """A rule, and how to break it: the one place in a module's text, and what is put there."""

    rule: str
    module: str
    old: str
    new: str


_LETTERS = "self._write_dead_letters(result, letter_positions, result.dead_letters, deadline)"
_PUBLISH = "self._publish(result, positions, deadline, self._predictions)"

MUTANTS = (
    # The challenger
    Mutant("it is asked with its time left", "challenger/challenger", "+ self._timeout <= deadline", "<= deadline"),
    Mutant("it is never asked again once it failed", "challenger/challenger", "self._off = True", "self._off = False"),
    Mutant("it never uses the input stream", "challenger/challenger", "not in {source, stream_name(source)}", "!= ''"),
    # The checkpoint
    Mutant("unsettled records are reported", "consumer", "self._stops[lane] = ", "_ = "),
    Mutant("the lowest of them is reported", "consumer", "first_unsettled[0].seq", "records[-1].seq"),
    Mutant("the record itself is reported", "consumer", "_Stop(position, cause)", "_Stop(position + 1, cause)"),
    Mutant("an aggregate is settled whole", "consumer", "while position and number", "while False and number"),
    Mutant("the response's key is Lambda's", "lambda_function", '{"batchItemFailures": s', '{"batch_item_failures": s'),
    Mutant("nothing settled is no success", "lambda_function", 'raise BatchFailed(f"none', 'return list(f"none'),
    Mutant("a partition is settled by itself", "contract/record", "self.shard if self.kafka", "None if self.kafka"),
    Mutant("two partitions are no aggregate", "consumer", " and record.lane == lane", ""),
    Mutant(
        "every unsettled record of Kafka is named",
        "lambda_function",
        '[{"itemIdentifier": item_identifier(result.records[at])} for at in result.unsettled_positions]',
        '[{"itemIdentifier": item_identifier(result.first_unsettled[0])}]',
    ),
    Mutant(
        "Kafka is told only if it listens", "lambda_function", "if not self._settings.kafka.partial", "if not 1 or self"
    ),
    # Dead letters
    Mutant("dead letters are waited for", "consumer", "for unwritten in written.unwritten:", "for unwritten in ():"),
    Mutant("without a bucket they are unsettled", "consumer", 'result.stop_at(at, f"{', 'str(f"{'),
    Mutant("dead letters go first", "consumer", f"{_LETTERS}\n        {_PUBLISH}", f"{_PUBLISH}\n        {_LETTERS}"),
    Mutant("no other letters are overwritten", "dead_letter_sink", "-{digest[:16]}.jsonl", ".jsonl"),
    Mutant("dead letters are tried again", "aws/bounded_calls", "Failure) and answer.transient)", "Failure) and 0)"),
    Mutant(
        "unwritten letters come back",
        "dead_letter_sink",
        "return Written(unwritten, again",
        "return Written([], again",
    ),
    # Tumbling windows
    Mutant("a batch is within one window", "local/mapping/tumbling_windows", "if record.arrived >= end:", "if False:"),
    Mutant("no window opens again", "local/mapping/tumbling_windows", ", self._earliest_start)", ", 0)"),
    Mutant(
        "a window's state is returned",
        "local/mapping/tumbling_windows",
        "return invocation if has_state else",
        "return invocation if True else",
    ),
    Mutant("an open window holds the checkpoint", "local/mapping/shard_queue", " or self.window:", ":"),
    # Publishing
    Mutant("what was rejected is sent again", "kinesis/stream_writer", "if not unwritten or hopeless:", "if True:"),
    Mutant(
        "nothing else is sent again",
        "kinesis/stream_writer",
        "for request in rejected if request]",
        "for request in () if request] or wave",
    ),
    Mutant("a rejected entry is unwritten", "kinesis/stream_writer", "in codes if code]", "in codes if 0]"),
    Mutant(
        "a failed call wrote nothing", "kinesis/stream_writer", "for position in request])\n", "for position in ()])\n"
    ),
    Mutant("a short answer is none", "kinesis/stream_writer", "len(codes) != entries", "False"),
    Mutant(
        "a sequence number acknowledges",
        "kinesis/stream_writer",
        'None if result.get("SequenceNumber") else _UNACCOUNTED',
        "None",
    ),
    Mutant("failures are counted alike", "kinesis/stream_writer", "failed not in {None, rejected}", "False"),
    Mutant(
        "a wave that failed is the last",
        "kinesis/stream_writer",
        "            if unwritten:\n                return _st",
        "            if False:\n                return _st",
    ),
    Mutant("what was not sent is unwritten", "kinesis/stream_writer", "range(wave[-1][-1] + 1, len(items))", "()"),
    Mutant(
        "nothing goes out behind the unsettled",
        "consumer",
        "enumerate(positions) if result.is_settled(at)]",
        "enumerate(positions)]",
    ),
    Mutant("a key is in one request of a wave", "kinesis/stream_writer", "not keys_before.isdisjoint(keys)", "False"),
    Mutant("a wave has so many requests", "kinesis/stream_writer", "len(wave) == in_flight:", "len(wave) > in_flight:"),
    Mutant(
        "what is only told fails no batch",
        "telemetry",
        "        except Exception as error:",
        "        except ZeroDivisionError as error:",
    ),
    Mutant(
        "no reason quotes an answer", "aws/bounded_calls", "isinstance(error, _TELLING) else name", "True else name"
    ),
    Mutant("whatever throttles is tried again", "aws/retry", "or status in _TRY_AGAIN", ""),
    Mutant("a refused request is halved", "kinesis/stream_writer", "if len(request) == 1:", "if len(request):"),
    Mutant("a fault of all blames none", "kinesis/stream_writer", "failure.blames_part or self._accepted", "True"),
    Mutant(
        "a half that fails is the last",
        "kinesis/stream_writer",
        "self._stop_at_refused or not all(entry.refused for entry in unwritten)",
        "self._stop_at_refused",
    ),
    Mutant("a refused entry ends its wave", "consumer", "            self._bury(result, [", "            len(["),
    Mutant("what waits behind it is published", "consumer", "if one.untried and result", "if False and result"),
    # Kafka
    Mutant("no report is no success", "kafka/topic_writer", "if at not in acknowledged and", "if False and"),
    Mutant("a failure ends a write to a topic", "kafka/topic_writer", "(positions) and not failures:", "(positions):"),
    Mutant("a new write has a new producer", "kafka/topic_writer", "self._session.close()  # also", "pass  # also"),
    Mutant(
        "what is refused is isolated",
        "kafka/topic_writer",
        "resent = self._isolate(items, failures, isolating_until)",
        "resent = 0",
    ),
    Mutant("what no producer takes is last", "kafka/topic_writer", "range(tried, len(items))", "()"),
    Mutant(
        "a topic keeps half back",
        "kafka/topic_writer",
        "self._isolate(items, failures, isolating_until)",
        "self._isolate(items, failures, deadline)",
    ),
    Mutant("a tombstone is no event", "contract/kafka_event", "_NULL_VALUE if value is None", "None if value is None"),
    # Time
    Mutant("no wait outlasts the deadline", "aws/retry", "if self.clock() + delay >= deadline:", "if False:"),
    Mutant("backoffs are bounded", "aws/retry", "min(_BACKOFF_CAP_SECONDS, ", "max(_BACKOFF_CAP_SECONDS, "),
    Mutant("nor is a call waited for", "aws/bounded_calls", "deadline - self._retry.clock())", "1e9)"),
    Mutant(
        "nothing is sent after the deadline", "aws/bounded_calls", "if self._retry.clock() >= deadline:", "if False:"
    ),
    Mutant("a margin is kept back", "lambda_function", " - self._settings.deadline_margin_ms / 1000", ""),
    Mutant(
        "isolating keeps half back",
        "consumer",
        "decide(result.records, now + (deadline - now) / 2)",
        "decide(result.records, deadline)",
    ),
    Mutant(
        "dead letters keep half back",
        "consumer",
        "write(letters, started + (deadline - started) / 2)",
        "write(letters, deadline)",
    ),
    Mutant("isolating keeps its verdicts", "inference", "valid[len(outcomes)] if", "0 if"),
    Mutant("isolating refusals keeps half back", "kinesis/stream_writer", "began + (deadline - began) / 2", "deadline"),
    # The model
    Mutant("only files inside are loaded", "models/files", "if name not in _names(directory):", "if False:"),
    Mutant("links are no files of a model", "models/files", "and not path.is_symlink()", ""),
    Mutant("caches are no files of a model", "models/files", "if _CACHE not in path.parts", ""),
    Mutant(
        "what was hashed is loaded",
        "models/loading",
        "path, digest = unchanging(directory, choice.digest)",
        "path, digest = directory, directory_digest(directory)",
    ),
    # Verdicts and identity
    Mutant(
        "an empty ride_id is refused", "contract/record", "min_length=1, max_length=LONGEST_ID", "max_length=LONGEST_ID"
    ),
    Mutant(
        "a ride_id is no longer than a key", "contract/record", "min_length=1, max_length=LONGEST_ID", "min_length=1"
    ),
    Mutant("sub-records have identities", "contract/lambda_event", 'f"{record.event_id}.{index}"', "record.event_id"),
    Mutant("bounds are checked", "contract/event_schema", "self._decoder(_bounded_type)", "self._decoder(_plain_type)"),
    Mutant(
        "crumbs of aggregates stay folded",
        "contract/kpl",
        "    if sum(map(_cost, sub_records)) <=",
        "    if True or sum(map(_cost, sub_records)) <=",
    ),
    Mutant("nesting is bounded", "contract/guarded_json", "MAX_NESTING = 64", "MAX_NESTING = 10**9"),
    Mutant("only rows at fault are dead letters", "scoring", "        if rows == 1:", "        if rows:"),
    Mutant("a prediction is finite", "scoring", "if _surely_finite(values):", "if True:"),
    Mutant("a broken model blames no row", "scoring", "if self._model.check() or", "if True or"),
    Mutant("an unproven model is at fault", "scoring", "if self._suspected and not", "if False and not"),
    Mutant("a new deployment is at fault", "consumer", "if not self._scored and", "if False and"),
    Mutant("a small machine blames no row", "scoring", "except MemoryError:", "except ZeroDivisionError:"),
)


def killer(mutant: Mutant, tree: Path, schedules: int) -> str | None:
    """Break the rule in *tree* and return what noticed, if anything did."""
    path = tree / "stream_consumer" / f"{mutant.module}.py"
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise SystemExit(f"mutant {mutant.rule!r}: its text is {source.count(mutant.old)} times in {mutant.module}.py")
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return next(filter(None, (failure(tree, suite, schedules) for suite in _suites(mutant))), None)
    finally:
        path.write_text(source, encoding="utf-8")


def _suites(mutant: Mutant) -> Sequence[Sequence[str]]:
    """Return the tests that may notice *mutant*: the quickest to notice in the first suite, the rest in the second."""
    room = mutant.module.partition("/")[0]
    if room == "local":
        return [MAPPING]
    near = [tests for tests in UNITS if re.search(rf"/(test_)?{room}\b", tests)]
    return [[*near, *PROMISE], [tests for tests in UNITS if tests not in near]]


def failure(tree: Path, tests: Sequence[str], schedules: int) -> str | None:
    """Return the invariant or the test of *tests* that fails first in *tree*, None if all pass."""
    options = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=1"]
    environment = {
        **os.environ,
        "SCHEDULES": str(schedules),
        "EXAMPLES": "100",
        "SHRINK": "no",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop("CI", None)  # with it the seed would not count
    command = [sys.executable, "-c", PYTEST, *options, *tests]
    run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode == -signal.SIGXCPU:
        return f"{tests[0]} does not end"
    if run.returncode == 0:
        return None
    found = re.search(r"^tests/faults/invariants\.py:\d+: in ([a-z]\w+)$", run.stdout, re.MULTILINE) or re.search(
        r"^(?:FAILED|ERROR) tests/(.+?)(?: - |$)", run.stdout, re.MULTILINE
    )
    if not found:
        raise SystemExit(f"the tests do not run:\n{run.stdout}{run.stderr}")
    return found[1]


def compile_once(tree: Path, closing: ExitStack) -> None:
    """
    Have the bytecode of *tree* made, rewritten assertions and all, which takes as long as to kill a mutant.

    The mutants themselves are never compiled to files: Python knows a file's bytecode by its size and its second.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", *PROMISE, *UNITS, *MAPPING]
    subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    if sys.pycache_prefix:
        closing.callback(shutil.rmtree, f"{sys.pycache_prefix}{tree}", ignore_errors=True)


def check(mutants: Sequence[Mutant], schedules: int, jobs: int) -> list[Mutant]:
    """Print what killed each mutant; return those that survive."""
    survivors = []
    with ExitStack() as closing:
        trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for _ in range(jobs):
            tree = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
            for name in ("stream_consumer", "tests"):
                shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", tree)
            compile_once(tree, closing)
            trees.put(tree)

        def killed_by(mutant: Mutant) -> str | None:
            tree = trees.get()
            try:
                return killer(mutant, tree, schedules)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(jobs) as pool:
            for mutant, found in zip(mutants, pool.map(killed_by, mutants), strict=True):
                print(f"{'killed' if found else 'SURVIVED':8}  {mutant.rule:38}  {found or ''}", flush=True)
                survivors += [] if found else [mutant]
    return survivors


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutations",
        description="Break the rules of the delivery promise in turn. The tests must notice each broken rule.",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="Only rules with this text. Default: all rules.")
    parser.add_argument(
        "--schedules",
        type=int,
        default=400,
        metavar="COUNT",
        help="Number of schedules of the property test per rule. Default: %(default)s.",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="COUNT",
        help="Number of processes. Default: number of cores.",
    )
    options = parser.parse_args()
    began = time.monotonic()
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.rule]
    survivors = check(mutants, options.schedules, options.jobs)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants killed in {time.monotonic() - began:.0f} s")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
