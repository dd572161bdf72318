"""What the versions of a registered model offer to an operator, as files and in MLflow alike."""

from typing import Protocol

from stream_consumer.training.file_registry import Entry


class Registry(Protocol):
    """The versions of one registered model, of which at most one is champion."""

    def champion_version(self) -> str | None: ...

    def versions(self) -> list[Entry]:
        """Return all versions, oldest first."""

    def find(self, version: str) -> Entry:
        """
        Return the version of that name.

        Raises:
            UsageError: There is none.
        """

    def make_champion(self, entry: Entry) -> None:
        """
        Make a version champion that loads and predicts its example.

        Raises:
            UsageError: It is champion already.
            ModelError: It cannot be loaded.
            ChampionChanged: Another became champion in the meantime.
        """

    def rollback(self) -> tuple[str, str]:
        """
        Make the champion before the present one champion again; return both versions, the new champion first.

        Raises:
            UsageError: There is none.
            ModelError: It cannot be loaded.
            ChampionChanged: Another became champion in the meantime.
        """
