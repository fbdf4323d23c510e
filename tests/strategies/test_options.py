"""Strategies with hyperparameters: in the name, in the files, and checked before anything runs."""

import json
from functools import partial

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.cli.options import names
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.registry import parse_reference
from surrogate_nas.report.sections.conventions import citations
from surrogate_nas.results.api import read_comparison
from surrogate_nas.space import nb201
from surrogate_nas.strategies import resolve, strategy_entry

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
        strategy_entry("evolution( tournament=5, population = 7 )").label
        == "evolution(population=7,tournament=5)"
    )
    assert strategy_entry("evolution(population=7)").is_trusted
    assert not strategy_entry("a(1).py:Mine(step=2)").is_trusted
    assert (
        strategy_entry("some/a(1).py:Mine(step=2,word=fast,path='a/b')").label
        == "Mine(path='a/b',step=2,word=fast)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evolution(populaton=5)", "Did you mean 'population'"),
        (
            "evolution(population=many)",
            "population of evolution must be a whole number, not 'many'",
        ),
        ("evolution(5)", "of a strategy as evolution"),
        ("evolution(population=open('x'))", "of a strategy as evolution"),
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
    with pytest.raises(UserError, match="step of Mine must be a whole number"):
        sn.search("fashion", f"{spec}(step=fast)", budget=1)


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


class Anneal(sn.Strategy):
    def __init__(self, space, *, seed, temperature: float = 1.0):
        super().__init__(space, seed=seed)
        self.temperature = temperature

    def ask(self, n):
        return [self.space.sample(self.rng) for _ in range(int(self.temperature))][-1:]


def _cells(run):
    return [trial.cell.text for trial in run.trials]


def test_a_class_with_options_is_taken_wherever_a_name_is():
    hot = strategy_entry(Anneal.using(temperature=np.float64(3.0)))
    assert (hot.label, hot.origin) == ("Anneal(temperature=3.0)", "class")
    assert strategy_entry(partial(Anneal, temperature=3.0)).label == hot.label
    bench = sn.load("fashion")
    run = sn.search(bench, hot, "valid_loss", budget=14)
    assert run.strategy == hot.label
    plain = sn.search(bench, Anneal, "valid_loss", budget=14)
    assert _cells(run)[:10] == _cells(plain)[:10]
    assert _cells(run) != _cells(plain)
    loop = sn.AskTell(sn.Objective("valid_loss", bench), {"x": hot})
    for _ in range(14):
        loop.tell(*loop.ask())
    assert [trial.cell.text for trial in loop.trials] == _cells(run)


def test_labels_stand_in_results_folders_and_pages_with_what_they_mean(tmp_path):
    given = {"hot": Anneal.using(temperature=2.0), "few": "evolution(population=5)"}
    asked = {"runs": 2, "budget": 12, "folder": tmp_path / "out"}
    made = sn.compare("fashion", given, "valid_loss", **asked)
    assert made.strategies == ["hot", "few"]
    assert (tmp_path / "out" / "runs" / "hot-1.jsonl").is_file()
    stored = json.loads((tmp_path / "out" / "experiment.json").read_text())
    meant = {"hot": "Anneal(temperature=2.0)", "few": "evolution(population=5)"}
    assert stored["labels"] == meant
    read = read_comparison(tmp_path / "out")
    assert [entry.target for entry in read.entries] == ["Anneal", "evolution"]
    assert any("Real" in paper for paper in citations(read))
    page = sn.write_report(read, tmp_path / "page").read_text()
    assert "strategy hot" in page and meant["hot"] in page
    as_text = ["few=evolution(population=5)", "random"]
    more = sn.compare("fashion", as_text, "valid_loss", **asked)
    assert _cells(more.runs_of("few")[1]) == _cells(made.runs_of("few")[1])
    with pytest.raises(UserError, match=r"few was evolution\(population=5\), now bo"):
        sn.compare("fashion", {"few": "bo"}, "valid_loss", **asked)


def test_a_label_takes_the_place_of_long_options():
    command = f"node climb.js {'x' * 300}"
    with pytest.raises(UserError, match="give a label, as in short=external"):
        strategy_entry(f"external(command='{command}')")
    entry = strategy_entry(f"blind:climb=external(command='{command}')")
    assert (entry.label, entry.blinded) == ("blind:climb", True)
    assert entry.options == {"command": command}
    assert names(["bo,a=external(command='b, c')"]) == [
        "bo",
        "a=external(command='b, c')",
    ]
    assert strategy_entry("./a=b/mine.py:Mine").label == "Mine"


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (
            lambda: Anneal(nb201(), seed=0),
            r"Class\.using\(option=value\), not <Anneal on",
        ),
        (lambda: Anneal.using(temprature=2.0), "Did you mean 'temperature'"),
        (lambda: Anneal.using(temperature="hot"), "must be a number, not 'hot'"),
        (lambda: Anneal.using(seed=1), "option of Anneal"),
        (lambda: partial(Anneal, 3), "A strategy must be a name"),
        (lambda: partial(print, 3), "A strategy must be a name"),
        (lambda: Open.using(steps=np.ones(2)), r"not \{'steps': array"),
        (lambda: Open.using(steps=print), "or lists and mappings of these"),
        (lambda: partial(int, base=3), "int is not a subclass"),
        (lambda: {"a/b": "random"}, "A label has letters"),
        (lambda: "a b=random", "A label has letters"),
        (lambda: {3: "random"}, "A label has letters"),
        (lambda: {}, "A strategy must be a name"),
        (lambda: {"a": "random", "b": "bo"}, "A strategy must be a name"),
    ],
)
def test_wrong_strategies_are_refused_when_they_are_given(strategy, said):
    with pytest.raises(UserError, match=said):
        strategy_entry(strategy())


class Open(Anneal):
    def __init__(self, space, *, seed, **options):
        super().__init__(space, seed=seed)


def test_a_knob_of_any_type_is_named_by_its_value():
    steps = {"a": [1, 2.5, None], "b": (True, "x y")}
    entry = strategy_entry(Open.using(steps=steps))
    assert strategy_entry(entry.label).options == {"steps": steps}
