"""Strategies over epochs: their brackets and promotions, few epochs or none, and what they read
early.
"""

from collections import Counter

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.objective import Objective
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.space import Cell, Request, Trial, choices_of, nb201
from surrogate_nas.strategies import resolve
from surrogate_nas.strategies.epochs.rungs import rungs_of

SPACE = nb201()
OVER_EPOCHS = (
    "successive_halving",
    "hyperband",
    "bohb",
    "asha",
    "one_epoch",
    "bo_epochs",
)


def made(name, epochs):
    strategy = resolve(name)(SPACE, seed=0)
    strategy.epochs = epochs
    return strategy


def drive(strategy, n, score):
    """Ask one by one and tell at once."""
    asked = []
    for i in range(n):
        (one,) = strategy.ask(1)
        assert isinstance(one, Request)
        value = score(one)
        strategy.tell(
            [
                Trial(
                    i,
                    one.cell,
                    value,
                    value,
                    0.0,
                    True,
                    one.epochs,
                    1.0,
                    {f"x[{one.epochs}]": value},
                )
            ]
        )
        asked.append(one)
    return asked


def by_place(request):
    return float(request.cell.index)


def test_rungs_are_a_factor_apart_and_end_at_the_last_epochs():
    def epochs(*args):
        return [rung.epochs for rung in rungs_of(*args)]

    assert epochs((1, 2, 3, 4, 5), 3) == [1, 5]
    assert epochs((1, 2, 3, 4, 5), 2) == [1, 2, 5]
    assert (
        epochs((12, 200), 3) == [12, 200]
        and epochs((200,), 3) == [200]
        and epochs((), 3) == [None]
    )
    assert epochs((1, 3, 9, 27), 3, 2) == [9, 27]
    assert [rung.resource for rung in rungs_of((12,), 3, 3)] == pytest.approx(
        [12 / 9, 4, 12]
    )


def test_hyperband_cycles_through_its_brackets():
    asked = drive(made("hyperband", (1, 3, 9)), 9 + 3 + 1 + 5 + 1 + 3, by_place)
    lengths = [request.epochs for request in asked]
    assert lengths == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] + [9] * 3
    first = sorted(asked[:9], key=by_place)
    assert [r.cell for r in asked[9:12]] == [r.cell for r in first[:3]], (
        "the best third goes on, best first"
    )
    assert asked[12].cell == first[0].cell
    assert len({r.cell for r in asked}) == 9 + 5 + 3


def test_successive_halving_gives_each_rung_about_as_many_epochs():
    asked = drive(made("successive_halving", (12, 200)), 36, by_place)
    assert [request.epochs for request in asked] == ([12] * 17 + [200]) * 2
    assert asked[17].cell == min(asked[:17], key=by_place).cell


def test_a_bracket_that_waits_lets_the_next_begin():
    strategy = made("successive_halving", (1, 3))
    waiting = list(strategy.ask(7))
    assert [one.epochs for one in waiting if isinstance(one, Request)] == [1] * 7
    told = [
        Trial(i, r.cell, float(i), 0.0, 0.0, True, 1, 1.0)
        for i, r in enumerate(waiting)
        if isinstance(r, Request)
    ]
    strategy.tell(told[3:6][::-1])
    (best_of_second,) = strategy.ask(1)
    assert best_of_second == Request(told[3].cell, 3), (
        "told in another order, and before the first bracket"
    )


def test_asha_promotes_as_soon_as_a_cell_is_among_the_best_and_never_waits():
    strategy = made("asha", (1, 3, 9))
    asked = drive(strategy, 13, by_place)
    assert [r.epochs for r in asked[:4]] == [1, 1, 1, 3]
    assert asked[3].cell == min(asked[:3], key=by_place).cell
    assert 9 in {r.epochs for r in asked}
    assert max(Counter(asked).values()) == 1, "no cell goes on twice"
    assert [r.epochs for r in strategy.ask(20) if isinstance(r, Request)].count(1) >= 18


def test_one_epoch_skips_rungs_and_trains_the_best_of_all_that_were_looked_at():
    asked = drive(made("one_epoch", (1, 3, 9)), 40, by_place)
    assert [r.epochs for r in asked] == ([1] * 9 + [9]) * 4, (
        "as many epochs early as to the end"
    )
    trained = set()
    for place in (9, 19, 29, 39):
        early = [r for r in asked[:place] if r.epochs == 1 and r.cell not in trained]
        assert asked[place].cell == min(early, key=by_place).cell
        trained.add(asked[place].cell)


def test_bohb_draws_where_good_cells_are_dense():
    def convolutions(request):
        return -sum(choice == 2 for choice in request.cell.choices)

    asked = drive(resolved("bohb(random_fraction=0)", (27,)), 60, convolutions)
    early, late = (
        np.mean([convolutions(r) for r in part]) for part in (asked[:8], asked[-20:])
    )
    assert late < early - 1.5


def resolved(name, epochs):
    strategy = resolve(name)(SPACE, seed=1)
    strategy.epochs = epochs
    return strategy


def test_choices_that_are_no_cell_are_replaced_by_mutations(small_sample):
    strategy = resolve("bohb(random_fraction=0)")(small_sample, seed=0)
    for i in range(40):
        (cell,) = strategy.ask(1)
        assert isinstance(cell, Cell) and cell in small_sample
        strategy.tell([Trial(i, cell, float(cell.index), 0.0, 0.0, True, None, 1.0)])


@pytest.fixture
def small_sample():
    from surrogate_nas.space.product import Sampled

    rng = np.random.default_rng(0)
    return Sampled(
        SPACE, choices_of([SPACE[int(i)] for i in rng.permutation(len(SPACE))[:60]])
    )


@pytest.mark.parametrize(
    ("name", "seconds"), [(name, name in ("asha", "bo_epochs")) for name in OVER_EPOCHS]
)
def test_runs_over_two_runs_of_their_own_have_an_answer(name, seconds, small):
    budget = Budget(seconds=4000.0) if seconds else Budget(45)
    (run,) = Experiment(
        Objective("valid_error + 0.1*params", small), [name], 1, budget
    ).execute()
    assert not run.failure and run.incumbent.epochs == 200
    lengths = Counter(trial.epochs for trial in run.trials[10:])
    assert (
        lengths[12] > lengths[200] > 0
        and [trial.epochs for trial in run.trials[:10]] == [200] * 10
    )
    assert run.cost <= 4000.0 if seconds else len(run.trials) == 45


@pytest.mark.parametrize("name", OVER_EPOCHS)
def test_no_epochs_are_enough(name):
    run = sn.search("analog-cifar10", name, "digital_error", budget=24, run=3)
    assert len(run.answers) == len(run.trials) == 24


def test_what_a_request_may_read_is_told_and_nothing_else_is_read(small):
    assert Objective("valid_error", small).readable == {
        12: ("valid_error",),
        200: ("train_loss", "valid_error"),
    }
    fashion = Objective("valid_loss", sn.load("fashion")).readable
    assert set(fashion) == {1, 2, 3, 4, 5} and set(fashion[1]) >= {
        "train_loss",
        "valid_error",
    }
    assert not any(
        name.startswith("test") for names in fashion.values() for name in names
    )


def test_bo_over_epochs_chooses_what_ranks_cells_as_their_loss_does():
    objective = Objective("valid_loss", sn.load("fashion"))
    strategy = resolve("bo_epochs(first_cells=25)")(objective.benchmark.space, seed=0)
    strategy.epochs = objective.fidelities
    strategy.readable = objective.readable
    ledger = sn.AskTell(objective, "random", n_random=25)
    strategy.tell([ledger.tell(cell) for cell in ledger.ask(25)])
    looks = []
    for _ in range(26):
        (asked,) = strategy.ask(1)
        assert isinstance(asked, Request)
        looks.append(asked)
        strategy.tell([ledger.tell(asked)])
    assert [look.epochs for look in looks] == [1] * 26
    assert {look.cell for look in looks[:25]} == {
        trial.cell for trial in ledger.trials[:25]
    }
    assert strategy._link[0].startswith("train_")


def test_bo_over_epochs_is_bo_where_nothing_read_early_ranks_cells():
    strategy = made("bo_epochs", (1, 9))
    rng = np.random.default_rng(0)
    asked = drive(
        strategy,
        60,
        lambda request: (
            by_place(request) if request.epochs == 9 else float(rng.random())
        ),
    )
    assert {request.epochs for request in asked[-20:]} == {9}
