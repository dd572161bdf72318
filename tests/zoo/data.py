"""Small seeded tables of the kinds that tutorials and public training scripts use."""

import functools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROWS = 120
"""Enough for the rule on the first hundred records of an environment."""


def _dice(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@functools.cache
def flowers() -> pd.DataFrame:
    """Return iris-like measurements, whose columns have spaces and brackets in their names."""
    names = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    return pd.DataFrame(_dice().uniform(0.1, 7.9, (ROWS, 4)).round(2), columns=names)


def species() -> NDArray[np.int64]:
    frame = flowers()
    return np.digitize(frame["petal length (cm)"] + frame["petal width (cm)"], [6.0, 10.0]).astype(np.int64)


def species_names() -> NDArray[np.str_]:
    return np.array(["setosa", "versicolor", "virginica"])[species()]


def petals() -> NDArray[np.float64]:
    """Return a number to learn from the flowers."""
    frame = flowers()
    return np.asarray(3 + frame["petal length (cm)"] * frame["sepal width (cm)"], dtype=np.float64)


@functools.cache
def customers() -> pd.DataFrame:
    """Return telephone customers: texts, integers and floats in one table."""
    dice = _dice(11)
    return pd.DataFrame(
        {
            "tenure": dice.integers(0, 72, ROWS),
            "monthly_charges": dice.uniform(18, 120, ROWS).round(2),
            "contract": dice.choice(["month-to-month", "one year", "two years"], ROWS),
            "payment": dice.choice(["card", "cheque", "transfer"], ROWS),
        }
    )


def churn() -> NDArray[np.int64]:
    frame = customers()
    return np.asarray((frame["tenure"] < 24) & (frame["contract"] != "two years"), dtype=np.int64)


def churn_words() -> NDArray[np.str_]:
    return np.array(["no", "yes"])[churn()]


def lifetime_value() -> NDArray[np.float64]:
    frame = customers()
    return np.asarray(frame["tenure"] * frame["monthly_charges"] + (frame["payment"] == "card") * 10, dtype=np.float64)


@functools.cache
def gappy_customers() -> pd.DataFrame:
    """Return customers of whom some numbers and texts are not known."""
    frame = customers().copy()
    frame["tenure"] = frame["tenure"].astype("float64")
    frame.loc[::7, "tenure"] = np.nan
    frame.loc[::5, "monthly_charges"] = np.nan
    frame.loc[::9, "contract"] = None
    return frame


@functools.cache
def rides() -> pd.DataFrame:
    dice = _dice(3)
    return pd.DataFrame(
        {
            "PULocationID": dice.integers(1, 20, ROWS),
            "DOLocationID": dice.integers(1, 20, ROWS),
            "trip_distance": dice.uniform(0.2, 20, ROWS).round(2),
        }
    )


def minutes() -> NDArray[np.float64]:
    frame = rides()
    return np.asarray(5 + 3 * frame["trip_distance"] + frame["PULocationID"] / 10, dtype=np.float64)


@functools.cache
def orders() -> pd.DataFrame:
    """Return orders with a time, flags and a category."""
    dice = _dice(5)
    start = pd.Timestamp("2021-03-01")
    return pd.DataFrame(
        {
            "placed": [start + pd.Timedelta(hours=int(hours)) for hours in dice.integers(0, 2_000, ROWS)],
            "express": dice.choice([True, False], ROWS),
            "gift": dice.choice([True, False], ROWS),
            "items": dice.integers(1, 9, ROWS),
            "weight": dice.uniform(0.1, 30, ROWS).round(2),
        }
    )


def delivery_days() -> NDArray[np.float64]:
    frame = orders()
    return np.asarray(4 - 2 * frame["express"] + frame["weight"] / 10 + frame["gift"], dtype=np.float64)


@functools.cache
def reviews() -> pd.DataFrame:
    dice = _dice(2)
    good, bad = ["great", "lovely", "works well", "perfect"], ["awful", "broken", "too slow", "waste"]
    things = ["phone", "lamp", "kettle", "chair"]
    texts = [f"{dice.choice(things)} is {dice.choice(good if at % 2 else bad)}" for at in range(ROWS)]
    return pd.DataFrame({"review": texts, "stars": dice.integers(1, 6, ROWS)})


def moods() -> NDArray[np.str_]:
    return np.array(["negative", "positive"])[np.arange(ROWS) % 2]


@functools.cache
def sensors() -> pd.DataFrame:
    """Return readings, of which some are missing."""
    frame = pd.DataFrame(_dice(13).normal(20, 5, (ROWS, 3)).round(3), columns=["temperature", "pressure", "flow"])
    frame.loc[::6, "pressure"] = np.nan
    frame.loc[::8, "flow"] = np.nan
    return frame


def wear() -> NDArray[np.float64]:
    return np.asarray(sensors()["temperature"] * 0.4 + 1, dtype=np.float64)
