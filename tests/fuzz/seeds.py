"""Where fuzzing begins: every record of the tables of verdicts and of the tests of aggregates."""

from stream_consumer.contract import kpl
from stream_consumer.contract.kpl import SubRecord
from tests.contract.test_lambda_event import CORRUPT, GOLDEN_BODY
from tests.contract.test_verdicts import GOOD, INVALID
from tests.fuzz.target import FOLDED, RAW, SEALED
from tests.rides import ride_event

_LONGEST = 4_096


def seeds() -> list[bytes]:
    records = [data for data, _ in [*GOOD.values(), *INVALID.values(), *CORRUPT.values()] if len(data) < _LONGEST]
    aggregates = [GOLDEN_BODY, kpl.fold([SubRecord("k", ride_event(at)) for at in range(3)])[4:-16]]
    return [
        *(RAW + data for data in records),
        *(SEALED + body for body in aggregates),
        *(FOLDED + b"\n".join([ride_event(1), data, ride_event(2)]) for data in records),
    ]
