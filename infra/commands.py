"""
``make deploy``, ``make plan``, ``make promote``, ``make publish``, ``make rollback`` and ``make smoke``.

Also the commands of a release: ``make release``, ``make release-due``, ``make releases`` and ``make release-token``.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.canary import Canary, Challenger
from infra.canary_bounds import parse_bounds
from infra.champion import chosen
from infra.clients import clients
from infra.container.engine import ContainerError
from infra.container.platforms import ARCHITECTURES
from infra.environment import Environment
from infra.environment_names import named
from infra.preflight.inspection import Deployment, passes
from infra.proven_release import Order, Releaser, not_due
from infra.publish import INFRA, ReleaseFailed, make_image, output
from infra.release import deploy, promote, publish, rollback
from infra.release_records import Cause, Records
from infra.release_token import give_token, read_token
from infra.smoke.verify import told, verify
from infra.smoke.wait import SmokeTestFailed
from stream_consumer.errors import StreamConsumerError
from stream_consumer.models.files import default_s3

_SHOWN = 20


def main(arguments: Sequence[str]) -> int:
    """Run the command and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.commands",
        description="Release, test and roll back an environment. Each command is a target of make, as in make deploy "
        "ENV=dev.",
    )
    parser.add_argument("command", choices=sorted(_COMMANDS), metavar="COMMAND", help=", ".join(sorted(_COMMANDS)))
    parser.add_argument("environment", type=named, metavar="ENVIRONMENT", help="Name of a folder in infra/envs.")
    parser.add_argument(
        "--architecture",
        choices=sorted(ARCHITECTURES),
        help="Architecture of the image. Default: the deployed architecture, or else this machine's.",
    )
    parser.add_argument(
        "--source", type=named, metavar="ENVIRONMENT", help="Environment with the images to promote. Default: none."
    )
    parser.add_argument(
        "--canary",
        type=int,
        metavar="PERCENT",
        help="Share of the batches for the new version in a canary. Default: no canary.",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=10,
        metavar="MINUTES",
        help="Length of the canary, in minutes. Default: %(default)s.",
    )
    parser.add_argument(
        "--batches",
        type=int,
        default=20,
        metavar="COUNT",
        help="Minimum number of batches per version in the canary. Default: %(default)s.",
    )
    parser.add_argument(
        "--longest",
        type=float,
        metavar="MINUTES",
        help="Maximum length of the canary, in minutes. Default: --minutes and 20 more.",
    )
    parser.add_argument(
        "--bounds",
        default="",
        metavar="BOUNDS",
        help="Largest differences allowed in the canary, such as mean=10%% p95=12 unseen=1%%. Default: no bounds.",
    )
    parser.add_argument(
        "--challenger",
        metavar="LOCATION",
        help="Live model to compare the new version with, batch by batch. Default: none.",
    )
    parser.add_argument(
        "--challenger-digest",
        metavar="SHA256",
        help="Digest of --challenger, required for a pickled model. Default: no pin.",
    )
    parser.add_argument(
        "--challenger-of", metavar="CONSUMER", help="Consumer of --challenger. Default: the only consumer."
    )
    parser.add_argument(
        "--consumer", metavar="NAME", help="Consumer to roll back or test, or web or batch. Default: all."
    )
    parser.add_argument(
        "--to",
        metavar="VERSION",
        help="Version to roll back to, or the digest of an image for batch (sha256:…). Default: the previous version.",
    )
    options = parser.parse_args(arguments)
    try:
        _COMMANDS[options.command](_environment(options.environment), options)
    except (ContainerError, ReleaseFailed, SmokeTestFailed, StreamConsumerError, BotoCoreError, ClientError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: make smoke tests what is live now", file=sys.stderr)
        return 130
    return 0


def _environment(name: str) -> Environment:
    return Environment(INFRA / "envs" / name, approve=bool(os.environ.get("APPROVE")))


def _canary(options: argparse.Namespace) -> Canary | None:
    if not options.canary:
        if options.challenger:
            raise ReleaseFailed("CHALLENGER needs a canary: add CANARY=10, a share in percent")
        return None
    challenger = None
    if options.challenger:
        challenger = Challenger(options.challenger, options.challenger_digest, options.challenger_of)
    return Canary(
        options.canary,
        options.minutes,
        options.batches,
        options.longest,
        parse_bounds(options.bounds),
        challenger,
    )


def _deploy(environment: Environment, options: argparse.Namespace) -> None:
    _look_first(environment, options)
    model = os.environ.get("MODEL", "")
    deploy(environment, options.architecture, make_image, **_kinds(), model=model, canary=_canary(options))
    _verify(environment, options)


def _kinds() -> dict[str, bool]:
    """Return the wanted images beside the lean image."""
    return {kind: bool(os.environ.get(kind.upper())) for kind in ("doors", "training")}


def _look_first(environment: Environment, options: argparse.Namespace) -> None:
    if not passes(Deployment(environment.root, options.architecture, os.environ.get("MODEL", "")), os.environ):
        raise ReleaseFailed("nothing was deployed: first follow the lines above that begin with STOP")


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
    model = chosen(os.environ.get("MODEL", ""), os.environ.get("DIGEST", ""))
    images = publish(environment, options.architecture, make_image, **_kinds(), model=model.location)
    for image in images.values():
        print(f"{image.url}@{image.digest}")
    for kind, at in images.items():
        _tell_workflow("GITHUB_OUTPUT", f"{kind}-url={at.url}\n{kind}-digest={at.digest}\n")
    if model.champion:
        _tell_workflow("GITHUB_OUTPUT", f"model-digest={model.champion.digest}\n")


def _tell_workflow(where: str, text: str) -> None:
    """Add *text* to the file in the variable *where*, if this is a step of a workflow."""
    if file := os.environ.get(where):
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(text)


def _order(options: argparse.Namespace) -> Order:
    """Return the order in the command line and the variables. The workflow sets the variables of the event."""
    given = os.environ.get
    return Order(
        cause=Cause(
            event=given("EVENT", "desk"),
            champion=given("CHAMPION", ""),
            version=given("CHAMPION_VERSION", ""),
            run=given("RUN", ""),
        ),
        model=given("MODEL", ""),
        digest=given("DIGEST", ""),
        source=_environment(options.source) if options.source else None,
        architecture=options.architecture,
        **_kinds(),
        challenger_of=options.challenger_of,
        commit=output(["git", "rev-parse", "HEAD"], INFRA).strip(),
    )


def _due(environment: Environment, options: argparse.Namespace) -> None:
    """Print whether the event asks for a new release. In a workflow, also set an output of the step."""
    environment.init()
    reason = not_due(environment, _order(options), Records.of(environment, default_s3()))
    print(f"nothing to release: {reason}" if reason else "a release is due")
    _tell_workflow("GITHUB_OUTPUT", f"due={'false' if reason else 'true'}\n")
    if reason:
        _tell_workflow("GITHUB_STEP_SUMMARY", f"Nothing to release in {environment.root.name}: {reason}.\n")


def _release(environment: Environment, options: argparse.Namespace) -> None:
    if options.source == options.environment:
        raise ReleaseFailed("FROM names the environment to release from, another than ENV: FROM=dev ENV=prod")
    if not options.source:
        _look_first(environment, options)
    records = Records.of(environment, default_s3())
    releaser = Releaser(environment, records, make_image, lambda of, model: verify(of, model=model), _canary(options))
    done = releaser.release(_order(options))
    _tell_workflow("GITHUB_STEP_SUMMARY", done.summary())
    if done.reason:
        raise ReleaseFailed(done.reason)


def _releases(environment: Environment, _: argparse.Namespace) -> None:
    """Print the newest releases, a line for each."""
    records = Records.of(environment, default_s3()).newest(_SHOWN)
    for record in records:
        model = f"model {record.model.version} {record.model.digest[:12]}" if record.model else "no champion"
        image = record.images["lean"].removeprefix("sha256:")[:12]
        print(f"{record.at}  {record.outcome:8}  image {image}  {model}  commit {record.commit[:12]}  {record.reason}")
    if not records:
        print(f"make release ENV={environment.root.name} has released nothing yet")


def _token(environment: Environment, _: argparse.Namespace) -> None:
    environment.init()
    outputs = environment.outputs()
    print(give_token(clients(outputs), outputs, read_token()))


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
    "release": _release,
    "release-due": _due,
    "release-token": _token,
    "releases": _releases,
    "rollback": _rollback,
    "smoke": _smoke,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
