"""A mistyped environment: one line that names those that exist, from each command that takes one."""

from collections.abc import Callable, Sequence

import pytest

from infra import bootstrapping, commands, teardown
from infra.environment_names import named
from infra.preflight import __main__ as preflight

Main = Callable[[Sequence[str]], int]
WANTED = "there is no environment 'nope' in infra/envs; wanted one of dev, prod"


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (commands.main, ["smoke", "nope"]),
        (commands.main, ["promote", "prod", "--source", "nope"]),
        (bootstrapping.main, ["nope"]),
        (preflight.main, ["nope"]),
        (teardown.main, ["nope"]),
    ],
)
def test_a_mistyped_environment_is_answered_with_those_that_exist(
    main: Main, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == WANTED
    assert capsys.readouterr() == ("", "")


def test_an_environment_that_exists_is_taken() -> None:
    assert named("dev") == "dev"
