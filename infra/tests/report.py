"""How a run of checks is told: a line for each, and a last line that counts them."""

import os
import time
from collections.abc import Callable, Sequence

from infra.tests.terraform import CheckFailed


class Skipped(Exception):
    """A tool that the check needs is not here."""


def report(checks: Sequence[Callable[[], str]], *, each_rests_on_the_last: bool = False) -> int:
    """
    Run *checks* in order, print a line for each and a last line that counts them; return the exit code.

    With CI in the environment a check that was skipped has failed: nobody reads there what was not looked at.
    """
    passed, failed, skipped = 0, 0, []
    for check in checks:
        if failed and each_rests_on_the_last:
            skipped.append(f"{check.__name__} (a step before it failed)")
            continue
        started = time.monotonic()
        try:
            outcome = check()
            passed += 1
            word = "ok"
        except Skipped as reason:
            skipped.append(f"{check.__name__} ({reason})")
            word, outcome = "skipped", str(reason)
        except CheckFailed as fault:
            failed += 1
            word, outcome = "FAILED", str(fault)
        print(f"{word:8}{check.__name__:14}{time.monotonic() - started:6.1f} s  {outcome}", flush=True)
    if skipped:
        print("skipped: " + "; ".join(skipped))
    print(f"{passed} passed, {failed} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 1 if failed or (skipped and "CI" in os.environ) else 0
