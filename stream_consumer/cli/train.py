"""``train``: a model is made from trip records."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from stream_consumer.cli import options
from stream_consumer.cli.progress import stages
from stream_consumer.cli.terminal import Terminal

if TYPE_CHECKING:
    from stream_consumer.training.train import TrainingResult


def train(  # noqa: PLR0913 (each is an option)
    rides: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="TLC rides: Parquet or CSV, a path, an s3:// or an https:// URL."),
    ],
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="Registered model.")] = "ride-duration",
    experiment: Annotated[str, typer.Option(metavar="NAME", help="MLflow experiment of the run.")] = "ride-duration",
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="MLflow's store.",
            show_default="mlflow.db in this directory, with --models no store",
        ),
    ] = None,
    models: options.Models = None,
    seed: options.Seed = 42,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Train a model on trip records and register the model.

    The registry is MLflow, a folder of files, or both. The last month of the records is held out for the test. Of a
    single month, the last fifth is held out. The new version becomes champion only if proven better than the champion
    on rides unknown to both versions.
    """
    from stream_consumer.training.train import TrainingOptions
    from stream_consumer.training.train import train as fit

    wanted = TrainingOptions(name=name, experiment=experiment, seed=seed, tracking_uri=tracking_uri, models=models)
    with stages() as stage:
        result = fit(rides, options=wanted, progress=stage, s3=lambda: options.aws(endpoint_url, region, profile).s3)
    show(result)


def show(result: "TrainingResult") -> None:
    """Print what came of a training."""
    trial = result.trial
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in trial.rows.dropped.items() if count)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")  # a location is to be copied
    table.add_row("rides", f"{trial.rows.kept:,} of {trial.rows.read:,}" + (f"; dropped: {dropped}" if dropped else ""))
    table.add_row("trained on", f"{trial.training_rides:,} (seed {trial.seed})")
    table.add_row("held out", f"{len(trial.test):,}: {trial.holdout}")
    table.add_row("RMSE", f"{trial.model.rmse:.2f} min; the linear baseline {trial.baseline.rmse:.2f}")
    table.add_row("MAE, R²", f"{trial.model.mae:.2f} min, {trial.model.r2:.3f}")
    registered = result.registered
    run = f" (run {registered.run_id})" if registered.run_id else ""
    table.add_row("registered", f"{result.model_uri}{run}")
    moved = "moved here" if result.verdict.promoted else "stays"
    table.add_row("champion", f"{moved}: {result.verdict.reason}")
    if registered.champion_file:
        files = registered.champion_file.rpartition("/")[0]
        table.add_row("files", f"{files}/{registered.digest}")
        table.add_row("report", f"{files}/{registered.digest}.html")
    if registered.tracking_uri:
        table.add_row("tracking", registered.tracking_uri)
    Terminal().print(table, soft_wrap=True)
