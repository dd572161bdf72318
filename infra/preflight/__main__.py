"""``make preflight ENV=dev``: look at what a deployment needs, and exit with 1 if one of it would stop it."""

import argparse
import os
import sys
from collections.abc import Sequence

from infra.container.platforms import ARCHITECTURES
from infra.environment_names import named
from infra.preflight.inspection import Deployment, passes
from infra.publish import INFRA


def main(arguments: Sequence[str]) -> int:
    """Print the findings of the environment that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.preflight", description=__doc__)
    parser.add_argument("environment", type=named)
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), help="what the image would be built for")
    options = parser.parse_args(arguments)
    root = INFRA / "envs" / options.environment
    return not passes(Deployment(root, options.architecture, os.environ.get("MODEL", "")), os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
