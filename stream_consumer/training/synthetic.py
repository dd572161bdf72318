"""
Rides of an imaginary city, for users without trip records.

The rule: the city is always the same, and only the rides depend on the seed. A model trained with one seed therefore
serves the rides of another. The shape imitates the TLC's green taxis (most rides within three miles and twenty
minutes). No figure is real.
"""

import numpy as np
from numpy.typing import NDArray

from stream_consumer.training.rides import BOUNDS, LONGEST_MINUTES, SHORTEST_MINUTES, Rides, RowCounts

ZONES = 265
_CITY_SEED = 265
_CITY_MILES = 12.0, 16.0
_TRIP_LENGTH_MILES = 2.5  # how fast the wish to ride falls with distance
_DETOUR = 1.3  # streets are longer than the crow flies
_WITHIN_ZONE_MILES = 0.6
_BOARDING_MINUTES = 2.0
_MILES_PER_MINUTE = 0.2  # 12 miles an hour for a short ride. Longer rides use faster roads
_ROADWORKS = 1.8
_FIRST_PICKUP = np.datetime64("2021-01-01T00:00:00")


def synthetic_rides(count: int, *, seed: int, days: int = 59, roadworks_from: int | None = None) -> Rides:
    """
    Return *count* rides by pickup time, over *days* from 1 January 2021 on. 59 days are all of January and February.

    From the day *roadworks_from* on, with 0 for the first day, the way into a third of the zones takes longer.
    """
    crow_flies, popularity, slowness = _city()
    random = np.random.default_rng(seed)
    pair = random.choice(popularity.size, size=count, p=popularity.ravel())
    pickup_zone, dropoff_zone = np.divmod(pair, ZONES)
    distance = (crow_flies.ravel()[pair] * _DETOUR + _WITHIN_ZONE_MILES) * random.lognormal(0, 0.15, count)
    distance = np.minimum(distance, BOUNDS["trip_distance"]["maximum"]).round(2)
    seconds = np.sort(random.integers(days * 86_400, size=count))
    rush = 1 + 0.2 * np.sin(seconds / 86_400 * 4 * np.pi) ** 2  # two slow periods a day, invisible to the model
    driving = distance**0.8 / _MILES_PER_MINUTE * slowness.ravel()[pair] * rush * random.lognormal(0, 0.2, count)
    if roadworks_from is not None:
        driving[(seconds >= roadworks_from * 86_400) & (dropoff_zone % 3 == 0)] *= _ROADWORKS
    return Rides(
        origin=f"{count:,} synthetic rides, seed {seed}",
        counts=RowCounts(count, count, {}),
        ride_id=np.arange(count),
        PULocationID=pickup_zone + 1,
        DOLocationID=dropoff_zone + 1,
        trip_distance=distance,
        duration=np.clip(_BOARDING_MINUTES + driving, SHORTEST_MINUTES, LONGEST_MINUTES),
        pickup_time=_FIRST_PICKUP + seconds.astype("timedelta64[s]"),
        synthetic=True,
    )


def _city() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return three matrices, zone x zone: air-line miles, share of the rides, and slowness of the way (1 is usual)."""
    random = np.random.default_rng(_CITY_SEED)
    places = random.uniform((0, 0), _CITY_MILES, (ZONES, 2))
    crow_flies = np.hypot(*(places[:, None] - places[None, :]).transpose())
    demand = 1 / random.permutation(np.arange(1, ZONES + 1))
    popularity = np.outer(demand, demand) * np.exp(-crow_flies / _TRIP_LENGTH_MILES)
    congestion = random.lognormal(0, 0.2, ZONES)
    slowness = np.sqrt(np.outer(congestion, congestion)) * random.lognormal(0, 0.1, (ZONES, ZONES))
    return crow_flies, popularity / popularity.sum(), slowness
