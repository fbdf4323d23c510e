"""`surrogate_nas.Surrogate`: a scikit-learn regressor over cells, of a benchmark or of values."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import surrogate_nas as sn
from surrogate_nas.core.deprecation import REMOVAL

LEARNED = np.arange(0, 15000, 150)
"""Indices of 100 cells."""


@pytest.fixture(scope="module")
def bench():
    return sn.load("fashion")


@pytest.fixture(scope="module")
def fitted(bench):
    return sn.Surrogate("ridge").fit(bench, "valid_error", LEARNED)


def test_it_predicts_in_the_unit_of_the_metric_and_scores_cells_that_it_did_not_learn(
    bench, fitted
):
    assert repr(fitted) == "<Surrogate ridge of valid_error: 100 cells>"
    mean, std = fitted.predict(bench.space, return_std=True)
    np.testing.assert_array_equal(mean, fitted.predict(range(15625)))
    truth = bench.column("valid_error")
    inside = np.abs(truth - mean) < 1.645 * std
    assert 0.8 < inside.mean() < 0.98
    others = np.setdiff1d(np.arange(15625), LEARNED)
    scores = fitted.scores(bench, others)
    assert (
        fitted.score(bench) == scores["kendall"] == fitted.score(others, truth[others])
    )
    assert scores["r2"] == pytest.approx(fitted.scores(others, truth[others])["r2"])


@pytest.mark.parametrize("name", [list, np.array, pd.Series, pd.Index, map])
def test_cells_are_named_by_index_text_or_themselves(bench, fitted, name):
    cells = [11, "12", bench.space[13]]
    cells[1] = bench.space[12].text
    expected = fitted.predict(bench.space[11:14])
    if name is map:
        with pytest.raises(sn.UserError, match="needs a list of cells"):
            fitted.predict(map(str, cells))
        return
    given = name(cells, dtype=object) if name is not list else cells
    np.testing.assert_array_equal(fitted.predict(given), expected)
    np.testing.assert_array_equal(fitted.predict(name([11, 12, 13])), expected)
    assert bench.query(given, "valid_error") == bench.query([11, 12, 13], "valid_error")


def test_values_of_one_s_own_are_learned_as_those_of_a_benchmark(bench, fitted):
    y = pd.Series(bench.column("valid_error")[LEARNED], index=LEARNED)
    own = sn.Surrogate("ridge", quantity="error").fit(LEARNED, y, space=bench.space)
    assert repr(own) == "<Surrogate ridge: 100 cells>"
    np.testing.assert_array_equal(own.predict([1, 2]), fitted.predict([1, 2]))
    plain = sn.Surrogate("ridge").fit(bench.space[::150], -np.arange(105.0))
    assert plain.predict(bench.space[:50]).min() < 0


def test_epochs_and_the_training_seed_are_those_of_the_benchmark(real):
    model = sn.Surrogate("ridge").fit(
        real, "valid_error", range(50), epochs=200, training_seed=777
    )
    assert model.card.epochs == 200
    values = real.column("valid_error", 200, 777)[:50]
    again = sn.Surrogate("ridge", quantity="error").fit(real.space[:50], values)
    assert model.predict([99]) == again.predict([99])


def test_all_cells_with_a_value_are_learned_if_none_is_named(snas, tmp_path, bench):
    cells = ["cell,valid_error (%)", *(f'"{bench.space[i]}",{9 + i}' for i in range(9))]
    (tmp_path / "mine.csv").write_text("\n".join(cells))
    assert (
        snas("data", "import", "csv", tmp_path / "mine.csv", "--name", "mine").code == 0
    )
    model = sn.Surrogate("ridge").fit("mine", "valid_error")
    assert model.n_cells_ == 9
    assert np.isnan(model.score("mine"))


def test_scikit_learn_clones_it_and_validates_by_it(bench):
    cells, y = list(bench.space[::150]), bench.column("valid_error")[::150]
    model = sn.Surrogate("extra_trees", quantity="error", seed=3, parts=2, trees=20)
    copy = clone(model)
    assert copy.get_params() == model.get_params() and copy is not model
    assert cross_val_score(model, cells, y, cv=3).mean() > 0.5
    search = GridSearchCV(model, {"parts": [2, 3]}, cv=2).fit(cells, y)
    assert search.best_estimator_.get_params()["parts"] in (2, 3)
    assert model.set_params(trees=30).get_params()["trees"] == 30


def test_options_are_given_by_name_or_in_the_text(bench):
    cells, y = bench.space[::500], np.arange(32.0)
    by_name = sn.Surrogate("gp", warp=True).fit(cells, y).predict([7])
    assert by_name == sn.Surrogate("gp(warp=True)").fit(cells, y).predict([7])


def test_a_file_and_a_pickle_give_it_back(bench, fitted, tmp_path):
    fitted.save(tmp_path / "m.h5")
    for again in (
        sn.Surrogate.load(tmp_path / "m.h5"),
        pickle.loads(pickle.dumps(fitted)),
    ):
        assert repr(again) == repr(fitted) and again.score(bench) == fitted.score(bench)
    predicted = sn.load(f"surrogate:{tmp_path / 'm.h5'}")
    assert predicted.query(7, "valid_error") == fitted.predict([7])[0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m, b: sn.Surrogate("xgbost"), "Did you mean 'xgboost'"),
        (lambda m, b: sn.Surrogate("gnn", los="warp"), "Did you mean 'loss'"),
        (lambda m, b: m.set_params(los=3), "Unknown setting of the model ridge 'los'"),
        (lambda m, b: sn.Surrogate("ridge").predict([1]), "is not fitted"),
        (lambda m, b: sn.Surrogate("ridge").score(b), "was not fitted to a metric"),
        (lambda m, b: sn.Surrogate("ridge").save("m.h5"), "was not fitted to a metric"),
        (lambda m, b: m.fit(b, "valid_eror", [1, 2]), "Did you mean 'valid_error'"),
        (lambda m, b: m.fit(b, "valid_error", 5), "list of cells or indices, not 5"),
        (lambda m, b: m.fit(b, "valid_error", [1, 20000]), "cells 0 to 15624"),
        (lambda m, b: m.fit(b, "valid_error", [1, 2], epochs=9), "not 9"),
        (lambda m, b: m.fit([1, 2], [1.0, 2.0]), "pass its space"),
        (lambda m, b: m.fit(b.space[:3], [1.0, 2.0]), "3 cells need 3 values"),
        (lambda m, b: m.fit("fashon", "valid_error"), "Did you mean 'fashion'"),
        (lambda m, b: m.predict(5), "needs a list of cells, not 5"),
        (lambda m, b: m.predict([1.5]), "not 1.5"),
        (lambda m, b: m.score([1, 2], [1.0, np.nan]), "not finite"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(bench, fitted, call, says):
    before = fitted.predict([7])
    with pytest.raises(sn.UserError, match=says) as caught:
        call(fitted, bench)
    assert "\n" not in str(caught.value)
    assert fitted.predict([7]) == before and fitted.score(bench) > 0


@pytest.mark.parametrize("name", ["Surrogate", "make_model"])
def test_former_names_work_with_a_warning(name):
    import surrogate_nas.surrogates as models

    with pytest.warns(DeprecationWarning, match=f"{name} is now .*{REMOVAL}"):
        assert callable(getattr(models, name))
