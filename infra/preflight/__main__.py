"""``make preflight ENV=dev``: check the needs of a deployment, and exit with 1 if it would fail."""

import argparse
import os
import sys
from collections.abc import Sequence

from infra.container.platforms import ARCHITECTURES
from infra.environment_names import named
from infra.preflight.inspection import Deployment, passes
from infra.publish import INFRA

_DESCRIPTION = (
    "Check the needs of a deployment. The exit code is 1 if a deployment would fail. See make preflight ENV=dev."
)


def main(arguments: Sequence[str]) -> int:
    """Print the findings about the environment and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.preflight", description=_DESCRIPTION)
    parser.add_argument("environment", type=named, metavar="ENVIRONMENT", help="Name of a folder in infra/envs.")
    parser.add_argument(
        "--architecture",
        choices=sorted(ARCHITECTURES),
        help="Architecture of the image. Default: the deployed architecture, or else this machine's.",
    )
    options = parser.parse_args(arguments)
    root = INFRA / "envs" / options.environment
    return not passes(Deployment(root, options.architecture, os.environ.get("MODEL", "")), os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
