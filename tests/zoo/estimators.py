"""Estimators on plain numbers: fitted on a DataFrame or an array, with and without a signature."""

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (makes IterativeImputer importable)
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

from tests.zoo import data
from tests.zoo.entry import Entry
from tests.zoo.ways import CLOUDPICKLE, PICKLE, PROBABILITIES, autologged, bare, exampled, fitted, two

# scikit-learn's estimators take the seed by this name.
_SEED: dict[str, Any] = {"random_state": 1}


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=5, **_SEED)


def _is_setosa() -> Any:
    return data.species() == 0


def _column_of_minutes() -> Any:
    return data.minutes().reshape(-1, 1)


def _two_labels() -> Any:
    return np.column_stack([data.species_names(), np.where(_is_setosa(), "short", "long")])


# Fitted on a DataFrame, logged with a signature, saved with skops; a species is the label.
_CLASSIFIERS = {
    "decision tree": DecisionTreeClassifier(**_SEED),
    "boosting": GradientBoostingClassifier(n_estimators=3, **_SEED),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=3, **_SEED),
    "adaboost": AdaBoostClassifier(n_estimators=3, **_SEED),
    "neighbours": KNeighborsClassifier(3),
    "perceptron": MLPClassifier(hidden_layer_sizes=(4,), max_iter=30, **_SEED),
    "support vectors": SVC(),
    "naive bayes": GaussianNB(),
    "discriminant": LinearDiscriminantAnalysis(),
    "stochastic gradient": make_pipeline(StandardScaler(), SGDClassifier(**_SEED)),
    "voting": VotingClassifier([("a", LogisticRegression(max_iter=500)), ("b", DecisionTreeClassifier(**_SEED))]),
    "calibrated": CalibratedClassifierCV(GaussianNB(), cv=2),
    "grid search": GridSearchCV(_forest(), {"max_depth": [2, 3]}, cv=2),
    "majority": DummyClassifier(),
}
_REGRESSORS = {
    "ridge": Ridge(),
    "forest": RandomForestRegressor(n_estimators=5, **_SEED),
    "extra trees": ExtraTreesRegressor(n_estimators=5, **_SEED),
    "bagging": BaggingRegressor(n_estimators=3, **_SEED),
    "histogram boosting of numbers": HistGradientBoostingRegressor(max_iter=3, **_SEED),
    "neighbours by tree": KNeighborsRegressor(3, algorithm="kd_tree"),
    "perceptron of numbers": make_pipeline(
        StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,), max_iter=30, **_SEED)
    ),
    "support vectors of numbers": make_pipeline(StandardScaler(), SVR()),
    "gaussian process": GaussianProcessRegressor(alpha=0.1),
    "stacking": StackingRegressor([("a", Ridge()), ("b", KNeighborsRegressor(3))], ElasticNet(), cv=2),
    "poisson": PoissonRegressor(),
    "partial least squares": PLSRegression(2),
    "components": make_pipeline(StandardScaler(), PCA(2), LinearRegression()),
    "selected features": make_pipeline(SelectKBest(f_regression, k=2), LinearRegression()),
    "random search": RandomizedSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, n_iter=2, cv=2, **_SEED),
}
_WITHOUT_TARGET = {
    "isolation forest": IsolationForest(n_estimators=5, **_SEED),
    "one class": OneClassSVM(),
    "local outliers": LocalOutlierFactor(novelty=True),
    "clusters": KMeans(3, n_init=1, **_SEED),
    "clusters by batches": make_pipeline(StandardScaler(), MiniBatchKMeans(3, n_init=1, **_SEED)),
    "mixture": GaussianMixture(2, **_SEED),
}

ENTRIES = [
    *(
        Entry(name=f"estimators/{name}", make=fitted(estimator, data.flowers, data.species))
        for name, estimator in _CLASSIFIERS.items()
    ),
    *(
        Entry(name=f"estimators/{name}", make=fitted(estimator, data.flowers, data.petals))
        for name, estimator in _REGRESSORS.items()
    ),
    *(
        Entry(name=f"estimators/{name}", make=fitted(estimator, data.flowers, None))
        for name, estimator in _WITHOUT_TARGET.items()
    ),
    Entry(
        name="estimators/forest, unsigned, on a frame",
        make=fitted(_forest(), data.flowers, data.species, bare),
    ),
    Entry(
        name="estimators/forest, unsigned, on an array",
        make=fitted(_forest(), data.flowers, data.species, bare, array=True, columns=True),
    ),
    Entry(
        name="estimators/linear, cloudpickle, example",
        make=fitted(LinearRegression(), data.rides, data.minutes, exampled, options=CLOUDPICKLE),
    ),
    Entry(
        name="estimators/linear, pickle, unsigned",
        make=fitted(LinearRegression(), data.rides, data.minutes, bare, options=PICKLE),
    ),
    Entry(name="estimators/linear, autologged", make=fitted(LinearRegression(), data.rides, data.minutes, autologged)),
    Entry(
        name="estimators/forest, autologged on an array",
        make=fitted(_forest(), data.flowers, data.species_names, autologged, array=True, columns=True),
    ),
    Entry(name="estimators/labels of text", make=fitted(_forest(), data.flowers, data.species_names)),
    Entry(name="estimators/labels true and false", make=fitted(GaussianNB(), data.flowers, _is_setosa)),
    Entry(
        name="estimators/probabilities of texts",
        make=fitted(
            _forest(),
            data.flowers,
            data.species_names,
            names=["setosa", "versicolor", "virginica"],
            options=PROBABILITIES,
        ),
    ),
    Entry(
        name="estimators/probabilities of integers",
        make=fitted(
            LogisticRegression(max_iter=500),
            data.flowers,
            data.species,
            names=["0", "1", "2"],
            options=PROBABILITIES | CLOUDPICKLE,
        ),
    ),
    Entry(
        name="estimators/two numbers",
        make=fitted(MultiOutputRegressor(Ridge()), data.flowers, two(data.petals)),
    ),
    Entry(
        name="estimators/two numbers of a forest",
        make=fitted(RandomForestRegressor(n_estimators=3, **_SEED), data.flowers, two(data.petals)),
    ),
    Entry(
        name="estimators/two labels",
        make=fitted(MultiOutputClassifier(GaussianNB()), data.flowers, _two_labels, bare),
    ),
    Entry(
        name="estimators/target of one column",
        make=fitted(LinearRegression(), data.rides, _column_of_minutes),
    ),
    Entry(
        name="estimators/imputer",
        make=fitted(make_pipeline(SimpleImputer(), Ridge()), data.sensors, data.wear),
    ),
    Entry(
        name="estimators/imputer by rounds",
        make=fitted(make_pipeline(IterativeImputer(max_iter=2, **_SEED), Ridge()), data.sensors, data.wear),
    ),
    Entry(
        name="estimators/missing numbers that boosting takes",
        make=fitted(HistGradientBoostingRegressor(max_iter=3, **_SEED), data.sensors, data.wear, bare, columns=True),
    ),
    Entry(
        name="estimators/function of NumPy",
        make=fitted(make_pipeline(FunctionTransformer(np.log1p), Ridge()), data.flowers, data.petals),
    ),
    Entry(
        name="estimators/lambda",
        make=fitted(
            make_pipeline(FunctionTransformer(lambda table: table * 2 + 1), Ridge()),
            data.flowers,
            data.petals,
            options=CLOUDPICKLE,
        ),
        lean=False,  # fitted on a DataFrame, it gets one: whether it calls pandas cannot be told from outside
    ),
    Entry(
        name="estimators/lambda of pandas",
        make=fitted(
            make_pipeline(
                FunctionTransformer(lambda frame: frame.assign(area=frame.iloc[:, 0] * frame.iloc[:, 1])), Ridge()
            ),
            data.flowers,
            data.petals,
            options=CLOUDPICKLE,
        ),
        lean=False,
    ),
]
