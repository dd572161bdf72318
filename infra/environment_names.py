"""The names of the environments, which are the folders of ``infra/envs``."""

from infra.publish import INFRA


def named(text: str) -> str:
    """
    Return the environment that a command line names by *text*.

    Raises:
        SystemExit: There is none of that name. The message is all that its user needs, without argparse's usage.
    """
    names = sorted(path.name for path in (INFRA / "envs").iterdir() if path.is_dir())
    if text in names:
        return text
    raise SystemExit(f"there is no environment {text!r} in infra/envs; wanted one of {', '.join(names)}")
