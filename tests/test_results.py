"""Saving, loading, and the records."""

import dataclasses

import numpy as np
import pytest
from tables import FAMILIES, blobs

import fastem


@pytest.mark.parametrize("case", FAMILIES, ids=repr)
def test_load_gives_back_what_was_saved(case, rng, tmp_path):
    _, X = blobs(case, rng, 300, 3, 2)
    result = fastem.fit(X, case.family, 3, n_init=2, seed=0)
    path = tmp_path / "model"  # no suffix is added
    fastem.save(result, path)
    loaded = fastem.load(str(path))
    assert loaded.family == result.family
    for field in dataclasses.fields(result):
        one, two = getattr(result, field.name), getattr(loaded, field.name)
        if field.name == "parameters":
            assert set(one) == set(two)
            for name in one:
                np.testing.assert_array_equal(one[name], two[name])
                assert one[name].shape == two[name].shape
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, two)
        else:
            np.testing.assert_equal(two, one, err_msg=field.name)
    np.testing.assert_array_equal(fastem.log_density(X, loaded), fastem.log_density(X, result))


def test_hyperparameters_are_saved(tmp_path):
    family = fastem.Gaussian("diag", reg_covar=0.5, ridge=0.1, floor=1e-5)
    mixture = fastem.from_parameters(family, [1.0], means=[[0.0]], covariances=[[1.0]])
    fastem.save(mixture, tmp_path / "m.npz")
    assert fastem.load(tmp_path / "m.npz").family == family


def test_the_file_needs_no_pickle(tmp_path):
    mixture = fastem.from_parameters(fastem.Poisson(), [1.0], rates=[[2.0]])
    fastem.save(mixture, tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as archive:
        assert int(archive["format"]) == 4
        assert str(archive["family"]) == "poisson"
        for name in archive.files:
            assert archive[name].dtype.kind in "iufU"


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="not a model saved by fastem"):
        fastem.load(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError):
        fastem.load(tmp_path / "text.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match="not a model saved by fastem"):
        fastem.load(tmp_path / "array.npy")
    np.savez(tmp_path / "newer.npz", format=np.array(99), family=np.array("poisson"))
    with pytest.raises(ValueError, match="upgrade fastem"):
        fastem.load(tmp_path / "newer.npz")
    np.savez(tmp_path / "unknown.npz", format=np.array(1), family=np.array("cauchy"))
    with pytest.raises(ValueError, match="unknown family 'cauchy'"):
        fastem.load(tmp_path / "unknown.npz")
    with pytest.raises(FileNotFoundError):
        fastem.load(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    ("home", "advice"),
    [
        ("my.families:Cauchy", "import my.families first, which defines Cauchy and registers it"),
        ("__main__:Cauchy", "run or import the script that defines Cauchy"),
        ("fastem.families.cauchy:Cauchy", "upgrade fastem"),
        (None, "import the module that defines it"),
    ],
)
def test_a_file_of_an_unknown_family_says_where_its_class_is(home, advice, tmp_path):
    """Only a family of fastem's own comes with an upgrade."""
    fields = {} if home is None else {"family_class": np.array(home)}
    np.savez(tmp_path / "unknown.npz", format=np.array(4), family=np.array("cauchy"), **fields)
    with pytest.raises(ValueError, match=advice) as error:
        fastem.load(tmp_path / "unknown.npz")
    assert ("upgrade" in str(error.value)) == ("upgrade" in advice)


def test_a_saved_mixture_knows_the_class_of_its_family(faithful, tmp_path):
    fastem.save(fastem.fit(faithful, fastem.Gaussian("tied"), 2, seed=0, max_iter=1), tmp_path / "m")
    assert str(np.load(tmp_path / "m")["family_class"]) == "fastem.families.gaussian.tied:GaussianTied"


def test_records_are_frozen(faithful):
    result = fastem.fit(faithful, fastem.Gaussian("full"), 2, seed=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.n_iter = 3
    with pytest.raises(AttributeError):
        result.starts[0].n_iter = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        fastem.Gaussian("full").floor = 1.0


def test_statuses_are_sentences():
    for status in fastem.Status:
        assert status.value.endswith(".")
        assert len(status.value) > 20


def test_every_public_name_is_documented():
    for name in fastem.__all__:
        if name not in ("__version__",):
            assert getattr(fastem, name).__doc__, name
    assert set(fastem.__all__) <= set(dir(fastem))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fastem.nothing
