"""The searches of other libraries as strategies of ours."""

from __future__ import annotations

import logging
import pickle
import warnings

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.contract.checks import (
    LargeSpace,
    TinySpace,
    trajectory,
    trials_of,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import ChoiceSpace, nb201
from surrogate_nas.space.base import Space
from surrogate_nas.space.product import Sampled
from surrogate_nas.strategies import BRIDGES, resolve, strategy_entry
from surrogate_nas.strategies.bridges.base import nearest_cell
from tests.conftest import FULL
from tests.contracts import FRESH, broken, checks_of, elsewhere, shorten

SWIFT = [
    "optuna:TPESampler",
    "optuna:NSGAIISampler(population_size=10)",
    "pymoo:NSGA2(pop_size=10)",
    "nevergrad:PortfolioDiscreteOnePlusOne",
]
"""One of each library that every test can afford."""
OTHERS = [
    "optuna:CmaEsSampler",
    "optuna:NSGAIIISampler",
    "optuna:QMCSampler",
    "optuna:RandomSampler",
    "pymoo:AGEMOEA",
    "pymoo:GA",
    "pymoo:NSGA3",
    "pymoo:NicheGA",
    "pymoo:SMSEMOA",
    "pymoo:SPEA2",
    "pymoo:UNSGA3",
    "nevergrad:DE",
    "nevergrad:NGOpt",
    "nevergrad:OnePlusOne",
    "smac",
    "smac:Random",
]
GAUSSIAN = ["optuna:GPSampler(n_startup_trials=15)", "smac:BlackBox"]
"""Gaussian processes that take a second an ask where eighteen positions have ten options each."""
EVERYWHERE = {"optuna:TPESampler", "pymoo:GA", "nevergrad:OnePlusOne", "smac:Random"}
"""One of each library whose contract is checked on a large space too, as that of all but Gaussian
processes is with SURROGATE_NAS_FULL=1.
"""


@pytest.mark.parametrize("name", SWIFT[:1])
def test_a_bridge_keeps_the_contract_on_a_space_that_it_exhausts(name):
    assert not broken(checks_of(name, TinySpace()))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SWIFT, *OTHERS, *GAUSSIAN])
def test_every_bridge_keeps_the_contract(name, monkeypatch):
    if name == "pymoo:AGEMOEA":
        pytest.importorskip(
            "numba",
            reason="pymoo compiles this one with numba, which nothing else here needs",
        )
    shorten(monkeypatch)
    assert not broken(checks_of(name, TinySpace(), without=FRESH))
    if name in EVERYWHERE or (FULL and name not in GAUSSIAN):
        assert not broken(checks_of(name, LargeSpace(), without=FRESH))


class Held(Sampled):
    """Thirty cells of 5⁶, one in five hundred."""

    def __init__(self) -> None:
        larger = ChoiceSpace("larger", {f"p{place}": range(5) for place in range(6)})
        held = np.random.default_rng(0).integers(5, size=(30, 6))
        super().__init__(larger, np.unique(held, axis=0).astype(np.int8))


@pytest.mark.parametrize("name", [*SWIFT, "smac"])
def test_where_few_combinations_are_cells_the_nearest_are_asked_for(name):
    space = Held()
    cells = trajectory(resolve(name), space, seed=0, n=40)
    assert len(set(cells)) > 15
    assert nearest_cell(space, space[7].choices) is space[7]
    for other in ([4, 4, 4, 4, 4, 4], [0, 1, 2, 3, 4, 0]):
        found = nearest_cell(space, other)
        assert min((space.choices != other).sum(axis=1)) == sum(
            a != b for a, b in zip(found.choices, other, strict=True)
        )


@pytest.mark.parametrize("name", [name for name in SWIFT if "NSGAII" not in name])
def test_what_was_told_is_learned_from(name):
    """Told that one corner of the space is far better than all else, each library looks there more
    than at random.
    """
    space = nb201()
    centre = nb201()[4242]

    def distance(cell):
        return float(
            sum(a != b for a, b in zip(cell.choices, centre.choices, strict=True))
        )

    rng = np.random.default_rng(0)
    told = [space.sample(rng) for _ in range(30)]
    made = resolve(name)(space, seed=0)
    made.tell(trials_of(told, distance))
    asked = []
    for _ in range(30):
        asked += made.ask(1)
        made.tell(trials_of(asked[-1:], distance, start=30 + len(asked)))
    assert (
        np.mean([distance(cell) for cell in asked])
        < np.mean([distance(cell) for cell in told]) - 0.5
    )


@pytest.mark.parametrize("name", SWIFT)
def test_several_objectives_with_a_limit_and_workers(name):
    objective = sn.Objective(
        "valid_loss, macs subject to params <= 15000", sn.load("fashion")
    )
    made, again = (
        sn.search(
            "fashion",
            name,
            objective,
            budget=30,
            resources=sn.Resources(simulated_workers=3),
        )
        for _ in range(2)
    )
    assert not made.failure and len(made.trials) == 30
    assert not made.scalarised, "the library sees the objectives themselves"
    assert {trial.feasible for trial in made.trials} == {True, False}
    assert [trial.cell for trial in made.trials] == [
        trial.cell for trial in again.trials
    ]


def test_nothing_global_changes(capfd):
    filters = list(warnings.filters)
    level = logging.root.manager.disable
    for name in SWIFT:
        trajectory(resolve(name), TinySpace(), seed=0, n=20)
    assert (list(warnings.filters), logging.root.manager.disable) == (filters, level)
    printed = capfd.readouterr()
    assert not printed.out and not printed.err


def test_a_bridge_is_one_of_ours_and_can_be_pickled():
    for name in (*SWIFT, "smac"):
        entry = strategy_entry(name)
        assert entry.is_trusted and entry.label == name
        plain = resolve(name.partition("(")[0])
        assert (
            strategy_entry(plain).is_trusted
            and pickle.loads(pickle.dumps(plain)) is plain
        )
    made = resolve("optuna:TPESampler(n_startup_trials=3)")(nb201(), seed=0)
    assert made.knobs["n_startup_trials"] == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("optuna:TPE", "Unknown sampler of Optuna 'TPE'. Known: CmaEsSampler, "),
        ("optuna:TPESampler(n_startup=3)", "Did you mean 'n_startup_trials'"),
        (
            "optuna:TPESampler(n_startup_trials=few)",
            "must be a whole number, not 'few'",
        ),
        ("pymoo:NSGA", "Did you mean 'NSGA3'"),
        ("nevergrad:OnePlus", "Did you mean 'OnePlusOne'"),
        ("smac:Blackbox", "Did you mean 'BlackBox'"),
    ],
)
def test_wrong_names_are_one_line(name, said):
    with pytest.raises(UserError) as raised:
        resolve(name)
    assert (
        said in str(raised.value)
        and "\n" not in str(raised.value)
        and len(str(raised.value)) < 400
    )


@pytest.mark.parametrize("name", ["optuna:CmaEsSampler", "smac"])
def test_a_library_that_is_missing_is_named(name, monkeypatch):
    missing = "cmaes" if name == "optuna:CmaEsSampler" else name.partition(":")[0]
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    module = __import__(
        BRIDGES[name.partition(":")[0]].partition(":")[0], fromlist=["bridge"]
    )
    module.bridge.cache_clear()
    with pytest.raises(
        UserError,
        match=rf"{name} needs {missing}: pip install 'surrogate_nas\[bridges\]'",
    ):
        resolve(name)
    monkeypatch.undo()
    module.bridge.cache_clear()


def test_a_space_that_is_none_of_choices_is_refused():
    class Bare(Space):
        name = "bare"
        sample = mutate = neighbours = parse = None

    for name in SWIFT:
        with pytest.raises(UserError, match="needs a space of choices"):
            resolve(name)(Bare(), seed=0)


@pytest.mark.parametrize("name", ["pymoo:SPEA2", "pymoo:SMSEMOA"])
def test_a_run_leaves_nothing_to_the_next(name):
    """pymoo's default arguments are objects that remember, and as many objectives as the first run
    had.
    """
    alone = sn.search("fashion", name, "valid_loss", budget=45, run=1)
    assert len(sn.search("fashion", name, "valid_loss, macs", budget=45).trials) == 45
    assert [
        t.cell
        for t in sn.search("fashion", name, "valid_loss", budget=45, run=1).trials
    ] == [t.cell for t in alone.trials]


def asked_by(names):
    """What bridges ask for on a tiny space, and SMAC on a table."""
    made = sn.search("fcnet-protein", "smac", "valid_loss", budget=60)
    return [[str(trial.cell) for trial in made.trials]] + [
        [str(cell) for cell in trajectory(resolve(name), TinySpace(), seed=0, n=16)]
        for name in names
    ]


@pytest.mark.slow
def test_every_bridge_asks_the_same_in_another_process_with_another_hash_seed():
    names = [name for name in [*SWIFT, *OTHERS, *GAUSSIAN] if name != "pymoo:AGEMOEA"]
    assert elsewhere(asked_by, names) == asked_by(names)
