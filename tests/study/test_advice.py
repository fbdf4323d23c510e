"""Advice where the right answer is known, and how it is told."""

from __future__ import annotations

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.study.advice import (
    Evidence,
    Pilot,
    Score,
    advise,
    pilot_of,
    power,
    scored,
    settled,
)
from surrogate_nas.study.orders import Signal, SignalTable
from surrogate_nas.study.pilot import of_tasks
from surrogate_nas.study.random_effects import combine
from surrogate_nas.study.signals import MARKS, SIGNALS, TRAIN_LOSS, VALID_MEASURE
from tests.study.pilots import END, KEYS, TRAIN, table

SOURCES = 8


def world(
    noise: dict[str, float], early: float, seed: int = 0, cells: int = 100
) -> dict[str, list[SignalTable]]:
    """Sources with the noise of every signal at the end, and more noise the earlier it is."""
    every = {}
    for what, mark in [(what, mark) for what in SIGNALS for mark in MARKS]:
        every[Signal(what, mark)] = noise[what] + early * (1 - mark)
    found = {}
    for number in range(SOURCES):
        name = f"source {number}"
        found[name] = [table(every, cells=cells, seed=100 * seed + number, source=name)]
    return found


def advised(tables: dict[str, list[SignalTable]], *, own: bool) -> Signal:
    (name, first), *others = tables.items()
    return Evidence(dict(others), first if own else [], END).advised()


def test_a_training_loss_that_is_better_everywhere_is_advised() -> None:
    tables = world({"train loss": 0.2, "valid loss": 0.8, "valid measure": 0.8}, early=3.0)
    assert advised(tables, own=False) == advised(tables, own=True) == TRAIN
    found = scored(tables)
    assert all(one.known and one.is_hit and one.gain > 0.05 for one in found)
    score = Score.of(found)
    assert (score.known, score.hits, score.close) == (SOURCES, SOURCES, SOURCES)
    assert score.interval is not None and score.interval[0] > 0.05


def test_an_early_signal_that_is_as_good_is_advised() -> None:
    tables = world(dict.fromkeys(SIGNALS, 0.2), early=0.02, cells=200)
    found = advised(tables, own=True)
    assert found.at == MARKS[0]
    score = Score.of(scored(tables, piloted=True))
    assert score.run < 0.5 and score.close == score.known > 0 and score.piloted


def test_nothing_is_advised_where_nothing_is_better() -> None:
    known = 0
    for seed in range(6):
        tables = world(dict.fromkeys(SIGNALS, 0.6), early=3.0, seed=seed)
        known += sum(one.known for one in scored(tables))
    assert known <= 2, "of 48, each with a probability of 5 % at most"


def test_a_source_of_its_own_kind_is_advised_by_its_pilot() -> None:
    tables = world({"train loss": 0.2, "valid loss": 0.8, "valid measure": 0.8}, early=3.0)
    noise = {Signal(what, mark): 3.0 for what in SIGNALS for mark in MARKS} | {END: 0.1}
    tables["odd"] = [table(noise, cells=200, seed=5, source="odd")]
    alone, piloted = scored(tables)[-1], scored(tables, piloted=True)[-1]
    assert alone.signal == TRAIN and not alone.is_hit and alone.gain < -0.3
    assert piloted.signal == END and not piloted.known and piloted.gain == 0


def test_the_power_of_a_pilot_is_how_often_it_settles() -> None:
    rng = np.random.default_rng(3)
    now = combine(rng.normal(0.03, 0.06, 10), np.full(10, 0.001)).new
    for variance in (0.001, 0.0003):
        settles = []
        for _ in range(200):
            one = rng.choice(len(now.weights), p=now.weights)
            true = rng.normal(now.means[one], now.errors[one])
            seen = now.seen(rng.normal(true, np.sqrt(variance)), variance)
            settles.append(bool(settled(*seen.interval())))
        assert power(now, variance) == pytest.approx(np.mean(settles), abs=0.12)
    assert power(now, 1e-6) > 0.95 and power(now, 1.0) < 0.05


def test_the_pilot_is_the_smallest_that_tells() -> None:
    tables = world(dict.fromkeys(SIGNALS, 0.6), early=3.0, cells=50)
    evidence = Evidence(tables, [], END)
    found = pilot_of(evidence)
    assert found.cells is not None and found.cells > 10 and found.seeds == 2
    sure = world({"train loss": 0.1, "valid loss": 2.0, "valid measure": 2.0}, early=3.0)
    assert pilot_of(Evidence(sure, [], END)) == Pilot(0, 0)
    assert pilot_of(Evidence({}, [table({END: 0.5})], END)) == Pilot(None, None)


def test_few_sources_say_nothing_of_another() -> None:
    tables = world({"train loss": 0.2, "valid loss": 0.8, "valid measure": 0.8}, early=3.0)
    two = dict(list(tables.items())[:2])
    assert Evidence(two, [], END)(TRAIN, END) is None
    assert Evidence(two, [], END).advised() == END
    assert Evidence(two, tables["source 5"], END).advised() == TRAIN, "its own cells tell"


def test_every_shipped_table_is_read() -> None:
    tables = of_tasks()
    assert len({one.source for one in tables}) >= 8 and len(tables) >= 18
    for one in tables:
        assert one.goal.shape == (one.seeds, len(one.cells)) and END in one.signals, one.name
        assert one.is_tested and Signal(TRAIN_LOSS) in one.signals
    assert all(one.reference.what == "valid loss" for one in of_tasks("loss"))


@pytest.mark.parametrize("what", ["digits", "live:fashion", "scripture"])
def test_a_task_is_told_in_five_lines(what: str) -> None:
    found = advise(what)
    assert 2 <= len(found.sentences) <= 5 and all(found.sentences)
    content = found.to_json()
    assert content.keys() == KEYS and content["known"] == found.known
    assert content["evidence"]["sources"] >= 3
    here = {one.name for one in of_tasks()}
    assert bool(content["evidence"]["own_cells"]) == (what.removeprefix("live:") in here)
    assert [score["piloted"] for score in content["evidence"]["scores"]] == [False, True]
    assert content["signal"] == "valid_error" or found.known


def test_a_benchmark_is_judged_by_its_own_seeds() -> None:
    found = advise("fashion")
    assert found.prior is None and found.own[1] == 3 and not found.scores
    assert "Early points are of whole runs" in found.sentences[-1]
    trained = advise("losses-rotation")
    assert trained.what == "losses-rotation/trained" and min(trained.own) >= 2
    assert advise("fashion", goal="loss").reference.what == "valid loss"


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("no-such-thing", "Unknown benchmark, task or file 'no-such-thing'"),
        ("nbgraph-cora", "nbgraph-cora has one seed"),
        ("fcnet-naval", "no validation measure at the end"),
        ("live:no-such-task", "Unknown"),
        ("nowhere.csv", "There is no file nowhere.csv"),
    ],
)
def test_what_cannot_tell_says_why(what: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        advise(what)
    assert VALID_MEASURE == END.what
