"""
A trial: a model fitted on the earlier rides and tested on the later ones, beside the linear baseline.

The rule: every error of a trial is measured on the same rides.
"""

from dataclasses import dataclass

from stream_consumer.training.fit import Evaluation, Fitted, evaluate, fit, fit_baseline
from stream_consumer.training.holdout import choose_holdout
from stream_consumer.training.progress import Stages
from stream_consumer.training.rides import Rides, RowCounts


@dataclass(frozen=True, slots=True)
class Trial:
    """
    A fitted model and its errors, in minutes, on the rides of ``test``.

    ``baseline`` is the linear model as fitted by this project's forerunners, on rides of any distance however absurd.
    ``bounded_baseline`` is the same model, fitted on the same rides as the main model.
    """

    origin: str
    seed: int
    rows: RowCounts
    rides: Rides
    """All rides given, before bounds and split."""
    training: Rides
    test: Rides
    holdout: str
    fitted: Fitted
    model: Evaluation
    baseline: Evaluation
    bounded_baseline: Evaluation

    @property
    def training_rides(self) -> int:
        return len(self.training)


def run_trial(rides: Rides, *, seed: int, stages: Stages) -> Trial:
    """
    Fit on the earlier part of *rides*, test on the later.

    Raises:
        UsageError: The rides are too few.
    """
    bounded = rides.within_bounds()
    holdout = choose_holdout(bounded)
    earlier, test = holdout.split(bounded)
    with stages("baseline", "fitting the linear baseline"):
        baseline = fit_baseline(holdout.split(rides)[0])
        bounded_baseline = fit_baseline(earlier)
    with stages("fit", f"fitting HistGradientBoosting on {len(earlier)} rides (seed {seed})"):
        fitted = fit(earlier, seed=seed)
    with stages("test", f"testing on {holdout.description}: {len(test):,} rides"):
        return Trial(
            origin=rides.origin,
            seed=seed,
            rows=bounded.counts,
            rides=rides,
            training=earlier,
            test=test,
            holdout=holdout.description,
            fitted=fitted,
            model=evaluate(fitted.model.predict, test),
            baseline=evaluate(baseline, test),
            bounded_baseline=evaluate(bounded_baseline, test),
        )
