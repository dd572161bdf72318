"""
Find the parts of a fitted scikit-learn estimator, and the parts that read the rows themselves.

Classes of scikit-learn are recognised by name, since importing scikit-learn costs a second.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

_TEXT_VECTORIZERS = {"CountVectorizer", "HashingVectorizer"}  # TfidfVectorizer is a CountVectorizer
_DICT_VECTORIZERS = {"DictVectorizer", "FeatureHasher"}

# These get predictions of other estimators, or the target.
_NOT_FOR_ROWS = {"final_estimator_", "transformer_"}


def parts(estimator: Any) -> Iterator[Any]:
    """Yield every object of scikit-learn's own classes in *estimator*, itself included, each once."""
    seen, waiting = set[int](), [estimator]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, (list, tuple)):
            waiting += part
        elif _is_sklearn(part) and hasattr(part, "__dict__") and id(part) not in seen:
            seen.add(id(part))
            waiting += vars(part).values()
            yield part


def readers(estimator: Any) -> Iterator[Any]:
    """
    Yield the parts that receive the rows unchanged.

    The first step of a pipeline receives the rows, the second does not. An estimator composed of others passes the rows
    to them.
    """
    kinds = _kinds(estimator)
    if "Pipeline" in kinds:
        for _, step in estimator.steps:
            if step is None or isinstance(step, str):
                continue
            yield from readers(step)
            if not _is_identity(step):
                return
    elif "FeatureUnion" in kinds:
        for _, transformer in estimator.transformer_list:
            if not isinstance(transformer, str):
                yield from readers(transformer)
    elif "ColumnTransformer" in kinds or not _is_sklearn(estimator):
        yield estimator
    else:
        children = list(_children(estimator))
        yield from (reader for child in children for reader in readers(child)) if children else [estimator]


def reads_texts(part: Any) -> bool:
    return bool(_kinds(part) & _TEXT_VECTORIZERS)


def reads_dicts(part: Any) -> bool:
    return bool(_kinds(part) & _DICT_VECTORIZERS)


def foreign(part: Any) -> Iterator[Any]:
    """Yield *part*, or the parts to which it passes columns, if they are foreign code, which may use all of pandas."""
    if "ColumnTransformer" in _kinds(part):
        for _, transformer, _ in getattr(part, "transformers_", ()):
            if not isinstance(transformer, str):
                for reader in readers(transformer):
                    yield from foreign(reader)
    elif not _is_sklearn(part) or ("FunctionTransformer" in _kinds(part) and not _is_harmless(part)):
        yield part


def wants_dataframes(part: Any) -> bool:
    """Return whether ``set_output`` made *part* return DataFrames."""
    output = vars(part).get("_sklearn_output_config", {}).get("transform")
    return output not in {None, "default"}


def names_of(part: Any) -> tuple[str, ...] | None:
    """Return the columns of the DataFrame in the fit of *part*. None if *part* was not fitted on a DataFrame."""
    names = getattr(part, "feature_names_in_", None)
    return None if names is None else tuple(names)


def is_fitted_on_arrays(part: Any) -> bool:
    return hasattr(part, "n_features_in_") and names_of(part) is None


def dropped(part: Any) -> set[str]:
    """Return the fitted columns that a column transformer never reads."""
    if "ColumnTransformer" not in _kinds(part):
        return set()
    positions = part._transformer_to_input_indices  # noqa: SLF001 (nothing public says it)
    kept = {position for name, used, _ in part.transformers_ if used != "drop" for position in positions[name]}
    return {name for position, name in enumerate(part.feature_names_in_) if position not in kept}


def knows_none(part: Any) -> bool:
    """Return whether *part* was fitted on texts with None, not NaN, for missing values."""
    if getattr(part, "missing_values", np.nan) is None:
        return True
    return any(
        values.dtype == object and any(value is None for value in values) and any(isinstance(v, str) for v in values)
        for values in vars(part).get("categories_", ())
        if isinstance(values, np.ndarray)
    )


def forget_names(part: Any) -> None:
    """
    Make *part* take columns by their position in the DataFrame of its fit.

    The prediction stays the same. scikit-learn keeps the positions, and needs names only for DataFrames.
    """
    if "feature_names_in_" not in vars(part):
        return
    if "ColumnTransformer" in _kinds(part):
        positions = part._transformer_to_input_indices  # noqa: SLF001 (nothing public says it)
        part.transformers_ = [
            (name, used, positions[name][0] if np.isscalar(columns) else positions[name])
            for name, used, columns in part.transformers_
        ]
    del part.feature_names_in_


def _kinds(part: Any) -> set[str]:
    return {kind.__name__ for kind in type(part).__mro__ if kind.__module__.startswith("sklearn.")}


def _is_sklearn(part: Any) -> bool:
    return type(part).__module__.startswith("sklearn.")


def _children(estimator: Any) -> Iterator[Any]:
    """Yield the fitted estimators in *estimator*. It may also hold the unfitted templates of these."""
    held = {name: value for name, value in vars(estimator).items() if not name.startswith("_")}
    fitted = [value for name, value in held.items() if name.endswith("_") and name not in _NOT_FOR_ROWS]
    for values in (fitted, list(held.values())):
        children = [child for value in values for child in _flat(value) if _is_estimator(child)]
        if children:
            yield from children
            return


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    return list(value.values()) if isinstance(value, dict) else [value]


def _is_estimator(value: Any) -> bool:
    # Trees and losses in Cython predict too.
    callable_for_rows = any(hasattr(value, method) for method in ("predict", "transform", "predict_proba"))
    return callable_for_rows and hasattr(value, "__dict__") and not isinstance(value, type)


def _is_identity(step: Any) -> bool:
    return "FunctionTransformer" in _kinds(step) and step.func is None


def _is_harmless(function_transformer: Any) -> bool:
    """Return whether the function always gets an array, or treats an array and a DataFrame alike."""
    function = function_transformer.func
    function = getattr(function, "func", function)  # the function of a functools.partial
    return (
        function is None
        or function_transformer.validate
        or isinstance(function, np.ufunc)
        or str(getattr(function, "__module__", "")).startswith("sklearn.")
    )
