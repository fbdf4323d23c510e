"""Surrogates judged alike: what they learn, what they are held against, and what is said."""

import json

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.results.surrogates import judge_surrogates
from surrogate_nas.space import nb201
from surrogate_nas.space.network import Network
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import Table, write_table
from tests.conftest import assert_one_clear_line

WEIGHTS = (
    np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]) / 16
)  # exact, so that equal values stay equal
TRUTH = 10 + nb201().choices @ WEIGHTS
OTHER = """
import numpy as np
from surrogate_nas.surrogates import Prediction, Model

def truth(cells):
    return 10 + np.array([cell.choices for cell in cells]) @ (2.0 ** np.arange(6)) / 16

class Other(Model):
    "Learned one of two seeds, which are half a unit above and below the truth; foretells the other."
    name = "other"

    def fit(self, cells, values, space=None):
        above = np.round(values - truth(cells), 9)
        assert set(above) in ({0.5}, {-0.5}), "one seed is learned"
        self.above = above[0]
        return self

    def predict(self, cells):
        return Prediction(truth(cells) - self.above, np.full(len(cells), 0.01))

    def _learn(self, cells, target): ...
    def _predict(self, cells): ...

class Constant(Other):
    def predict(self, cells):
        return Prediction(np.full(len(cells), 30.0), np.full(len(cells), 0.01))
"""  # noqa: E501


def table(path, values, *, seeds=True, tested=True):
    made = Table(
        "t", "nb201", "t", "s", "l", "c", "valid_error + 0.1*params", Network()
    )
    per_seed = {7: values + 0.5, 8: values - 0.5} if seeds else None
    error = Metric("valid_error", "%", "search", "error")
    made.add(error, 200, values, 2 if seeds else 1, per_seed)
    if tested:
        made.add(Metric("test_error", "%", "final", "error"), 200, values + 1)
    write_table(made, path)
    return str(path)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "own.py"
    file.write_text(OTHER)
    return f"{file}:Other"


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The table of the truth, with two seeds."""
    return table(tmp_path_factory.mktemp("tables") / "known.h5", TRUTH)


@pytest.fixture(scope="module")
def judged(other, known):
    constant = other.replace(":Other", ":Constant")
    return judge_surrogates([other, constant], [known], sizes=[40, 20], draws=3)


def test_a_seed_is_learned_and_the_interval_is_held_against_another_one(judged, other):
    assert judged.tables[0]["seeds"] == [7, 8]
    for fit in judged.fits:
        is_other = fit["model"] == other
        assert fit["kendall"].mean == pytest.approx(1.0 if is_other else 0.0)
        assert fit["kendall_top_quarter"].mean == pytest.approx(
            1.0 if is_other else 0.0
        )
        assert fit["coverage90"] is not None
        assert fit["coverage90"].mean == (
            1.0 if is_other else pytest.approx(0.0, abs=0.01)
        )
    assert [fit["n_train"] for fit in judged.fits] == [20, 20, 40, 40]


def test_parameters_are_judged_on_the_same_cells(judged, other):
    from surrogate_nas.benchmarks import load

    params = load(judged.tables[0]["name"]).column("params")
    expected = kendall(-params, TRUTH)
    for fit in judged.fits:
        assert fit["parameters"] is not None and fit["gain"] is not None
        assert fit["parameters"].mean == pytest.approx(expected, abs=0.03)
        assert fit["gain"].mean == pytest.approx(
            fit["kendall"].mean - fit["parameters"].mean
        )
        assert fit["better_than_parameters"] == (
            fit["model"] == other or expected < -0.05
        )


def test_what_is_no_better_than_parameters_is_said(tmp_path):
    from surrogate_nas.benchmarks import load

    params = load(table(tmp_path / "any.h5", TRUTH)).column("params")
    name = table(tmp_path / "falling.h5", 50 - params / params.max(), seeds=False)
    found = judge_surrogates(
        ["ridge(encoding=one_hot)"], [name], sizes=[20, 40], draws=2
    )
    assert [fit["better_than_parameters"] for fit in found.fits] == [False, False]
    assert found.fits[0]["parameters"] is not None
    assert found.fits[0]["parameters"].mean == 1.0
    assert found.tables[0]["coverage_against"] == "the learned values"
    assert not found.tables[0]["seeds"]
    once = judge_surrogates(["ridge"], [name], sizes=[20], draws=1)
    assert once.fits[0]["better_than_parameters"] is None
    assert once.fits[0]["kendall"].ci95 is None


def test_larger_is_better_of_a_quality(tmp_path):
    made = Table("q", "nb201", "t", "s", "l", "c", "valid_accuracy", Network())
    made.add(Metric("valid_accuracy", "%", "search", "quality"), 200, 90 - TRUTH)
    write_table(made, tmp_path / "q.h5")
    error = table(tmp_path / "e.h5", TRUTH + 10, seeds=False)
    quality, same = judge_surrogates(
        ["ridge"], [str(tmp_path / "q.h5"), error], sizes=[60], draws=2
    ).fits
    assert quality["parameters"] == same["parameters"] and quality["kendall"].mean > 0.4


def test_the_seed_decides_the_cells_and_workers_change_nothing(known):
    def taus(seed, workers):
        found = judge_surrogates(
            ["ridge"], [known], sizes=[20], draws=2, seed=seed, workers=workers
        )
        return [fit["kendall"].mean for fit in found.fits]

    assert taus(0, 1) == taus(0, 2) != taus(1, 1)


@pytest.mark.parametrize(
    ("models", "tables", "settings", "says"),
    [
        (["rigde"], ["fashion"], {}, "Did you mean 'ridge'"),
        (["ridge"], ["live:digits"], {}, "live:digits has no whole columns"),
        (["ridge"], ["fashoin"], {}, "fashoin"),
        ([], ["fashion"], {}, "nothing to compare"),
        (["ridge"], [], {}, "nothing to compare"),
        (["ridge"], ["fashion"], {"sizes": [1]}, "at least 2, not 1"),
        (["ridge"], ["fashion"], {"sizes": [20000]}, "no table has enough cells"),
        (["gnn"], ["mlp-segment"], {}, "no surrogate can read it"),
        (["ridge"], ["fashion"], {"draws": 0}, "at least 1, not 0"),
        (["ridge"], ["fashion"], {"seed": -1}, "from 0 to 4,294,967,295, not -1"),
        (
            ["sklearn:sklearn.svm:SVR(C=-1)"],
            ["fashion"],
            {"draws": 1},
            "cannot learn from",
        ),
    ],
)
def test_what_cannot_be_judged_is_one_line(models, tables, settings, says):
    with pytest.raises(UserError) as refused:
        judge_surrogates(models, tables, **settings)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_the_command_writes_its_numbers(snas, known, tmp_path):
    small = table(tmp_path / "small.h5", np.where(np.arange(15625) < 60, TRUTH, np.nan))
    folder = tmp_path / "out"
    asked = [
        "--tables",
        f"{known},{small}",
        *"--train 20,40 --draws 2 --out".split(),
        folder,
    ]
    made = snas(
        "surrogate judge ridge 'gp(warp=True)'", *asked, "--workers", 1, "--json"
    )
    assert made.code == 0, made.err
    assert {(fit["model"], fit["n_train"]) for fit in made.json["fits"]} == {
        (model, n) for model in ("ridge", "gp(warp=True)") for n in (20, 40)
    }
    few = made.json["tables"][1]
    assert (
        few["sizes"] == [20]
        and "60 cells are too few to learn from 40." in few["notes"]
    )
    stored = json.loads((folder / "summary.json").read_text("utf-8"))
    assert stored == made.json and made.json["sentences"]
    knn = "sklearn:sklearn.neighbors:KNeighborsRegressor"
    shown = snas(
        "surrogate judge", knn, *asked[:-1], tmp_path / "again", "--workers", 1
    )
    assert not (tmp_path / "results").exists()
    assert shown.code == 0 and "has the largest τ" in shown.out
    stored = json.loads((tmp_path / "again" / "summary.json").read_text("utf-8"))
    assert stored["spreads"] == {knn: "bagging"}


BAD = """
ridge --train 78.5: A number of cells must be a whole number, not 78.5
ridge --train 20,inf: A number of cells must be a whole number, not 20,inf
sklearn:sklearn.svm:SVX: Did you mean 'SVR'
"""


@pytest.mark.parametrize("line", BAD.strip().splitlines())
def test_what_the_command_cannot_judge_is_one_line(snas, tmp_path, line):
    arguments, _, says = line.partition(": ")
    ended = snas(f"surrogate judge {arguments} --out", tmp_path / "out")
    assert_one_clear_line(ended, says)
    assert not (tmp_path / "out").exists()
