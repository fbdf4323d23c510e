"""Strategies with hyperparameters: in the name, in the files, and checked before anything runs."""

import sys

import pytest

import surrogate_nas as sn
from surrogate_nas.cli.options import names
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.registry import parse_reference
from surrogate_nas.space import nb201
from surrogate_nas.strategies import known, label, resolve, strategy_entry

MINE = """
import surrogate_nas as sn

class Mine(sn.Strategy):
    def __init__(self, space, *, seed, step: int = 1):
        super().__init__(space, seed=seed)
        self.step = step

    def ask(self, n):
        return [self.space.sample(self.rng) for _ in range(self.step)][-1:]
"""


def test_options_reach_the_constructor_and_the_name():
    made = resolve("evolution( tournament=5, population = 7 )")(nb201(), seed=0)
    assert (made.tournament, made.population) == (5, 7)
    assert (
        label("evolution( tournament=5, population = 7 )")
        == "evolution(population=7,tournament=5)"
    )
    assert strategy_entry("evolution(population=7)").is_trusted
    assert not strategy_entry("a(1).py:Mine(step=2)").is_trusted
    assert (
        label("some/a(1).py:Mine(step=2,word=fast,path='a/b')")
        == "Mine(path='a/b',step=2,word=fast)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evolution(populaton=5)", "Did you mean 'population'"),
        (
            "evolution(population=many)",
            "population of evolution is a whole number, not 'many'",
        ),
        ("evolution(5)", "written as evolution"),
        ("evolution(population=open('x'))", "written as evolution"),
        ("evolution(seed=3)", "option of evolution"),
        ("random(step=3)", "option of random"),
        (f"evolution(population={'9' * 300})", "more than 200 characters"),
        ("evolutoin(population=5)", "Did you mean 'evolution'"),
        ("(population=5)", "strategy"),
    ],
)
def test_wrong_options_are_one_line(text, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        resolve(text)
    with pytest.raises(UserError):
        sn.search("fashion", text, budget=1)


def test_commas_within_parentheses_do_not_split():
    given = ["random,evolution(population=5,tournament=2), bo", "a.py:B(x=(1,2),y=3)"]
    given += ["bo(pool=all,model=gp(warp=True)),it's.py:A,guided(model='a(,b')"]
    assert names(given) == [
        "random",
        "evolution(population=5,tournament=2)",
        "bo",
        "a.py:B(x=(1,2),y=3)",
        "bo(pool=all,model=gp(warp=True))",
        "it's.py:A",
        "guided(model='a(,b')",
    ]


def test_a_name_within_a_name_is_written_with_quotation_marks_or_without():
    inner = "sklearn:sklearn.svm:SVR(C=2.0,kernel='rbf')"
    for written in (inner, repr(inner)):
        parsed = parse_reference(f"bo(pool=all, model={written})")
        assert parsed == ("bo", {"model": inner, "pool": "all"})


def test_two_settings_are_two_strategies_of_one_folder(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    spec = f"{tmp_path}/mine.py:Mine"
    strategies = [
        "evolution",
        "evolution(population=5)",
        f"{spec}(step=2)",
        f"{spec}(step=3)",
    ]
    made = sn.compare("fashion", strategies, runs=2, budget=14, folder=tmp_path / "out")
    assert made.strategies == [
        "evolution",
        "evolution(population=5)",
        "Mine(step=2)",
        "Mine(step=3)",
    ]
    found = {
        name: [str(trial.cell) for trial in made.runs_of(name)[0].trials]
        for name in made.strategies
    }
    assert len({tuple(cells) for cells in found.values()}) == 4
    again = sn.compare(
        "fashion", strategies, runs=2, budget=14, folder=tmp_path / "out"
    )
    assert [run.trials for run in again.runs] == [run.trials for run in made.runs]
    with pytest.raises(UserError, match="step of Mine is a whole number"):
        sn.search("fashion", f"{spec}(step=fast)", budget=1)


def test_an_installed_package_offers_strategies_by_entry_point(tmp_path, monkeypatch):
    (tmp_path / "outsider.py").write_text(
        "from surrogate_nas.strategies.random import RandomSearch as Outsider\n"
    )
    metadata = tmp_path / "outsider-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[surrogate_nas.strategies]\noutside = outsider:Outsider\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert "outside" in known()
    assert resolve("outside").__name__ == "RandomSearch"


LIMITS = {
    "bo": {"first_cells": ("2", "1"), "sharpness": ("0.01", "0.0")},
    "asha": {"eta": ("1.01", "1.0"), "until": ("0.0", "-0.01", "1.0", "1.01")},
    "bohb": {
        "num_samples": ("0", "-1"),
        "random_fraction": ("0.0", "-0.01", "1.0", "1.01"),
    },
    "darts": {"epochs": ("1", "0"), "rate": ("0.0", "-0.01")},
    "forest": {"trees": ("5", "4")},
    "nsga2": {"population": ("2", "1"), "crossover": ("0.0", "-0.01", "1.0", "1.01")},
    "successive_halving": {"rungs": ("1", "0")},
}
"""By strategy and option the least value that it can have and one below, then the largest and one
above.
"""


@pytest.mark.parametrize(
    ("strategy", "option"),
    [(one, name) for one, options in LIMITS.items() for name in options],
)
def test_a_value_that_an_option_cannot_have_is_refused_by_name(strategy, option):
    values = LIMITS[strategy][option]
    for possible in values[::2]:
        assert resolve(f"{strategy}({option}={possible})")(nb201(), seed=0)
    for other in values[1::2]:
        with pytest.raises(UserError, match=option.rpartition("_")[2]):
            resolve(f"{strategy}({option}={other})")(nb201(), seed=0)
