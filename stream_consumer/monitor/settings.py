"""The monitoring function's own settings. The settings of the model are the consumer's."""

from collections.abc import Mapping
from dataclasses import dataclass

from stream_consumer import environment_variables
from stream_consumer.environment_variables import Field
from stream_consumer.errors import SettingsError
from stream_consumer.settings import FIELDS as CONSUMER_FIELDS
from stream_consumer.settings import VARIABLES as CONSUMER_VARIABLES
from stream_consumer.settings import Settings

FIELDS = {
    "bucket": Field(
        "PROFILE_BUCKET", CONSUMER_FIELDS["dead_letter_bucket"].parse, None, "Bucket for the profiles of windows"
    ),
    "prefix": Field(
        "PROFILE_PREFIX", CONSUMER_FIELDS["dead_letter_prefix"].parse, "profiles", "Key prefix of the profiles"
    ),
}

VARIABLES = CONSUMER_VARIABLES.union(field.variable for field in FIELDS.values())
"""Every variable that :class:`MonitorSettings` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """The settings of the monitoring function. ``FIELDS`` explains each field."""

    consumer: Settings
    bucket: str
    prefix: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "MonitorSettings":
        """
        Read *environ*.

        Raises:
            SettingsError: A variable is wrong. The message has each wrong variable, its value and the value wanted.
        """
        values, faults = environment_variables.read(FIELDS, environ)
        if values["bucket"] is None:
            faults.append("PROFILE_BUCKET is not set")
        try:
            consumer = Settings.of(environ)
        except SettingsError as error:
            raise SettingsError("; ".join([str(error), *faults])) from None
        environment_variables.refuse(faults)
        return cls(consumer=consumer, **values)
