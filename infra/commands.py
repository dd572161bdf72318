"""``make deploy``, ``make plan``, ``make promote``, ``make publish``, ``make rollback`` and ``make smoke``."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.canary import Canary
from infra.container.engine import ContainerError
from infra.container.platforms import ARCHITECTURES
from infra.environment import Environment
from infra.preflight.inspection import Deployment, passes
from infra.publish import INFRA, ReleaseFailed, make_image
from infra.release import deploy, promote, publish, rollback
from infra.smoke.verify import told, verify
from infra.smoke.wait import SmokeTestFailed
from stream_consumer.errors import StreamConsumerError


def main(arguments: Sequence[str]) -> int:
    """Do what the command line names; return the exit code."""
    environments = sorted(path.name for path in (INFRA / "envs").iterdir())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(_COMMANDS))
    parser.add_argument("environment", choices=environments)
    parser.add_argument(
        "--architecture", choices=sorted(ARCHITECTURES), help="what to build for; default: what runs, or this machine's"
    )
    parser.add_argument("--source", choices=environments, help="promote what runs there")
    parser.add_argument("--canary", type=int, metavar="PERCENT", help="share of the batches that the image gets first")
    parser.add_argument("--minutes", type=float, default=10, help="how long the canary runs; default: %(default)s")
    parser.add_argument("--consumer", help="roll back or test this one only: a consumer, web or batch")
    parser.add_argument(
        "--to", help="roll back to this version, or batch to this image (sha256:…), not to the one before"
    )
    options = parser.parse_args(arguments)
    try:
        _COMMANDS[options.what](_environment(options.environment), options)
    except (ContainerError, ReleaseFailed, SmokeTestFailed, StreamConsumerError, BotoCoreError, ClientError) as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: what was applied stays; make smoke tests it", file=sys.stderr)
        return 130
    return 0


def _environment(name: str) -> Environment:
    return Environment(INFRA / "envs" / name, approve=bool(os.environ.get("APPROVE")))


def _canary(options: argparse.Namespace) -> Canary | None:
    return Canary(options.canary, options.minutes) if options.canary else None


def _deploy(environment: Environment, options: argparse.Namespace) -> None:
    kinds = {kind: bool(os.environ.get(kind.upper())) for kind in ("doors", "training")}
    model = os.environ.get("MODEL", "")
    if not passes(Deployment(environment.root, options.architecture, model), os.environ):
        raise ReleaseFailed("nothing was deployed: the lines above that begin with STOP say what to do first")
    deploy(environment, options.architecture, make_image, **kinds, model=model, canary=_canary(options))
    _verify(environment, options)


def _promote(environment: Environment, options: argparse.Namespace) -> None:
    if options.source in {None, options.environment}:
        raise ReleaseFailed("FROM names the environment to promote from, another than ENV: FROM=dev ENV=prod")
    promote(_environment(options.source), environment, _canary(options))
    _verify(environment, options)


def _verify(environment: Environment, options: argparse.Namespace) -> None:
    only = [options.consumer] if options.consumer else []
    told(verify(environment.outputs(), model=os.environ.get("MODEL", ""), only=only))


def _smoke(environment: Environment, options: argparse.Namespace) -> None:
    environment.init()
    _verify(environment, options)


def _publish(environment: Environment, options: argparse.Namespace) -> None:
    """Print the images; in a workflow, set them as the outputs of the step, by their kinds."""
    kinds = {kind: bool(os.environ.get(kind.upper())) for kind in ("doors", "training")}
    model = os.environ.get("MODEL", "")
    images = publish(environment, options.architecture, make_image, **kinds, model=model)
    for image in images.values():
        print(f"{image.url}@{image.digest}")
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        with Path(outputs).open("a", encoding="utf-8") as file:
            file.writelines(f"{kind}-url={at.url}\n{kind}-digest={at.digest}\n" for kind, at in images.items())


def _plan(environment: Environment, _: argparse.Namespace) -> None:
    environment.init()
    environment.plan()


def _rollback(environment: Environment, options: argparse.Namespace) -> None:
    rollback(environment, options.consumer, options.to)
    _verify(environment, options)


_COMMANDS: dict[str, Callable[[Environment, argparse.Namespace], None]] = {
    "deploy": _deploy,
    "plan": _plan,
    "promote": _promote,
    "publish": _publish,
    "rollback": _rollback,
    "smoke": _smoke,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
