"""Data that are packed into tiles once, for many calls."""

from __future__ import annotations

from typing import Any

from fastem import validation
from fastem.data.columns import columns
from fastem.data.pack import pack as pack_tiles
from fastem.data.samples import Samples
from fastem.data.sources import InMemory, tiles_key
from fastem.data.threads import Team, team
from fastem.data.tiles import Data
from fastem.families.base import Array, Columns, Family, Frame


class Packed:
    """What `fastem.pack` returns: checked data, also in tiles, in the coordinates that a fit of them would choose.

    Attributes
    ----------
    family : the one that they were packed for.
    samples : the data and their weights.
    dtype : float32 or float64.
    facts : what one look at the columns found.
    data : the tiles.
    feature_names : as in Result.
    """

    def __init__(
        self,
        samples: Samples,
        family: Family,
        dtype: Any,
        facts: Columns,
        data: Data,
        feature_names: tuple[str, ...] | None,
    ) -> None:
        self.samples, self.family, self.dtype, self.facts, self.data = samples, family, dtype, facts, data
        self.feature_names = feature_names

    @property
    def n_samples(self) -> int:
        """The number of rows."""
        return self.samples.n_samples

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return len(self.facts.location)

    @property
    def frame(self) -> Frame:
        """The coordinates of the tiles."""
        return self.data.frame

    @property
    def sample_weight(self) -> Array | None:
        """The weights, (n_samples,), or None if every sample counts 1."""
        return self.samples.sample_weight

    def check(self, family: Family, mixture: Any = None) -> None:
        """Refuse a family whose tiles are others, or which cannot have produced the data, or a mixture of others."""
        if mixture is not None:
            validation.check_packed_features(self, mixture.n_features)
            validation.check_names(self.feature_names, mixture.feature_names)
        own = tiles_key(self.family, self.frame)
        frame = family.frame(self.facts.location, self.facts.spread)
        validation.check_same_tiles(own == tiles_key(family, frame), self.family, family)
        if family != self.family:
            validation.check_support(self.samples.X, family)

    def source(self, team: Team) -> InMemory:
        """The data as a source of evidence."""
        return InMemory(self.samples, self.family, self.facts, self.frame, self.dtype, team, self.data)

    def __repr__(self) -> str:
        weights = "" if self.sample_weight is None else ", with weights"
        return f"<Packed: {self.n_samples} samples x {self.n_features} features for {self.family.name}{weights}>"

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        validation.refuse_packed()
        raise AssertionError

    def __reduce__(self) -> Any:
        # Tiles are found by their addresses.
        return _packed, (self.samples.X, self.family, self.sample_weight, self.feature_names)


def _packed(X: Any, family: Family, sample_weight: Any, feature_names: tuple[str, ...] | None) -> Packed:
    packed = pack(X, family, sample_weight=sample_weight)
    packed.feature_names = feature_names
    return packed


def pack(X: Any, family: Family, *, sample_weight: Any = None, n_threads: int | None = None) -> Packed:
    """Pack data once for many calls. Packing, and the look at the data before it, take longer than a pass over them.

    Parameters
    ----------
    X : array-like, (n_samples, n_features)
        It is not copied, but for the tiles, and must not change while the packed data are used.
    family : a Family
        Families that store data in the same way share them: full, tied, diag and tied_diag Gaussians, and the two
        spherical ones. Any other refuses them.
    sample_weight : (n_samples,) or None
        They are packed too. Functions that evaluate a mixture make no use of them.
    n_threads : as in `fit`.

    Returns
    -------
    Packed : `fit`, `fold`, `evaluate`, `log_density`, `component_log_density`, `responsibilities` and `predict` take it
        instead of X. A fit of it has the bits of a fit of X. The others compute in the coordinates of the data rather
        than in those of the mixture, so that their results differ by rounding, more so where a covariance is
        ill-conditioned.

    Raises
    ------
    ValueError, TypeError : unusable input; the message names the place.

    Examples
    --------
    >>> import fastem, numpy as np
    >>> X = np.random.default_rng(0).normal([[-3.0]] * 50 + [[3.0]] * 50)
    >>> packed = fastem.pack(X, fastem.Gaussian("diag"))
    >>> mixture = fastem.fit(packed, fastem.Gaussian("diag"), 2, seed=0)
    >>> for _ in range(3):
    ...     mixture = fastem.maximise(fastem.fold(packed, mixture))
    >>> mixture.weights.round(2).tolist()
    [0.5, 0.5]
    """
    validation.check_family(family)
    with validation.naming(X, sample_weight):
        checked = validation.check_data(X)
        samples = Samples(checked, validation.check_sample_weight(sample_weight, len(checked)))
    validation.check_n_threads(n_threads)
    dtype = validation.working_dtype(checked)
    with team(n_threads) as threads:
        facts = columns(checked, samples.sample_weight, dtype, threads)
        with validation.naming(X):
            validation.check_columns(checked, facts, family, dtype)
        assert facts is not None
        validation.check_spread(facts, [family])
        frame = family.frame(facts.location, facts.spread)
        data = pack_tiles(checked, samples.sample_weight, family, frame, dtype, threads)
    return Packed(samples, family, dtype, facts, data, validation.feature_names_of(X))
