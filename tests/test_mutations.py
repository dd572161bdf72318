"""The mutation check itself: every file it names is there, and every rule's text is once in the code."""

from tests.mutations import MAPPING, MUTANTS, PROMISE, ROOT, UNITS

SOURCES = {mutant.module: (ROOT / "stream_consumer" / f"{mutant.module}.py") for mutant in MUTANTS}


def test_the_test_files_that_the_check_names_exist() -> None:
    """Pytest would take a missing one for a mutant that was killed."""
    assert [name for name in (*PROMISE, *UNITS, *MAPPING) if not (ROOT / name).exists()] == []


def test_the_text_of_every_mutant_is_once_in_its_module() -> None:
    texts = {module: path.read_text(encoding="utf-8") for module, path in SOURCES.items()}
    assert [mutant.rule for mutant in MUTANTS if texts[mutant.module].count(mutant.old) != 1] == []


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({mutant.rule for mutant in MUTANTS}) == len(MUTANTS)
