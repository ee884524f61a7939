"""A grid of models in one call."""

import csv
import json

import numpy as np
import pytest
from tables import FULL, blobs
from test_references import MODELS, read_labelled, shared_file

import fastem

SHAPES = [fastem.Gaussian(shape) for shape in MODELS.values()]
DATA = ("faithful", "iris", "diabetes", "banknote", "wine13")


def test_the_table_holds_every_model_in_the_order_of_the_grid(faithful):
    seen = []
    chosen = fastem.select(faithful, SHAPES, range(1, 5), seed=0, callback=seen.append)
    expected = [(family.name, k) for family in SHAPES for k in range(1, 5)]
    assert [(row.family, row.n_components) for row in chosen.table] == expected
    assert sorted(seen) == sorted(chosen.table)
    for row, model in zip(chosen.table, chosen.models, strict=True):
        assert (row.bic, row.aic, row.log_likelihood) == (model.bic, model.aic, model.log_likelihood)
        assert row.icl >= row.bic
        assert np.isnan(row.cv)
    assert chosen.best.bic == min(row.bic for row in chosen.table)
    # mclust: EEE with three components, BIC -2314.296 in its sign.
    assert (chosen.best.family.name, chosen.best.n_components) == ("gaussian_tied", 3)
    np.testing.assert_allclose(chosen.best.bic, 2314.296, atol=1e-2)


def test_a_model_is_the_same_alone_and_in_a_grid(faithful):
    grid = fastem.select(faithful, SHAPES, [2, 3, 4], seed=5)
    for family in SHAPES:
        alone = fastem.select(faithful, family, 3, seed=5, n_threads=1)
        row = next(row for row in grid.table if (row.family, row.n_components) == (family.name, 3))
        assert alone.table[0] == row._replace(cv=alone.table[0].cv, cv_error=alone.table[0].cv_error)


def test_icl_adds_twice_the_entropy(rng):
    _, X = blobs(FULL, rng, 400, 2, 2, spread=1.0)
    w = rng.uniform(0.5, 2.0, len(X))
    chosen = fastem.select(X, FULL.family, 2, criterion="icl", sample_weight=w, seed=0)
    resp = fastem.responsibilities(X, chosen.best)
    entropy = -(w[:, None] * resp * np.log(np.where(resp > 0, resp, 1.0))).sum()
    np.testing.assert_allclose(chosen.table[0].icl, chosen.best.bic + 2 * entropy, rtol=1e-10)


def test_cross_validation_chooses_the_smallest_model_within_one_standard_error(rng):
    X = np.concatenate([rng.normal(-4, 1, (300, 1)), rng.normal(4, 1, (300, 1))])
    chosen = fastem.select(X, fastem.Gaussian("diag"), range(1, 5), criterion="cv", seed=0)
    assert chosen.best.n_components == 2
    scores = np.array([row.cv for row in chosen.table])
    errors = np.array([row.cv_error for row in chosen.table])
    assert (errors > 0).all()
    best = scores.argmax()
    assert chosen.best_index == np.flatnonzero(scores >= scores[best] - errors[best])[0]
    # Held-out samples were not fitted, so their score is below that of the fit and near that of the truth.
    truth = fastem.from_parameters(
        fastem.Gaussian("diag"), [0.5, 0.5], means=[[-4.0], [4.0]], covariances=[[1.0], [1.0]]
    )
    assert abs(scores[1] - fastem.log_density(X, truth).mean()) < 0.1
    again = fastem.select(X, fastem.Gaussian("diag"), range(1, 5), criterion="cv", seed=0, n_threads=1)
    assert again.table == chosen.table


def test_without_families_all_gaussian_shapes_are_tried(faithful):
    chosen = fastem.select(faithful, n_components=[1, 2], seed=0, start="kmeans")
    names = ["full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"]
    assert [row.family for row in chosen.table] == [f"gaussian_{name}" for name in names for _ in range(2)]


def test_the_icl_of_a_result_is_known_where_its_entropy_is(faithful, tmp_path):
    chosen = fastem.select(faithful, SHAPES, [1, 2], seed=0)
    for row, model in zip(chosen.table, chosen.models, strict=True):
        assert model.icl == row.icl == model.bic + 2 * model.entropy
        fastem.save(model, tmp_path / "m")
        assert fastem.load(tmp_path / "m").icl == model.icl == model.reorder(range(row.n_components)).icl
        assert f"ICL {model.icl:.2f}" in model.summary()
    alone = fastem.fit(faithful, SHAPES[0], 2, seed=0)
    assert np.isnan(alone.icl) and "ICL" not in alone.summary()
    single = fastem.fit(faithful, SHAPES[0], 1, seed=0)
    assert single.icl == single.bic


def test_a_file_of_a_result_without_entropy_is_read(faithful, tmp_path):
    fastem.save(fastem.select(faithful, SHAPES[0], 2, seed=0).best, tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as archive:
        np.savez(tmp_path / "old.npz", **{name: archive[name] for name in archive.files if name != "entropy"})
    assert np.isnan(fastem.load(tmp_path / "old.npz").entropy)


def test_the_summary_ranks_models_and_says_how_far_their_bic_is_from_the_lowest(faithful):
    chosen = fastem.select(faithful, SHAPES, range(1, 5), seed=0)
    bic = np.array([row.bic for row in chosen.table])
    np.testing.assert_array_equal(chosen.delta_bic, bic - bic.min())
    assert chosen.ranking == sorted(range(len(bic)), key=lambda i: bic[i]) and chosen.ranking[0] == chosen.best_index
    lines = chosen.summary().splitlines()
    assert lines[0].split()[-3:] == ["BIC", "starts", "status"]
    for line, i in zip(lines[1:11], chosen.ranking, strict=False):
        row, model = chosen.table[i], chosen.models[i]
        cells = [row.family, str(row.n_components), str(row.n_parameters), f"{row.log_likelihood:.3f}"]
        cells += [f"{row.bic:.2f}", f"{row.bic - bic.min():.2f}", f"{model.n_reached}/{len(model.starts)}"]
        assert line.split() == [*cells, row.status.name]
    assert lines[11] == f"... and {len(bic) - 10} more models"
    assert lines[-1].startswith("Chosen by BIC: gaussian_tied with 3 components.")
    assert repr(chosen) == f"Selection({len(bic)} models, by BIC the best is gaussian_tied with 3 components)"
    assert repr(chosen.table[1]) == "Row(gaussian_full, 2 components, BIC 2322.2, CONVERGED, 10 of 10 starts)"


@pytest.mark.parametrize("criterion", ["aic", "icl", "cv"])
def test_the_summary_shows_the_criterion_that_chose(criterion, faithful):
    chosen = fastem.select(faithful, SHAPES[0], [1, 2, 3], criterion=criterion, seed=0, start="kmeans")
    text = chosen.summary()
    assert {"aic": "AIC", "icl": "ICL", "cv": "held out  (error)"}[criterion] in text.splitlines()[0]
    first = chosen.table[chosen.ranking[0]]
    values = [getattr(row, criterion) for row in chosen.table]
    assert getattr(first, criterion) == (max(values) if criterion == "cv" else min(values))
    assert f"Chosen by {criterion.upper()}" in text


def test_collapsed_models_are_ranked_last_and_explained():
    X = np.repeat([[1.0], [2.0]], 20, axis=0)
    chosen = fastem.select(X, fastem.Gaussian("diag"), [2, 1], start="kmeans", seed=0)
    assert chosen.table[0].status is fastem.Status.COLLAPSED
    assert chosen.ranking == [1, 0] and chosen.delta_bic[1] == 0.0 and chosen.delta_bic[0] < 0.0
    assert fastem.Status.COLLAPSED.value in chosen.summary()


def test_counts_are_selected_too(rng):
    X = rng.poisson([[2.0, 30.0]] * 200 + [[20.0, 3.0]] * 200)
    chosen = fastem.select(X, fastem.Poisson(), [1, 2, 3], seed=0)
    assert chosen.best.n_components == 2


def test_a_collapsed_model_is_not_chosen(rng):
    X = np.concatenate([rng.standard_normal((60, 2)), np.zeros((20, 2))])
    chosen = fastem.select(X, fastem.Gaussian("full"), [1, 2], start="kmeans", seed=0)
    assert chosen.best.status.rank == 0


def test_a_callback_ends_the_grid(faithful):
    chosen = fastem.select(faithful, SHAPES, range(1, 4), seed=0, callback=lambda row: row.n_components == 2)
    assert len(chosen.table) == 2


def test_the_table_becomes_a_frame(faithful):
    pytest.importorskip("pandas")
    frame = fastem.select(faithful, fastem.Gaussian("diag"), [1, 2], seed=0).to_frame()
    assert list(frame["n_components"]) == [1, 2]
    assert frame["status"].iloc[0] == "CONVERGED"
    assert frame["delta_bic"].min() == 0.0 and list(frame["n_starts"]) == [1, 10]


@pytest.mark.parametrize("name", DATA)
def test_from_mclusts_own_starts_the_shared_cells_agree(name):
    """They agree to 1e-6, because mclust's "tight" fits are as far from their own limits; see tests/test_references."""
    table = json.loads(shared_file("reference", "mclust_bic_tables.json").read_text())["multivariate"][name]
    with shared_file("data", "starts", f"{name}_hc_labels.csv").open(newline="") as file:
        starts = np.array(list(csv.reader(file))[1:], dtype=np.int64) - 1  # columns of labels for K = 2, 3, ...
    X, _ = read_labelled(name)
    agreed = 0
    for model, shape in MODELS.items():
        for k, target in zip(table["G"], table["loglik_tight"][model], strict=True):
            if target is None:
                continue
            labels = starts[:, k - 2] if k > 1 else np.zeros(len(X), dtype=np.int64)
            result = fastem.fit(X, fastem.Gaussian(shape), k, start=labels, tol=1e-13, max_iter=100_000)
            np.testing.assert_allclose(result.log_likelihood, target, rtol=0, atol=1e-6, err_msg=f"{model} {k}")
            agreed += 1
    assert agreed >= 36


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (([], 2), {}, "families is empty"),
        ((["full"], 2), {}, "family must be a family object"),
        ((SHAPES, []), {}, "n_components is empty"),
        ((SHAPES, [1, 0]), {}, "n_components is 0"),
        ((SHAPES, 500), {}, "n_components"),
        ((SHAPES, 2), {"criterion": "aicc"}, "criterion is 'aicc'; it must be one of 'bic'"),
        ((SHAPES, 2), {"start": "best"}, "start is 'best'"),
        ((SHAPES, 2), {"criterion": "cv", "n_folds": 1}, "n_folds is 1"),
        ((SHAPES, 200), {"criterion": "cv", "n_folds": 2}, "n_folds is 2: 136 of the 272 samples"),
    ],
)
def test_bad_arguments_are_named(arguments, settings, words, faithful):
    with pytest.raises((ValueError, TypeError), match=words):
        fastem.select(faithful, *arguments, **settings)


def test_folds_are_of_samples_that_count(rng):
    X = rng.standard_normal((60, 2))
    w = np.where(np.arange(60) < 20, 1.0, 0.0)
    chosen = fastem.select(X, fastem.Gaussian("diag"), [1, 2], criterion="cv", sample_weight=w, seed=0)
    assert np.isfinite([row.cv for row in chosen.table]).all()
    with pytest.raises(ValueError, match="n_folds is 5"):
        fastem.select(
            X, fastem.Gaussian("diag"), 1, criterion="cv", sample_weight=np.eye(60)[0] + np.eye(60)[1], seed=0
        )


@pytest.mark.parametrize(("columns", "said"), [(1, "Feature 2 is constant"), (2, "Features 2, 3 are constant")])
def test_constant_features_are_told(faithful, columns, said):
    """They change no density, but some shapes have more parameters for them than others."""
    X = np.column_stack([faithful, np.ones((len(faithful), columns))])
    families = [fastem.Gaussian("full"), fastem.Gaussian("diag")]
    with pytest.warns(fastem.FitWarning, match=said):
        selection = fastem.select(X, families, [1, 2], seed=0)
    assert any(said in note for note in selection.notes)
    held_out = fastem.select(X, families, [1], criterion="cv", seed=0)
    assert not any("constant" in note for note in held_out.notes)
