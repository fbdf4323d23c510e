"""The frame of the model-guided strategies: what the model is told, what may be asked, and what is
asked first.
"""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.contract.checks import (
    TinySpace,
    draw,
    synthetic,
    trajectory,
    trials_of,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.strategies import resolve
from surrogate_nas.strategies.guided import ACQUISITIONS, POOLS, Guided, LossPosterior

SLOW = pytest.param("gnn_guided", marks=pytest.mark.slow)
SWIFT = {"model": "ridge", "pool": "all"}


class Priced:
    """Knows λR of every cell, and which cells keep a limit."""

    whole = (False,)

    def penalty(self, cells):
        return np.array([float(cell.choices[0]) for cell in cells])

    def feasible(self, cells):
        return np.array([cell.choices[1] != 0 for cell in cells])


def told(made, cells, score=synthetic):
    made.tell(trials_of(cells, score))
    return made


def test_expected_improvement_is_that_of_the_score():
    rng = np.random.default_rng(0)
    posterior = LossPosterior(
        np.array([-1.0, 0.0]), np.array([0.5, 1.0]), np.array([0.2, 0.1]), 1.0, 1.8
    )
    drawn = (
        1
        + np.exp(posterior.mean + posterior.std * rng.standard_normal((400_000, 2)))
        + posterior.penalty
    )
    expected = np.maximum(posterior.best - drawn, 0).mean(axis=0)
    np.testing.assert_allclose(
        -ACQUISITIONS["expected_improvement"](posterior, rng), expected, rtol=0.02
    )


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_every_acquisition_prefers_what_is_better_and_what_is_cheaper(name):
    rng = np.random.default_rng(0)
    small = np.full(2, 1e-3)
    for best in (0.0, 1.5, 9.0):
        better = LossPosterior(np.array([0.0, 1.0]), small, np.zeros(2), 0.0, best)
        cheaper = LossPosterior(np.zeros(2), small, np.array([0.0, 1.0]), 0.0, best)
        for posterior in (better, cheaper):
            assert ACQUISITIONS[name](posterior, rng).argmin() == 0


@pytest.mark.parametrize("pool", POOLS)
def test_every_pool_gives_cells_and_only_those_never_asked_for_are_asked(pool, space):
    cells = draw(space, 30)
    made = told(Guided(space, seed=0, model="ridge", pool=pool), cells)
    asked = [cell for _ in range(4) for cell in made.ask(3)]
    assert len(asked) == len(set(asked)) == 12
    assert not set(asked) & set(cells)


def test_a_batch_holds_no_two_cells_of_one_function(space):
    asked = told(Guided(space, seed=0, **SWIFT), draw(space, 30)).ask(20)
    assert len({space.identity(cell) for cell in asked}) == len(asked) == 20


def test_what_is_known_for_free_is_not_learned_but_heeded():
    space = TinySpace()
    made = Guided(space, seed=0, acquisition="greedy", **SWIFT)
    made.free = Priced()
    cells = space[:16:3]
    priced = Priced().penalty

    def score(cell):
        return cell.choices[2] / 10 + priced([cell])[0]

    asked = told(made, cells, score).ask(1)
    np.testing.assert_allclose(made._losses(), [cell.choices[2] / 10 for cell in cells])
    assert asked[0].choices[0] == 0 and asked[0].choices[1] != 0


def test_a_model_that_cannot_read_the_space_is_replaced():
    assert resolve("gnn_guided")(TinySpace(), seed=0).model == "gp"


@pytest.mark.parametrize("name", ["guided", "forest", "npenas", "bananas", SLOW])
def test_the_zoo_beats_random_search(name, space):
    """By what it asks for late; one lucky cell decides nothing."""
    late = [
        list(map(synthetic, trajectory(resolve(n), space, seed=0, n=60)))[30:]
        for n in (name, "random")
    ]
    assert np.mean(late[0]) < np.mean(late[1]) - np.std(late[1]) / 3


def test_it_runs_under_a_cap_with_workers_and_several_objectives():
    bench = sn.load("fashion")
    objective = sn.Objective(
        "valid_loss + 0.1*params", bench, subject_to="params <= 5000"
    )
    run = sn.search(
        bench,
        "guided",
        objective,
        budget=40,
        seed=0,
        resources=sn.Resources(simulated_workers=4),
    )
    assert len({trial.cell for trial in run.trials}) == 40
    assert all(trial.feasible for trial in run.trials[20:])
    several = sn.search(
        bench, "guided", sn.Objective("valid_loss, params", bench), budget=40, seed=0
    )
    assert len({trial.cell for trial in several.trials}) == 40


def test_a_functional_twin_of_a_told_cell_is_believed_to_lose_as_much(space):
    cells = draw(space, 30)
    told_class = space.identity(cells[0])
    twin = next(
        cell
        for cell in space
        if cell not in cells and space.identity(cell) == told_class
    )
    made = told(Guided(space, seed=0, model="ridge"), cells)
    model, floor = made._model()
    assert model is not None
    posterior = made._posterior(model, floor, [twin], best=0.0)
    losses = [
        synthetic(cell) - floor for cell in cells if space.identity(cell) == told_class
    ]
    assert posterior.mean[0] == pytest.approx(np.log(losses).mean())


def test_networks_read_paths_where_the_space_has_them(space):
    assert resolve("bananas")(space, seed=0)._settings == {
        "encoding": "paths",
        "steps": 80,
    }
    assert resolve("bananas")(TinySpace(), seed=0)._settings["encoding"] is None
    assert resolve("bananas(encoding=one_hot,steps=3)")(space, seed=0)._settings == {
        "encoding": "one_hot",
        "steps": 3,
    }
    with pytest.raises(
        UserError, match="Unknown encoding of nb201 'path'. Did you mean 'paths'"
    ):
        resolve("bananas(encoding=path)")(space, seed=0)
    with pytest.raises(UserError, match="steps must be"):
        resolve("bananas(steps=0)")(space, seed=0)


def test_no_question_waits_for_a_survey_of_the_space(space, monkeypatch):
    made = told(Guided(space, seed=0), space[::1500])
    # what surveys a space by one encoding
    monkeypatch.setattr("surrogate_nas.surrogates.base._encoded", None)
    assert made.ask(1)[0] in space
