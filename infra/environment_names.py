"""The names of the environments: the folders of ``infra/envs``."""

from infra.publish import INFRA


def named(text: str) -> str:
    """
    Return the environment *text* of a command line.

    Raises:
        SystemExit: The environment does not exist. The message is enough, without argparse's usage.
    """
    names = sorted(path.name for path in (INFRA / "envs").iterdir() if path.is_dir())
    if text in names:
        return text
    raise SystemExit(f"there is no environment {text!r} in infra/envs; wanted one of {', '.join(names)}")
