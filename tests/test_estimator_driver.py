"""The arguments that the estimators hand on to the driver: acceleration, parts, guards, checkpoints."""

import numpy as np
import pytest

from fastem import GaussianMixture, PoissonMixture


def test_dropped_components_are_counted(faithful):
    fitted = GaussianMixture(8, min_samples=30, starving="drop", random_state=0, max_iter=300).fit(faithful)
    k = fitted.n_components_
    assert k < 8 == fitted.n_components
    assert fitted.means_.shape == (k, 2) and fitted.covariances_.shape == (k, 2, 2) and len(fitted.weights_) == k
    assert fitted.predict_proba(faithful).shape == (len(faithful), k)
    assert fitted.weights_.min() * len(faithful) >= 30
    per_component = 1 + 2 + 3
    expected = -2 * fitted.score(faithful) * len(faithful) + (k * per_component - 1) * np.log(len(faithful))
    assert fitted.bic(faithful) == pytest.approx(expected)
    assert GaussianMixture(8, random_state=0, max_iter=300).fit(faithful).n_components_ == 8


def test_warm_start_goes_on_with_what_is_left(faithful):
    fitted = GaussianMixture(8, min_samples=30, starving="drop", random_state=0, max_iter=300, warm_start=True)
    k = fitted.fit(faithful).n_components_
    fitted.set_params(tol=1e-9, max_iter=1000).fit(faithful)
    assert fitted.n_components_ <= k and fitted.converged_  # with a smaller tol another component may starve
    assert len(fitted.means_) == fitted.n_components_
    with pytest.raises(ValueError, match="n_components"):
        fitted.set_params(n_components=1).fit(faithful)
    with pytest.raises(ValueError, match="n_components"):
        fitted.set_params(n_components=8, starving="reseed").fit(faithful)


def test_a_start_may_stop_where_a_component_starves(faithful):
    with pytest.warns(UserWarning, match="min_samples"):
        fitted = GaussianMixture(8, min_samples=40, starving="stop", random_state=0).fit(faithful)
    assert not fitted.converged_


@pytest.mark.parametrize("name, value", [("starving", "ignore"), ("min_samples", -1), ("progressive", "often")])
def test_unusable_settings_are_refused(name, value, faithful):
    with pytest.raises(ValueError, match=name):
        GaussianMixture(2, **{name: value}).fit(faithful)


def test_parts_are_for_those_who_ask():
    X = np.random.default_rng(0).poisson(np.repeat([[2.0], [12.0]], 20_000, axis=0))
    for setting, expected in ((False, False), (None, True), (True, True)):
        fitted = PoissonMixture(2, random_state=0, progressive=setting).fit(X)
        assert (fitted.fit_report_[0].passes_on_parts > 0) is expected


@pytest.mark.parametrize("random_state", [0, None])
def test_an_interrupted_fit_goes_on(random_state, faithful, tmp_path):
    path = tmp_path / "fit.npz"
    settings = {"tol": 1e-9, "max_iter": 1000, "random_state": random_state, "init_params": "random_from_data"}

    def interrupt(record):
        if record.iteration == 5:
            raise KeyboardInterrupt

    mixture = GaussianMixture(3, **settings)
    with pytest.raises(KeyboardInterrupt):
        mixture.fit(faithful, callback=interrupt, checkpoint=path)
    assert path.exists() and not hasattr(mixture, "means_")
    before = []
    mixture.fit(faithful, callback=before.append, checkpoint=path)
    assert before[0].iteration == 5 and not path.exists()  # 5 comes again, because its pass was not kept
    if random_state is not None:
        whole = GaussianMixture(3, **settings).fit(faithful)
        assert np.array_equal(whole.means_, mixture.means_) and whole.lower_bounds_ == mixture.lower_bounds_


def test_a_checkpoint_needs_a_seed_that_stays(faithful, tmp_path):
    mixture = GaussianMixture(2, random_state=np.random.RandomState(0))
    with pytest.raises(ValueError, match="random_state is a RandomState"):
        mixture.fit(faithful, checkpoint=tmp_path / "fit.npz")


def test_verbose_names_the_parts(capsys):
    X = np.random.default_rng(0).poisson(np.repeat([[2.0], [12.0]], 20_000, axis=0))
    mixture = PoissonMixture(2, random_state=0, progressive=None, verbose=2, verbose_interval=1, init_params="auto")
    mixture.fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert lines.count(" On 40000 samples") == 1 and any("was dropped" in line or "another" in line for line in lines)
    assert not any("nan" in line for line in lines)
