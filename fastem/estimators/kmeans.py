"""`fastem.KMeans`: hard assignment on EM's fold, with the names and habits of `sklearn.cluster.KMeans`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from fastem import validation
from fastem.compiled.arrays import identify
from fastem.data.columns import columns
from fastem.data.pack import pack
from fastem.data.threads import Team, team
from fastem.data.tiles import Data
from fastem.estimators.files import Saving
from fastem.estimators.keeping import Remembering, entropy_of
from fastem.estimators.theirs import KMeansTwin
from fastem.families import Gaussian
from fastem.families.base import Array, Frame
from fastem.fitting.search import Matrix
from fastem.model import evaluation as functional
from fastem.model.model import Model
from fastem.model.result import Result
from fastem.model.telling import FitWarning
from fastem.starts import kmeans
from fastem.validation import estimators as checks


class _Fit(NamedTuple):
    inertia: float
    centres: Array
    n_iter: int


class KMeans(
    KMeansTwin,
    Saving,
    Remembering,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    ClusterMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """K-means, with the parameters and attributes of ``sklearn.cluster.KMeans``.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {"k-means++", "random"}, array-like of shape (n_clusters, n_features) or callable, default="k-means++"
        Greedy k-means++, samples drawn at random, given centres, or a function of (X, n_clusters, random_state).
    n_init : int or "auto", default="auto"
        Starts, of which the one with the least inertia is kept. "auto" is 1 for "k-means++" and given centres, else 10.
    max_iter : int, default=300
    tol : float, default=1e-4
        A start stops when the sum of the squared movements of its centres is no more than this times the mean variance
        of the features, and in any case when no sample changes its cluster.
    verbose : int, default=0
    random_state : int, RandomState instance or None, default=None
        An integer gives the same bits on any number of threads.
    copy_x : bool, default=True
        Has no effect, because X is never changed.
    algorithm : {"lloyd", "elkan"}, default="lloyd"
        Has no effect, because both have the same result.
    n_threads : int or None, default=None
        None means all cores that are allowed (see ``fastem.fit``) on the main thread, and 1 on any other.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features); float32 for float32 and float16 data, else float64.
    labels_ : ndarray of shape (n_samples,), int32, the nearest centre of each sample.
    inertia_ : float, the sum of the (weighted) squared distances of the samples to their centres.
    n_iter_ : int, iterations of the best start.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, only if X had names that are all strings.

    Notes
    -----
    One iteration costs 2 n K d flops for the distances and 2 n d for the sums. A cluster that loses its samples is put
    at the sample farthest from its centre, as in scikit-learn. From the same initial centres, labels, centres and
    inertia are those of scikit-learn up to rounding. From the same `random_state`, other initial centres are drawn.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM, IEEE Trans. Inf. Theory 28, 129-137. Arthur and Vassilvitskii
    (2007), k-means++, SODA, section 2.2.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = fastem.KMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 2.0], [10.0, 2.0]]
    >>> model.inertia_
    16.0
    """

    _fitted_attribute = "cluster_centers_"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Literal["k-means++", "random"] | Callable[..., Any] | Matrix = "k-means++",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: Literal["lloyd", "elkan"] = "lloyd",
        n_threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the centres.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), finite; never changed.
        y : ignored, as in scikit-learn; a warning says so if it holds labels with -1 among them.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative, not all zero.

        Returns
        -------
        self

        Warns
        -----
        ConvergenceWarning : some clusters have no samples, as X has fewer distinct rows than there are clusters.

        Raises
        ------
        ValueError, TypeError : unusable input; the message names the argument and the place.
        """
        with validation.naming(X, sample_weight):
            self._fit(self._validated(X, reset=True), sample_weight)
        n_distinct = int(np.count_nonzero(np.bincount(self.labels_, minlength=self.n_clusters)))
        if n_distinct < self.n_clusters:
            warnings.warn(validation.few_clusters(n_distinct, self.n_clusters), ConvergenceWarning, stacklevel=3)
        begin = "To begin from the known ones, pass init=[X[y == k].mean(axis=0) for k in range(n_clusters)]."
        hint = checks.hint_about_labels(y, self.n_clusters, begin)
        if hint is not None:
            warnings.warn(hint, FitWarning, stacklevel=3)  # above scikit-learn's wrapper of fit
        return self

    def _fit(self, X: Array, sample_weight: Any) -> None:
        checks.check_enough_for_clusters(len(X), self.n_clusters)
        given = None
        if not isinstance(self.init, str) and not callable(self.init):
            given = checks.check_initial_centres(self.init, self.n_clusters, X.shape[1])
        with team(self.n_threads) as threads:
            data = self._packed(X, sample_weight, threads)
            frame, random_state = data.frame, check_random_state(self.random_state)
            # The mean variance of the features, in the coordinates of the frame, from the inertia about the mean.
            variance = kmeans.inertia(data, np.zeros((1, X.shape[1])), threads) / data.total_weight / X.shape[1]
            fits = []
            for _ in range(self._n_starts()):
                centres = given
                if callable(self.init):
                    found = self.init(X, self.n_clusters, random_state=random_state)
                    centres = checks.check_initial_centres(found, self.n_clusters, X.shape[1])
                if centres is None:
                    start = self._drawn(data, random_state, threads)
                else:
                    start = centres / frame.scale - frame.shift / frame.scale
                fits.append(self._run(data, start, self.tol * variance, threads))
            best = min(fits, key=lambda fit: fit.inertia)
        self.cluster_centers_ = (best.centres * frame.scale + frame.shift).astype(validation.working_dtype(X))
        self.inertia_ = _in_units(best.inertia, data)
        self.n_iter_ = best.n_iter
        self._begin_memory()
        self.labels_ = self._labels(X)

    @property
    def _n_features_out(self) -> int:
        """The features that `transform` makes, as scikit-learn's `get_feature_names_out` asks."""
        return len(self.cluster_centers_)

    def _n_starts(self) -> int:
        if self.n_init != "auto":
            return 1 if not isinstance(self.init, str) and not callable(self.init) else int(self.n_init)
        return 10 if callable(self.init) or (isinstance(self.init, str) and self.init == "random") else 1

    def _run(self, data: Data, start: Array, tol: float, threads: Team) -> _Fit:
        centres, n_iter, history = kmeans.converge(data, start, tol, self.max_iter, threads)
        if self.verbose:
            for iteration, value in enumerate(history):
                print(f"Iteration {iteration}, inertia {_in_units(value, data)}.")
            print(f"Converged at iteration {n_iter - 1}." if n_iter < self.max_iter else "Ran out of iterations.")
        return _Fit(kmeans.inertia(data, centres, threads), centres, n_iter)

    def _drawn(self, data: Data, random_state: Any, threads: Team) -> Array:
        rng = np.random.default_rng(entropy_of(random_state))
        if self.init == "k-means++":
            return kmeans.seed(data, self.n_clusters, [rng], threads)[0]
        weights = kmeans.weights_of(data)
        n_possible = int(np.count_nonzero(weights))
        chosen = rng.choice(data.n_samples, min(self.n_clusters, n_possible), replace=False, p=weights / weights.sum())
        return kmeans.samples_at(data, np.resize(chosen, self.n_clusters))

    def _packed(self, X: Array, sample_weight: Any, threads: Team) -> Data:
        """X in tiles, centred, with all features divided by the same scale, which keeps distances in proportion."""
        family, dtype = Gaussian("spherical"), validation.working_dtype(X)
        weights = validation.check_sample_weight(sample_weight, len(X))
        facts = validation.check_columns(X, columns(X, weights, dtype, threads), family, dtype)
        spread = facts.spread
        if not spread.any():  # all within 1e-307 of each other
            spread = 0.5 * facts.high - 0.5 * facts.low
        # A power of two rounds nothing, so that equal distances stay equal.
        powers = np.clip(np.round(np.log2(family.frame(facts.location, spread).scale)), -1000, 1000)
        scale = np.asarray(2.0**powers, dtype=np.float64)
        return pack(X, weights, family, Frame(facts.location, scale), dtype, threads)

    def _labels(self, X: Array) -> NDArray[np.int32]:
        """The nearest centre of each sample, found as the likeliest component of a mixture of equal spheres."""
        centres = np.asarray(self.cluster_centers_, dtype=np.float64)
        if not _has_squares(centres):
            validation.check_finite(X, validation.working_dtype(X))
            return _half_distances(X, centres).argmin(axis=1).astype(np.int32)
        spheres = self._remembered(identify([self.cluster_centers_]), self._spheres)
        return functional.predict(X, spheres, n_threads=self.n_threads).astype(np.int32)

    def _spheres(self) -> Result:
        """A mixture of equal spheres about the centres."""
        centres = np.array(self.cluster_centers_, dtype=np.float64)
        spread, n = float(np.abs(centres - centres.mean(axis=0)).max()) or 1.0, len(centres)
        parameters = {"means": centres, "covariances": np.array(spread**2)}
        return Result(Model(Gaussian("tied_spherical"), n), np.full(n, 1.0 / n), parameters)

    def predict(self, X: Any) -> NDArray[np.int32]:
        """The nearest centre of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), int32

        Raises
        ------
        NotFittedError : before `fit`. ValueError, TypeError : unusable X; the message names the place.
        """
        self._check_fitted()
        with validation.naming(X):
            return self._labels(self._validated(X, reset=False))

    def transform(self, X: Any) -> NDArray[np.floating[Any]]:
        """The distance of each sample to each centre, (n_samples, n_clusters). Errors as in `predict`."""
        from sklearn.metrics.pairwise import euclidean_distances

        self._check_fitted()
        with validation.naming(X):
            checked = self._validated(X, reset=False)
            validation.check_finite(checked, validation.working_dtype(checked))
        if not (_has_squares(checked) and _has_squares(self.cluster_centers_)):
            halves = _half_distances(checked, np.asarray(self.cluster_centers_, dtype=np.float64))
            with np.errstate(over="ignore"):  # a distance may be infinite
                return (2.0 * halves).astype(validation.working_dtype(checked))
        return euclidean_distances(checked, self.cluster_centers_)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the (weighted) inertia of X about the centres. Errors as in `predict`."""
        self._check_fitted()
        with validation.naming(X, sample_weight), team(self.n_threads) as threads:
            data = self._packed(self._validated(X, reset=False), sample_weight, threads)
            centres = self.cluster_centers_ / data.frame.scale - data.frame.shift / data.frame.scale
            return -_in_units(kmeans.inertia(data, centres, threads), data)


def _in_units(inertia: float, data: Data) -> float:
    """An inertia in the coordinates of the tiles, in squared units of the user's data; it may be infinite, or 0."""
    unit = float(data.frame.scale[0])  # a power of two, whose square may overflow where the product does not
    return inertia * unit * unit + 0.0  # not -0.0


def _has_squares(values: Array) -> bool:
    """Whether squares of numbers of this size are far from where floating point of their type ends."""
    largest = max(float(values.max()), -float(values.min()))
    decades = 12 if values.dtype == np.float32 else 100
    return largest == 0.0 or 10.0**-decades < largest < 10.0**decades


def _half_distances(X: Array, centres: Array) -> Array:
    """Half the distance of each sample to each centre, (n_samples, n_clusters), for numbers of any size."""
    halves = np.empty((len(X), len(centres)))
    for k, centre in enumerate(centres):
        moved = 0.5 * X - 0.5 * centre
        largest = np.abs(moved).max(axis=1)
        relative = moved / np.where(largest > 0, largest, 1.0)[:, None]
        halves[:, k] = largest * np.sqrt((relative * relative).sum(axis=1))
    return halves
