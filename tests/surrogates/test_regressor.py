"""Anybody's regressor as a surrogate: where its spread comes from, and what is refused."""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.surrogates.base import make_model
from tests.contracts import broken, checks_of

SVR = "sklearn:sklearn.svm:SVR"
KNN = "sklearn:sklearn.neighbors:KNeighborsRegressor"
CLASSES = """
import numpy as np

class Mean:
    def fit(self, X, y):
        assert abs(X.mean(axis=0)).max() < 1e-6
        self.mean, self.std = y.mean(), y.std()

    def predict(self, X):
        return np.full(len(X), self.mean)

class Rows(Mean):
    def predict(self, X, output_type="mean", quantiles=None):
        assert output_type == "quantiles"
        return [np.full(len(X), self.mean + 2 * self.std * (q - 0.5)) for q in quantiles]

class Columns(Mean):
    def predict(self, X, output_type="mean", alphas=None):
        assert output_type == "quantiles"
        return np.tile(self.mean + 2 * self.std * (np.array(alphas) - 0.5), (len(X), 1))

class Plain(Mean):
    def predict(self, X, quantiles=None):
        return np.tile(self.mean + 2 * self.std * (np.array(quantiles) - 0.5), (len(X), 1))

class Std(Mean):
    def predict(self, X, return_std=False):
        return np.full(len(X), self.mean), np.full(len(X), self.std)

class Wide(Mean):
    def predict(self, X):
        return np.zeros((len(X), 2))

class Endless(Mean):
    def predict(self, X):
        return np.full(len(X), np.inf)

NUMBER = 3
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(CLASSES)
    return f"sklearn:{tmp_path / 'own.py'}"


@pytest.mark.parametrize(
    ("name", "spread", "std"),
    [
        ("Rows", "quantiles", 0.6826),
        ("Columns", "quantiles", 0.6826),
        ("Plain", "quantiles", 0.6826),
        ("Std", "return_std", 1.0),
        ("Mean", "bagging", None),
    ],
)
@pytest.mark.parametrize("n", [3, 20])
def test_the_spread_is_what_the_class_offers(own, name, spread, std, n):
    cells = nb201()[:2000:40]
    model = make_model(f"{own}:{name}", "structure", calibrate=False)
    values = np.arange(30.0)
    found = model.fit(cells[:30], values).predict(cells[30 : 30 + n])
    assert model.spread == spread
    np.testing.assert_allclose(found.mean, 14.5, atol=1e-2)  # parts differ by a fold
    if std is None:
        assert (found.std > 0.4 * values.std()).all()
    else:
        np.testing.assert_allclose(found.std, std * values.std(), rtol=1e-3)


@pytest.mark.parametrize(
    "name", [f"{KNN}(n_neighbors=1)", "sklearn:sklearn.linear_model:BayesianRidge"]
)
def test_a_regressor_keeps_the_contract(name):
    assert not broken(checks_of(name))


def test_its_seed_and_its_options_reach_it():
    cells = nb201()[:4000:40]
    values = [1.0 + sum(cell.choices) for cell in cells[:50]]
    name = "sklearn:sklearn.ensemble:RandomForestRegressor"
    predicted = [
        make_model(f"{name}({options})", seed=seed, parts=2)
        .fit(cells[:50], values)
        .predict(cells[50:])
        .mean.tolist()
        for options, seed in (
            ("n_estimators=3", 1),
            ("n_estimators=3", 1),
            ("n_estimators=3", 2),
            ("n_estimators=3,random_state=7", 1),
            ("n_estimators=4", 1),
        )
    ]
    assert predicted[0] == predicted[1]
    assert len({tuple(one) for one in predicted}) == 4


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "sklearn:sklearn.linear_model:LogisticRegression",
            "is not a regressor, according to",
        ),
        ("sklearn:sklearn.cluster:KMeans", "is not a regressor, according to"),
        ("sklearn:sklearn.svm:SVX", "Did you mean 'SVR'"),
        (
            "sklearn:no_such_module.x:Y",
            "needs no_such_module: pip install no_such_module",
        ),
        ("sklearn:sklearn.nothing:Y", "cannot be imported: ModuleNotFoundError"),
        ("sklearn:sklearn.svm", "named as sklearn:MODULE:CLASS"),
        ("sklearn:", "named as sklearn:MODULE:CLASS"),
        ("sklearn:..:SVR", "named as sklearn:MODULE:CLASS"),
        ("sklearn:os:getcwd", "is a class with fit and predict"),
        ("sklearn:no_file.py:Mean", "There is no model file"),
        (f"{SVR}(D=3)", "cannot be made: TypeError: "),
        (f"{SVR}(3)", "Write the options of a regressor as"),
        ("sklearn:sklearn.ensemble:VotingRegressor", "cannot be made: TypeError"),
        ("gp(worp=True)", "Did you mean 'warp'"),
        ("gp(seed=3)", "Unknown setting of the model gp"),
        ("gp(3)", "Write the options of a model as"),
    ],
)
def test_what_is_no_regressor_is_one_line(name, says):
    with pytest.raises(UserError) as refused:
        make_model(name)
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"{SVR}(C=-3)", "cannot learn from 9 cells: InvalidParameterError"),
        ("{own}:Wide", "cannot predict 1 cells: ValueError"),
        ("{own}:Endless", "a prediction is not finite"),
        ("{own}:NUMBER", "is a class with fit and predict"),
    ],
)
def test_what_a_regressor_cannot_do_is_one_line(own, name, says):
    cells = nb201()[:10]
    with pytest.raises(UserError) as refused:
        make_model(name.replace("{own}", own), parts=10).fit(cells, np.arange(10.0) + 1)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_fit_tests_a_regressor_and_does_not_store_it(snas, tmp_path):
    asked = ["fit", "fashion", "--target", "valid_loss", "--train", 40, "--test", 50]
    made = snas(
        *asked, "--model", f"{SVR}(C=2.0)", "--out", tmp_path / "m.h5", "--json"
    )
    assert made.code == 0 and made.json["file"] is None and made.json["n_test"] == 50
    assert made.json["spread"] == "bagging"
    assert "not stored" in made.err and not (tmp_path / "m.h5").exists()
    refused = snas(*asked, "--model", f"{SVR}(D=2)", "--out", tmp_path / "m.h5")
    assert refused.code == 2 and len(refused.err.splitlines()) == 1


def test_options_of_a_name_are_stored_with_the_model(snas, tmp_path):
    asked = ["fit", "fashion", "--target", "valid_loss", "--train", 40, "--test", 50]
    file = tmp_path / "m.h5"
    made = snas(*asked, "--model", "ridge(encoding=one_hot)", "--out", file, "--json")
    assert made.code == 0 and made.json["file"] == str(file)
    assert snas("predict", file, 11, "--json").json[0]["std"] > 0


def test_a_strategy_takes_a_regressor_with_its_options():
    found = []
    for model in (
        f"{KNN}(n_neighbors=1)",
        f"'{KNN}(n_neighbors=1)'",
        f"{KNN}(n_neighbors=4)",
    ):
        run = sn.search(
            "fashion", f"guided(pool=mixed,model={model})", "valid_error", budget=14
        )
        found.append([trial.cell for trial in run.trials])
    assert found[0] == found[1] != found[2]
