"""What producers put on the stream: good rides, every malformed kind, KPL aggregates of both, each with its verdict."""

from dataclasses import dataclass

from stream_consumer.contract import kpl
from stream_consumer.contract.kpl import SubRecord
from stream_consumer.contract.record import Reason
from stream_consumer.local.demo.malformed_events import KINDS
from tests.rides import minutes_of, ride_event

# 200 characters to Kinesis, 400 UTF-16 units to the fake, which refuses it as a key and within an aggregate.
REFUSED_ID = "\N{TAXI}" * 200
REFUSED_DISTANCE, NOT_FINITE_DISTANCE = 13.0, 99.0


def minutes_or_refusal(pickup: int, dropoff: int, distance: float) -> float:
    """Predict as the fake model does, but refuse one distance and give nan for another, as a model may."""
    if distance == REFUSED_DISTANCE:
        raise ValueError(f"the model does not take a distance of {distance}")
    return float("nan") if distance == NOT_FINITE_DISTANCE else minutes_of(pickup, dropoff, distance)


@dataclass(frozen=True, slots=True)
class Ingredient:
    """The data of one Kinesis record."""

    data: bytes
    verdicts: tuple[Reason | None, ...]
    """Of each event in it: the reason of its dead letter, or None for a prediction."""


_GOOD = {
    # 7 and "7" are two ride ids and one partition key.
    "ride 7": ride_event(7, 130, 205, 3.66),
    "ride 7 again": ride_event(7, 43, 151, 1.01),
    'ride "7"': ride_event("7", 166, 239, 2.53),
    "ride 8": ride_event(8, 1, 265, 0.0),
    "ride \N{TAXI}": ride_event("\N{TAXI}", 265, 1, 200.0),
}
_UNSCORABLE = {
    "refused by the model": ride_event(7, distance=REFUSED_DISTANCE),
    "not finite": ride_event(7, distance=NOT_FINITE_DISTANCE),
    "refused by the output": ride_event(REFUSED_ID),
}
_SINGLE = (
    {name: Ingredient(data, (None,)) for name, data in _GOOD.items()}
    | {name: Ingredient(data, (Reason.UNSCORABLE,)) for name, data in _UNSCORABLE.items()}
    | {name: Ingredient(data, (reason,)) for name, (data, reason) in KINDS.items()}
    | {"no data": Ingredient(b"", (Reason.UNDECODABLE,))}
)


def _aggregate(*names: str) -> Ingredient:
    parts = [_SINGLE[name] for name in names]
    folded = kpl.fold([SubRecord(f"user key {index}", part.data) for index, part in enumerate(parts)])
    return Ingredient(folded, tuple(verdict for part in parts for verdict in part.verdicts))


AGGREGATES = {
    "aggregate of six": _aggregate(*_GOOD, "ride 7"),
    "aggregate of one": _aggregate("ride 8"),
    "aggregate with a poison one": _aggregate("ride 7", "not JSON", "ride 8"),
    "aggregate of poison": _aggregate("no data", "zone 0", "refused by the model"),
    "aggregate of twelve": _aggregate(*_GOOD, "NaN", *_GOOD, "no ride"),
    "aggregate of refusals": _aggregate("ride 7", "refused by the output", "ride 8", "refused by the output"),
    "aggregate in an aggregate": Ingredient(
        kpl.fold([SubRecord("outer", _aggregate("ride 7").data), SubRecord("outer", _GOOD["ride 8"])]),
        (Reason.UNDECODABLE, None),
    ),
}
_LARGE = {"aggregate of a thousand": _aggregate(*[*_GOOD, *_GOOD, "zone 0"] * 91)}
GOOD = tuple(_GOOD)
BAD = tuple(name for name in _SINGLE if name not in _GOOD)
INGREDIENTS = _SINGLE | AGGREGATES | _LARGE
