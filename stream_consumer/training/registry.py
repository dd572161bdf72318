"""The operations on the versions of a registered model, the same for files and MLflow."""

from typing import Protocol

from stream_consumer.training.file_registry import Entry


class Registry(Protocol):
    """The versions of a registered model. At most one of them is champion."""

    def champion_version(self) -> str | None: ...

    def versions(self) -> list[Entry]:
        """Return all versions, oldest first."""

    def find(self, version: str) -> Entry:
        """
        Return the version with this name.

        Raises:
            UsageError: No such version exists.
        """

    def make_champion(self, entry: Entry) -> None:
        """
        Make a version champion, after it was loaded and has predicted its example.

        Raises:
            UsageError: The version is champion already.
            ModelError: The version cannot be loaded.
            ChampionChanged: Another version became champion in the meantime.
        """

    def rollback(self) -> tuple[str, str]:
        """
        Make the previous champion champion again. Return both versions, the new champion first.

        Raises:
            UsageError: There is no previous champion.
            ModelError: The previous champion cannot be loaded.
            ChampionChanged: Another version became champion in the meantime.
        """
