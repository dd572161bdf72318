"""
Progress on standard error, so that standard output stays what the command is for.

The rule: standard output is never taken over. A display of rich would otherwise replace ``sys.stdout``, and the demo
reads the function's metrics there.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from stream_consumer.cli.terminal import Terminal
from stream_consumer.contract.printable import printable

if TYPE_CHECKING:
    from stream_consumer.batch.chunks import RowProgress
    from stream_consumer.local.demo.run import RunProgress
    from stream_consumer.training.progress import StageProgress


@contextlib.contextmanager
def bar(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar for *total* steps, or None if unknown. The value given advances the bar by a number of steps."""
    with _progress() as progress:
        task = progress.add_task(printable(label), total=total)
        yield lambda steps: progress.advance(task, steps)
        if total is None:
            progress.update(task, total=progress.tasks[task].completed)


@contextlib.contextmanager
def row_bar(label: str) -> Iterator["RowProgress"]:
    """Show a bar for the rows of one input. The value given takes the rows done, and the total or None."""
    with _progress() as progress:
        task = progress.add_task(printable(label), total=None)

        def show(rows: int, total: int | None) -> None:
            progress.update(task, completed=rows, total=total)

        yield show
        progress.update(task, total=progress.tasks[task].completed)


@contextlib.contextmanager
def stages() -> Iterator["StageProgress"]:
    """Show the present stage. The value given takes its name, the work done, and the total or None."""
    with _display(SpinnerColumn(), _label(), transient=True) as progress:
        task = progress.add_task("starting …", total=None)

        def show(stage: str, *, done: int = 0, total: int | None = None) -> None:
            progress.update(task, description=printable(stage) + (f" {done / total:.0%}" if total else "") + " …")

        yield show


@contextlib.contextmanager
def run_bars() -> Iterator[Callable[["RunProgress"], None]]:
    """Show the records that a run has put, and those that it has read back."""
    with _progress() as progress:
        put, read = (progress.add_task(printable(label), total=None) for label in ("put", "read back"))

        def show(state: "RunProgress") -> None:
            progress.update(put, total=state.to_put, completed=state.put)
            progress.update(read, total=state.to_read, completed=state.read)

        yield show


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Show bars. If the work fails, the bars disappear and leave the error."""
    with _display(
        SpinnerColumn(), _label(18, 30), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn()
    ) as progress:
        try:
            yield progress
        except BaseException:
            progress.live.transient = True
            if not progress.console.is_interactive:  # rich would leave an empty line in a file
                progress.console.quiet = True
            raise


def _label(least: int | None = None, most: int | None = None) -> TextColumn:
    """Return a column for a task's name, from *least* to *most* characters wide."""
    column = Column(no_wrap=True, overflow="ellipsis", min_width=least, max_width=most)
    return TextColumn("{task.description}", markup=False, table_column=column)


def _display(*columns: ProgressColumn, transient: bool = False) -> Progress:
    console = Terminal(stderr=True)
    nowhere = transient and not console.is_interactive  # rich would leave an empty line of it in a file
    return Progress(*columns, console=console, transient=transient, redirect_stdout=False, disable=nowhere)
