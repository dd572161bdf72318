"""The monitoring function's own part of the environment; the model is named as the consumer's is."""

from collections.abc import Mapping
from dataclasses import dataclass

from stream_consumer import environment_variables
from stream_consumer.environment_variables import Field
from stream_consumer.errors import SettingsError
from stream_consumer.settings import FIELDS as CONSUMER_FIELDS
from stream_consumer.settings import Settings

FIELDS = {
    "bucket": Field(
        "PROFILE_BUCKET", CONSUMER_FIELDS["dead_letter_bucket"].parse, None, "Bucket for the profiles of windows"
    ),
    "prefix": Field(
        "PROFILE_PREFIX", CONSUMER_FIELDS["dead_letter_prefix"].parse, "profiles", "Key prefix of the profiles"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """What the environment asks of the monitoring function; the fields are explained in ``FIELDS``."""

    consumer: Settings
    bucket: str
    prefix: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "MonitorSettings":
        """
        Read *environ*.

        Raises:
            SettingsError: Names every variable that is wrong, its value and what is wanted.
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
