"""Test the deployed parts: each consumer, the web interface and the batch interface."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

from infra.clients import Aws, clients
from infra.smoke import batch, consumers, web
from infra.smoke.wait import MakeWait, Result, SmokeTestFailed, Untestable, Wait


def verify(
    outputs: Mapping[str, Any],
    *,
    model: str = "",
    only: Collection[str] = (),
    aws: Aws | None = None,
    wait: MakeWait = Wait,
) -> Iterator[Result]:
    """
    Yield the result of each part of the system, one after the other.

    Args:
        outputs: The outputs of modules/system.
        model: The location of the model in the image, for parts without a model in their settings.
        only: The parts to test: names of consumers, ``web``, ``batch``. Empty means all.
        aws: Makes the clients.
        wait: Begins the wait for a part.

    Raises:
        SmokeTestFailed: A part does not exist or does not answer, or a consumer needs an order that its stream does not
            keep.
    """
    aws = aws or clients(outputs)
    parts = [*outputs.get("consumers", {}), *(part for part in (web.PART, batch.PART) if outputs.get(part))]
    if not parts or not {*only} <= {*parts}:
        raise SmokeTestFailed(
            f"there is no {' or '.join(only) or 'part'} here to test, only {parts or 'nothing at all'}"
        )
    names = [name for name in outputs.get("consumers", {}) if not only or name in only]
    _check_order(aws, outputs, names)
    if names:
        yield from consumers.through(aws, outputs, names, model, wait)
    same_model = batch.PART in only or _same_model(outputs)
    tests: dict[str, Callable[[], Result]] = {
        web.PART: partial(web.through, aws, outputs, wait),
        batch.PART: partial(batch.through, aws, outputs, model if same_model else "", wait),
    }
    for part, test in tests.items():
        if outputs.get(part) and (not only or part in only):
            try:
                yield test()
            except Untestable as why:
                yield Result(part, untested=str(why))


def _same_model(outputs: Mapping[str, Any]) -> bool:
    """Return whether the images of the consumers and of batch surely have the same model."""
    image, models = outputs.get("doors_image_digest"), outputs.get("model_digests") or {}
    return image in {None, outputs.get("image_digest")} or models.get("doors", "none") == models.get("lean")


def _check_order(aws: Aws, outputs: Mapping[str, Any], names: Collection[str]) -> None:
    ordered = [name for name in names if outputs["consumers"][name]["ordered"]]
    if ordered and not consumers.keeps_order(aws("kinesis"), outputs["input_stream"]):
        raise SmokeTestFailed(
            f"{outputs['input_stream']} distributes records automatically, so {', '.join(ordered)} cannot keep order: "
            "set its record distribution to USER_PARTITION_KEY, or their ordered = false"
        )


def told(results: Iterator[Result]) -> None:
    """Print each result at once, and the untested parts in the last line."""
    untested = []
    for result in results:
        if result.untested:
            untested.append(f"{result.part} ({result.untested})")
        else:
            print(f"{result.part}: {result.answer}", flush=True)
    if untested:
        print(f"not tested: {'; '.join(untested)}", flush=True)
