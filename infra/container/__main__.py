"""
``python -m infra.container build``: build the image, measure its size and its init, and fail if it is over budget.

The rule: without a model, only the standard library is needed, so a bare python3 can build the image.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra.container.engine import ContainerError, Engine, find_engine
from infra.container.measure import BUDGETS, Budget, init_seconds, over_budget, weigh, weigh_packages
from infra.container.platforms import own_platform, refuse_unbuildable

ROOT = Path(__file__).resolve().parents[2]

_FINISHES = {"doors": "Add batch, worker, serve and all further commands.", "training": "Add the command train."}


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """
    Build and measure.

    Raises:
        ContainerError: There is no container tool, the model or the build is at fault, or the image is over budget.
    """
    wanted = _parser().parse_args(arguments)
    engine = find_engine(environ)
    if wanted.platform not in {"", own_platform()}:
        refuse_unbuildable(engine, wanted.platform)
    with _contents(wanted) as (build_arguments, added):
        build_arguments["REVISION"] = _revision()
        if wanted.base:
            build_arguments["PYTHON_IMAGE"] = wanted.base
        engine.build(ROOT, wanted.tag, build_arguments, wanted.platform, wanted.finish)
    unmeasured = _unmeasured(engine, wanted.platform, wanted.finish)
    _accept(engine, wanted.tag, BUDGETS[wanted.finish], added, unmeasured)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.container", description="Build the image of the Lambda function."
    )
    build = parser.add_subparsers(required=True).add_parser(
        "build",
        help="Build the image and measure its size and init time.",
        description="Build the image and measure its size and init time. An image over budget fails.",
    )
    build.add_argument("--tag", default="stream-consumer:latest", help="Name of the image. Default: %(default)s.")
    build.add_argument(
        "--model",
        default="",
        metavar="LOCATION",
        help="Model to bake in: a folder, s3://… or models:/name@alias. Default: no model.",
    )
    build.add_argument(
        "--base", default="", metavar="IMAGE", help="Base image, best by digest. Default: the Dockerfile's."
    )
    build.add_argument("--platform", default="", help="linux/arm64 or linux/amd64. Default: this machine's.")
    finishes = build.add_mutually_exclusive_group()
    for finish, contents in _FINISHES.items():
        finishes.add_argument(
            f"--{finish}", dest="finish", action="store_const", const=finish, default="", help=contents
        )
    build.add_argument(
        "--extra",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="Package to add, as a requirement of pip. May be repeated. Default: none.",
    )
    build.add_argument(
        "--scikit-learn",
        default="",
        metavar="VERSION",
        help="Minor version of scikit-learn, such as 1.5. Default: the locked version.",
    )
    return parser


@contextlib.contextmanager
def _contents(wanted: argparse.Namespace) -> Iterator[tuple[dict[str, str], Sequence[str]]]:
    """Give the build arguments of the model and its packages, and the names of the added packages."""
    if not (wanted.model or wanted.extra or wanted.scikit_learn):
        yield {}, ()
        return
    try:
        from infra.container.choice import Order, chosen  # noqa: PLC0415 (needs the package's own dependencies)
        from infra.container.context import staged  # noqa: PLC0415 (as above)
    except ModuleNotFoundError as error:
        raise ContainerError(
            f"a model, EXTRA and SKLEARN need the package's environment, and {error.name} is missing; use "
            "`make image MODEL=…`"
        ) from error
    from stream_consumer.errors import ModelError  # noqa: PLC0415 (as above)

    architecture = (wanted.platform or own_platform()).split("/")[1]
    order = Order(wanted.extra, wanted.scikit_learn, wanted.base, architecture, wanted.finish == "doors")
    try:
        with contextlib.ExitStack() as stack:
            model = stack.enter_context(staged(wanted.model, ROOT)) if wanted.model else None
            packages = stack.enter_context(chosen(ROOT, order, model.directory if model else None, wanted.model))
            named = {"MODEL": model.folder, "MODEL_DIGEST": model.digest} if model else {}
            yield named | packages.arguments, packages.added
    except ModelError as error:
        raise ContainerError(str(error)) from error


def _revision() -> str:
    """Return the commit, if this is a work tree and git is installed."""
    with contextlib.suppress(OSError):
        answer = subprocess.run(  # noqa: S603
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.stdout.strip()
    return ""


def _accept(engine: Engine, image: str, budget: Budget, added: Sequence[str], unmeasured: str) -> None:
    """Compare *image* with *budget*. *unmeasured* is the reason why init is not timed, or empty."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "image.tar"
        engine.save(image, archive)
        layers = weigh(archive)
        sizes = weigh_packages(archive, added)
    for layer in layers:
        print(f"  layer  {layer.unpacked / 1e6:6.1f} MB unpacked  {layer.compressed / 1e6:6.1f} MB compressed")
    unpacked, compressed = sum(at.unpacked for at in layers), sum(at.compressed for at in layers)
    if added:
        budget = budget.with_packages(sum(sizes.values()), round(sum(sizes.values()) * compressed / unpacked))
        each = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())
        print(f"  added  {each}; the budget with them: {budget}")
    seconds = None if unmeasured else init_seconds(engine, image, budget.init_seconds)
    init = f"init {seconds:.2f} s at one vCPU" if seconds is not None else f"init SKIPPED: {unmeasured}"
    faults = over_budget(layers, seconds, budget)
    print(f"{image}: {unpacked / 1e6:.0f} MB unpacked, {compressed / 1e6:.0f} MB compressed, {init}")
    if faults:
        raise ContainerError(f"{image} is over budget: {'; '.join(faults)}")


def _unmeasured(engine: Engine, wanted_platform: str, finish: str) -> str:
    if finish == "training":
        return "no function runs in it"
    if engine.tool == "buildah":
        return "buildah does not run images"
    return f"{wanted_platform} does not run here" if wanted_platform not in {"", own_platform()} else ""


if __name__ == "__main__":
    try:
        main(sys.argv[1:], os.environ)
    except (ContainerError, OSError) as problem:  # OSError: no space, a read-only file system, no temporary folder
        sys.exit(f"error: {problem}")
