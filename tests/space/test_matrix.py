"""Every strategy and a bridge to every library, on every kind of benchmark: short runs from start
to answer.

It reads the registry, so that a new strategy is covered without being mentioned.
"""

from __future__ import annotations

import math
import pickle
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.contract import check
from surrogate_nas.contract.checks import trajectory
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.strategies import STRATEGIES, resolve
from surrogate_nas.tables import Table, write_table
from tests import examples_sampled, tiny_task
from tests.conftest import SWIFT_STRATEGIES
from tests.sampled_space import sampled
from tests.stored_model import stored

BRIDGED = (
    "optuna:TPESampler",
    "pymoo:NSGA2(pop_size=8)",
    "nevergrad:OnePlusOne",
    "smac",
)
NAMES = (*STRATEGIES, *BRIDGED)
COSTLY = {"gnn_guided", "npenas"}
"""Strategies that train a network before they ask."""
FEW = 12


class Place(NamedTuple):
    """Where strategies are run.

    Attributes:
        objective: What is minimised.
        limit: What cells are subject to; about half of them keep it.
        workers: Simulated ones.
    """

    objective: str
    limit: str
    workers: int


PLACES = {
    "table": Place("valid_loss + 0.1*params", "params <= 15000", 1),
    "table, four workers": Place("valid_loss + 0.1*params", "params <= 15000", 4),
    "table, two objectives": Place("valid_loss, macs", "params <= 15000", 3),
    "live": Place("valid_loss + 0.1*params", "params <= 1500", 2),
    "surrogate": Place("valid_loss + 0.1*params", "params <= 15000", 2),
    "sampled": Place("valid_error + 0.1*latency@mine", "latency@mine <= 1.5", 3),
    "not listed": Place("valid_error + 0.1*latency@mine", "latency@mine <= 9.1", 3),
}


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    """The benchmark of a place, opened when it is first asked for."""
    folder = tmp_path_factory.mktemp("matrix")
    opened = dict[str, Benchmark]()

    def bench(place):
        kind = place.partition(",")[0]
        if kind not in opened:
            opened[kind] = make(kind)
        return opened[kind]

    def make(kind):
        fashion = sn.load("fashion")
        if kind == "live":
            return sn.load(f"live:{tiny_task.__file__}:TINY")
        if kind == "surrogate":
            assert isinstance(fashion, TableBenchmark)
            return sn.load(
                f"surrogate:{stored(fashion, 'valid_loss', folder / 'loss.h5')}"
            )
        if kind == "sampled":
            write_table(sampled_table(), folder / "part.h5")
            return TableBenchmark(folder / "part.h5")
        return examples_sampled.BENCH if kind == "not listed" else fashion

    return bench


def sampled_table():
    """300 of 65,536 cells, without epochs: what comes later in their order is better and slower."""
    table = Table(
        "part",
        sampled(300).definition,
        "t",
        "s",
        "l",
        "c",
        "valid_error",
        Network(),
        cost="queries",
    )
    table.add(
        Metric("valid_error", "%", "search", "error"), None, np.linspace(90, 10, 300)
    )
    table.add(
        Metric("latency@mine", "ms", "search", "cost"), None, np.linspace(1.0, 2.0, 300)
    )
    return table


def made(bench, name, place, cells):
    objective, limit, workers = PLACES[place]
    return sn.search(
        bench,
        name,
        objective,
        subject_to=limit,
        budget=cells,
        resources=sn.Resources(simulated_workers=workers),
        seed=1,
    )


def holds(run, bench, place, cells):
    """What every run keeps."""
    assert not run.failure and len(run.trials) == cells
    assert all(
        trial.cell in bench.space and math.isfinite(trial.score) for trial in run.trials
    )
    assert [trial.index for trial in run.trials] == list(range(cells))
    ends = [trial.finished for trial in run.trials]
    assert ends == sorted(ends)
    name, bound = PLACES[place].limit.split(" <= ")
    for trial in run.trials:
        assert trial.feasible == (trial.values[name] <= float(bound))
    feasible = [trial.score for trial in run.trials if trial.feasible]
    infeasible = [trial.score for trial in run.trials if not trial.feasible]
    assert feasible, "about half of all cells are"
    assert max(feasible) < min(infeasible, default=math.inf)
    assert run.lowest.feasible and run.lowest.score == min(
        trial.score for trial in run.answers
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COSTLY])
def test_on_a_table(name, benches):
    bench = benches("table")
    holds(made(bench, name, "table", FEW), bench, "table", FEW)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "place"), [(name, [*PLACES][1 + i % 6]) for i, name in enumerate(NAMES)]
)
def test_at_another_place(name, place, benches):
    bench = benches(place)
    first, again = (made(bench, name, place, FEW) for _ in range(2))
    holds(first, bench, place, FEW)
    assert [(t.cell, t.epochs, t.score) for t in first.trials] == [
        (t.cell, t.epochs, t.score) for t in again.trials
    ]
    if "two" in place:
        assert first.scalarised != resolve(name).many_objectives
        assert all(len(trial.scores) == 2 for trial in first.trials)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in STRATEGIES if resolve(name).chooses_epochs]
)
def test_over_epochs(name):
    """Those that choose epochs read less than everybody, and answer after the objective's own."""
    run = sn.search(
        "fashion",
        name,
        "valid_loss + 0.1*params",
        budget=60,
        resources=sn.Resources(simulated_workers=3),
    )
    whole = sn.Objective("valid_loss", sn.load("fashion")).epochs
    read = {trial.epochs for trial in run.trials}
    assert whole in read and len(read) > 1
    assert run.incumbent.epochs == whole


WHOLE = ("darts", "macro", "nbgraph", "nbgraph-proteins", "fcnet", "hpobench")
PARTS = ("nbnlp", "graphgym-wide", "scan-llm", "scan-vlm", "scan-tabpfn")
"""Of which tables hold some of the cells."""
SPACES = (*WHOLE, *PARTS, "wide")


@cache
def space_of(name):
    """A space, or as many of its cells as a small table holds."""
    if name not in PARTS:
        return sampled(400) if name == "wide" else space_named(name)
    space = space_named(name)
    rng = np.random.default_rng(0)
    return Sampled(
        space,
        np.array(
            sorted({space.sample(rng).choices for _ in range(120)}), dtype=np.int8
        ),
    )


@pytest.mark.parametrize(
    ("name", "space"),
    [(name, SPACES[i % len(SPACES)]) for i, name in enumerate(SWIFT_STRATEGIES)],
)
def test_a_run_stays_inside_a_space_and_is_repeated(name, space):
    where = space_of(space)
    run, again = (
        trajectory(resolve(name), one, seed=0, n=20)
        for one in (where, pickle.loads(pickle.dumps(where)))
    )
    assert run == again


@pytest.mark.parametrize("space", SPACES[::3])
def test_a_strategy_keeps_the_whole_contract_on_a_space(space):
    """Of space and strategy the space is what differs; every strategy keeps it on three spaces
    elsewhere.
    """
    assert not [
        found for found in check("local_search", space_of(space)) if not found.passed
    ]
