"""Data of every awkward shape and scale: no exception, finite parameters, a status that says what happened."""

import naive
import numpy as np
import pytest
from conftest import HERE
from families.gaussian import BY_SHAPE
from families.poisson import Poisson
from tables import FAMILIES, FULL, GAUSSIANS, blobs

import fastem
from fastem import Status
from fastem.compiled import triangular

every_family = pytest.mark.parametrize("case", FAMILIES, ids=repr)
every_gaussian = pytest.mark.parametrize("case", GAUSSIANS, ids=repr)


def assert_sound(case, result, X):
    """What every result of valid input must be."""
    np.testing.assert_allclose(result.weights.sum(), 1.0, rtol=1e-12)
    assert (result.weights >= 0).all()
    for name, value in result.parameters.items():
        assert np.isfinite(value).all(), name
    case.assert_proper(result.parameters)
    assert np.isfinite(result.log_likelihood)
    assert np.isfinite(fastem.log_density(X, result)).all()
    resp = fastem.responsibilities(X, result)
    np.testing.assert_allclose(resp.sum(axis=1), 1.0, rtol=1e-5)
    assert set(np.unique(fastem.predict(X, result))) <= set(range(result.n_components))


def degenerate(case, rng):
    """Data sets that are built to be difficult, by name: (X, n_components)."""
    base = case.draw_data(rng, 30, 2)
    found = {
        "one sample": (base[:1], 1),
        "one component": (base, 1),
        "one feature": (base[:, :1], 3),
        "as many components as samples": (base[:7], 7),
        "more components than distinct points": (np.repeat(base[:2], 20, axis=0), 5),
        "all samples equal": (np.repeat(base[:1], 25, axis=0), 3),
        "all samples zero": (np.zeros((25, 2)), 3),
        "a constant feature": (np.column_stack([base, np.full(30, 7.0)]), 3),
        "a constant feature far from zero": (np.column_stack([base, np.full(30, 2.0**40)]), 2),
        "duplicated rows": (np.repeat(base, 5, axis=0), 4),
        "collinear features": (np.column_stack([base, base @ [1.0, 2.0], base @ [3.0, 1.0]]), 3),
        "two identical samples": (np.concatenate([base[:1], base[:1]]), 2),
        "one outlier": (np.concatenate([base, [[1e12, 1e12]]]), 3),
        "more features than samples": (case.draw_data(rng, 6, 20), 3),
    }
    return {name: (case.valid(X), n_components) for name, (X, n_components) in found.items()}


NAMES = list(degenerate(FULL, np.random.default_rng(0)))


@every_family
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", ["kmeans", "random", "random_from_data"])
@pytest.mark.filterwarnings("ignore::fastem.FitWarning")  # some have fewer distinct points than components
def test_no_finite_data_set_raises(case, name, start, rng):
    X, n_components = degenerate(case, rng)[name]
    result = fastem.fit(X, case.family, n_components, start=start, seed=0, n_init=2, max_iter=50)
    assert_sound(case, result, X)
    assert isinstance(result.status.value, str)
    assert len(result.starts) == 2


@every_family
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::fastem.FitWarning")  # some have fewer distinct points than components
def test_no_finite_data_set_raises_in_float32(case, name, rng):
    X, n_components = degenerate(case, rng)[name]
    X = X.astype(np.float32)
    assert_sound(case, fastem.fit(X, case.family, n_components, seed=0, max_iter=50), X)


@every_gaussian
def test_scales_three_hundred_decades_apart(case, rng):
    """Floors and frames are per feature; spherical shapes see the large feature alone, as their model says."""
    _, Z = blobs(case, rng, 500, 2, 2)
    scale = np.array([1e-150, 1e150])
    X = Z * scale
    result = fastem.fit(X, case.family, 2, seed=0, tol=0, max_iter=20)
    assert_sound(case, result, X)
    if not case.family.common_scale:
        plain = fastem.fit(Z, case.family, 2, seed=0, tol=0, max_iter=20)
        jacobian = len(Z) * np.log(scale).sum()
        np.testing.assert_allclose(result.log_likelihood + jacobian, plain.log_likelihood, rtol=1e-9)
        np.testing.assert_allclose(result.parameters["means"] / scale, plain.parameters["means"], rtol=1e-8)
        assert result.status is plain.status


@every_gaussian
@pytest.mark.parametrize("magnitude", [1e-300, 1e300, 1.7e308])
def test_magnitudes_whose_squares_no_float_holds_end_with_a_status_not_an_exception(case, magnitude, rng):
    X = rng.uniform(-1, 1, (50, 2)) * magnitude
    result = fastem.fit(X, case.family, 2, seed=0, max_iter=10)
    assert result.status in Status
    np.testing.assert_allclose(result.weights.sum(), 1.0)


@every_gaussian
def test_rescaling_a_feature_rescales_the_fit(case, rng):
    """A fit does not depend on the units of a feature (of all of them together, for spherical shapes)."""
    _, Z = blobs(case, rng, 800, 3, 3)
    factor = np.full(3, 1000.0) if case.family.common_scale else np.array([1e-3, 1.0, 1e5])
    one = fastem.fit(Z, case.family, 3, seed=2)
    two = fastem.fit(Z * factor, case.family, 3, seed=2)
    np.testing.assert_allclose(two.parameters["means"] / factor, one.parameters["means"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(two.log_likelihood + len(Z) * np.log(factor).sum(), one.log_likelihood, rtol=1e-9)


def test_tight_clusters_far_apart_keep_their_covariance(rng):
    """Clusters 1e6 of their own standard deviations apart: raw moments would lose 12 digits."""
    noise = rng.standard_normal((1000, 2))
    X = np.concatenate([noise[:500] * 1e-3 - 500, noise[500:] * 1e-3 + 500])
    labels = np.repeat([0, 1], 500)
    for case in GAUSSIANS:
        result = fastem.fit(X, case.family, 2, start=labels, tol=0, max_iter=3)
        _, expected = naive.m_step(case, np.eye(2)[labels], X)
        np.testing.assert_allclose(result.parameters["covariances"], expected["covariances"], rtol=1e-6, atol=1e-13)


@pytest.mark.parametrize(
    ("shape", "start"), [("full", "kmeans"), ("tied", "kmeans"), ("diag", "auto"), ("spherical", "auto")]
)
def test_images_of_784_pixels(shape, start):
    X = np.load(HERE / "data" / "digits2000.npz")["X"]
    result = fastem.fit(X, fastem.Gaussian(shape, ridge=0.1), 3, start=start, seed=0, tol=0, max_iter=3)
    case = BY_SHAPE[shape]
    assert_sound(case, result, X[:200])
    assert result.n_features == 784
    expected, _ = naive.e_step(case, result.weights, result.parameters, X)
    np.testing.assert_allclose(result.log_likelihood, expected, rtol=1e-9)


def test_images_as_counts():
    X = np.load(HERE / "data" / "digits2000.npz")["X"]
    result = fastem.fit(X, fastem.Poisson(), 10, seed=0, tol=0, max_iter=5)
    assert_sound(Poisson(), result, X[:200])


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 255, 256, 257, 511, 513, 16384, 16385])
def test_sizes_around_a_tile(n, rng):
    X = rng.standard_normal((n, 2))
    mixture = fastem.from_parameters(
        fastem.Gaussian("full"), [0.3, 0.7], means=[[0, 0], [1, 1]], covariances=[np.eye(2), 2 * np.eye(2)]
    )
    expected, _ = naive.e_step(FULL, mixture.weights, mixture.parameters, X)
    np.testing.assert_allclose(fastem.fold(X, mixture).log_likelihood, expected, rtol=1e-12)
    np.testing.assert_allclose(fastem.log_density(X, mixture).sum(), expected, rtol=1e-12)


@every_family
@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "?", "f2", ">f4", ">f8", "longdouble"])
def test_any_numeric_dtype_is_accepted(case, dtype, rng):
    X = case.valid(rng.integers(0, 2 if dtype == "?" else 9, (200, 3))).astype(dtype)
    result = fastem.fit(X, case.family, 2, seed=0, max_iter=5, tol=0)
    expected = fastem.fit(np.array(X, dtype="f8"), case.family, 2, seed=0, max_iter=5, tol=0)
    np.testing.assert_allclose(result.log_likelihood, expected.log_likelihood, rtol=1e-4)


@pytest.mark.parametrize("layout", ["fortran", "reversed", "strided", "transposed", "memmap", "list"])
def test_any_memory_layout_is_accepted_and_gives_the_same_bits(layout, rng, tmp_path):
    X = np.ascontiguousarray(rng.standard_normal((700, 4)))
    np.save(tmp_path / "x.npy", X)
    other = {
        "fortran": lambda: np.asfortranarray(X),
        "reversed": lambda: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
        "strided": lambda: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
        "transposed": lambda: np.ascontiguousarray(X.T).T,
        "memmap": lambda: np.load(tmp_path / "x.npy", mmap_mode="r"),
        "list": X.tolist,
    }[layout]()
    one, two = (fastem.fit(data, fastem.Gaussian("full"), 3, seed=0) for data in (X, other))
    assert one.history.tobytes() == two.history.tobytes()
    np.testing.assert_array_equal(fastem.log_density(other, one), fastem.log_density(X, one))


@pytest.mark.parametrize("order", [1, 4, 7, 260])  # the last is beyond what is kept
def test_triangles_survive_their_blocks(order, rng):
    matrices = rng.standard_normal((2, order, order))
    matrices = matrices + matrices.swapaxes(1, 2)
    blocks = triangular.blocks_of(matrices)
    assert np.array_equal(triangular.matrix_of(blocks, order), matrices)
    assert np.count_nonzero(blocks) == 2 * order * (order + 1) // 2
