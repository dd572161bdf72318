"""``training-job``: ``train`` as SageMaker starts it, which the image's entry point takes for that."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from stream_consumer.cli import options
from stream_consumer.cli.terminal import say
from stream_consumer.training.sagemaker import ROOT, job_of, leave, make_ready, metric_lines, metrics_of_job, told


def training_job(
    root: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the job's files, made by SageMaker.")] = ROOT,
) -> None:
    """
    Train a model as a SageMaker training job.

    The parameters come from SageMaker's files. The model, the report and the metrics go into SageMaker's folders. The
    job also succeeds if the champion stays. The metric `promoted` is then 0.
    """
    with told(root):
        job = job_of(root, os.environ)
        make_ready(root)
        from stream_consumer.cli.train import show
        from stream_consumer.training.train import train

        result = train(job.rides, options=job.options, progress=_lines(), s3=lambda: options.aws(None, None, None).s3)
        leave(root, result)
        show(result)
        for line in metric_lines(metrics_of_job(result)):
            say(line, flush=True)


def _lines() -> Callable[..., None]:
    """Return what prints each stage when it begins, for a log."""
    last = ""

    def show(stage: str, **_: object) -> None:
        nonlocal last
        if stage != last:
            say(stage, flush=True)
        last = stage

    return show
