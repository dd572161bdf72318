"""
Make a function of columns from a fitted scikit-learn estimator and a signature.

The rule: an estimator gets the rows in the form of its fit. The form is decided once from the estimator's parts: an
array, a frame of typed columns, dicts or texts. Only foreign code, which may use all of pandas, gets a DataFrame.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns
from stream_consumer.models import estimator_parts
from stream_consumer.models.cores import leave_cores_uncounted
from stream_consumer.models.derived import Derived, python_values
from stream_consumer.models.files import is_installed
from stream_consumer.models.fitted_columns import FittedColumns, Rows, dataframe


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns of a model, in the order of their values, and the columns derived from them."""

    columns: Sequence[Column]
    location: str
    """Location of the model, for messages."""
    derived: Sequence[Derived] = ()

    @property
    def all_columns(self) -> list[Column]:
        return [*self.columns, *(one.column for one in self.derived)]


def feed(
    estimator: Any, signature: Signature, *, method: str = "predict", example: Columns = ()
) -> Callable[[Columns], Any]:
    """
    Return the function that calls *method* of *estimator* for rows given by column.

    The estimator may be changed: afterwards it takes columns by position.

    Args:
        estimator: A fitted estimator of scikit-learn, or an object that behaves like one.
        signature: The columns of the function: n values for each, None for a missing optional value.
        method: ``predict``, ``predict_proba``, …, as the model's ``predict_fn`` says.
        example: For foreign code only, rows that decide between a DataFrame and an array.

    Raises:
        ModelError: The estimator lacks the method, was fitted on columns outside the signature, or needs pandas and
            pandas is not installed.
    """
    call = getattr(estimator, method, None)
    if not callable(call):
        raise ModelError(
            f"the model at {signature.location} is to be asked by {method}, which {type(estimator).__name__} does not "
            "have; log it with the pyfunc_predict_fn of a method that it has"
        )
    # A batch is predicted in milliseconds. OpenMP's threads would spend longer spinning for each other, and for cores
    # that are visible but not granted: two workers on two busy cores took 16 s instead of 0.7 s.
    threads = ThreadpoolController()
    leave_cores_uncounted()

    def fed(rows: Rows) -> Callable[[Columns], Any]:
        def predict(columns: Columns) -> Any:
            given = rows(columns)
            with threads.limit(limits=1, user_api="openmp"):
                return call(given)

        return predict

    forms = [fed(_with_derived(rows, signature)) for rows in _forms(estimator, signature)]
    return next((form for form in forms if example and _works(form, example)), forms[0])


def classes_of(estimator: Any, method: str) -> list[str]:
    """Return the labels of the result's columns. Empty if the columns are not labels."""
    classes = getattr(estimator, "classes_", None)
    return list(map(str, classes)) if method != "predict" and isinstance(classes, np.ndarray) else []


def _works(predict: Callable[[Columns], Any], example: Columns) -> bool:
    try:
        predict(example)
    except Exception:  # noqa: BLE001 (a model may raise anything)
        return False
    return True


def _with_derived(rows: Rows, signature: Signature) -> Rows:
    if not signature.derived:
        return rows
    return lambda columns: rows([*columns, *(one.values(columns) for one in signature.derived)])


def _forms(estimator: Any, signature: Signature) -> list[Rows]:
    """Return the form of the rows. If the estimator does not tell, return several forms to try in order."""
    readers = list(estimator_parts.readers(estimator))
    if any(map(estimator_parts.reads_texts, readers)):
        return [_texts(signature)]
    if any(map(estimator_parts.reads_dicts, readers)):
        return [_dicts(signature)]
    parts = list(estimator_parts.parts(estimator))
    columns = FittedColumns.of(signature.all_columns, None if any(map(estimator_parts.knows_none, parts)) else np.nan)
    foreign = [part for reader in readers for part in estimator_parts.foreign(reader)]
    fitted = {names for reader in [estimator, *readers] if (names := estimator_parts.names_of(reader)) is not None}
    if len(fitted) == 1:
        (names,) = fitted
        columns = columns.reordered(names, _unread(readers), signature.location)
    named = fitted or (foreign and any(map(estimator_parts.names_of, parts)))
    if not named:
        return _unnamed(columns, signature, foreign)
    if foreign or len(fitted) > 1 or any(map(estimator_parts.wants_dataframes, parts)):
        return [dataframe(columns, signature.location, foreign)]
    for part in parts:
        estimator_parts.forget_names(part)
    return [columns.frame()]


def _unnamed(columns: FittedColumns, signature: Signature, foreign: Sequence[Any]) -> list[Rows]:
    """Return the forms for an estimator fitted on arrays, or without names of its columns."""
    if signature.derived and not foreign:
        raise ModelError(
            f"the model at {signature.location} was fitted on arrays, so the position of the derived columns "
            f"{[one.column.name for one in signature.derived]} is not known; fit it on a DataFrame or on dicts"
        )
    if all(map(estimator_parts.is_fitted_on_arrays, foreign)) or not is_installed("pandas"):
        return [columns.matrix()]
    return [dataframe(columns, signature.location, foreign), columns.matrix()]


def _unread(readers: Sequence[Any]) -> set[str]:
    """Return the fitted columns that no reader needs."""
    return set.intersection(*map(estimator_parts.dropped, readers)) if readers else set()


def _texts(signature: Signature) -> Rows:
    """Feed a single column of texts: the derived column, if there is one."""
    columns = signature.all_columns
    candidates = range(len(signature.columns), len(columns)) if signature.derived else range(len(columns))
    if len(candidates) != 1 or columns[candidates[0]].type != "string":
        raise ModelError(
            f"the model at {signature.location} reads texts, and its signature has the columns "
            f"{[f'{column.name}: {column.type}' for column in columns]}; wanted one of type string"
        )
    return operator.itemgetter(candidates[0])


def _dicts(signature: Signature) -> Rows:
    names = [column.name for column in signature.all_columns]

    def rows(columns: Columns) -> list[dict[str, Any]]:
        return [dict(zip(names, row, strict=True)) for row in zip(*map(python_values, columns), strict=True)]

    return rows
