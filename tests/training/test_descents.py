"""Local searches that move at once, that perturb instead of restarting, and random sampling with
replacement.
"""

import numpy as np
import pytest

from analysis.papers.landscape import DESCENTS
from surrogate_nas.contract.checks import TinySpace, trials_of
from surrogate_nas.space import NB201, ChoiceSpace
from surrogate_nas.strategies import resolve

RUGGED = ChoiceSpace("rugged", {place: ["a", "b", "c", "d"] for place in "vwxyz"})
AWAY = np.array(
    [sum(c != 3 for c in cell.choices) for cell in RUGGED], dtype=np.float64
)
VALUES = AWAY + np.random.default_rng(1).normal(0, 0.8, len(RUGGED))
"""A loss with a few local optima: a hill, and noise of its own on every cell."""


def cells_to_optimum(name, seed):
    made = resolve(name)(RUGGED, seed=seed)
    seen = set[int]()
    while int(VALUES.argmin()) not in seen:
        asked = made.ask(1)
        seen.update(cell.index for cell in asked)
        made.tell(trials_of(asked, lambda cell: float(VALUES[cell.index])))
    return len(seen)


@pytest.mark.parametrize(
    ("name", "direct"),
    [("local_search", "steepest"), ("first_improvement", "first improvement")],
)
def test_a_search_needs_as_many_cells_as_its_direct_version(name, direct):
    rng = np.random.default_rng(0)
    around = np.array(
        [[cell.index for cell in RUGGED.neighbours(centre)] for centre in RUGGED]
    )
    ours = np.mean([cells_to_optimum(name, seed) for seed in range(100)])
    theirs = np.mean([DESCENTS[direct](VALUES, around, rng) for _ in range(300)])
    assert ours == pytest.approx(theirs, rel=0.15)


def test_first_improvement_moves_as_soon_as_it_is_told_of_something_better(space):
    made = resolve("first_improvement")(space, seed=0)
    centre = space[0]
    made.tell(trials_of([centre], lambda _: 1.0))
    worse, better = made.ask(2)
    assert {worse, better} <= set(space.neighbours(centre))
    made.tell(trials_of([worse], lambda _: 2.0))
    made.tell(trials_of([better], lambda _: 0.0))
    assert set(made.ask(5)) <= set(space.neighbours(better)) - {centre}


def test_iterated_local_search_goes_on_near_the_best_local_optimum():
    space = NB201()
    made = resolve("iterated_local_search(steps=1)")(space, seed=0)
    centre = space[100]
    made.tell(
        trials_of(
            [centre, *space.neighbours(centre)], lambda cell: float(cell != centre)
        )
    )
    (after,) = made.ask(1)
    assert (
        2
        <= sum(a != b for a, b in zip(after.choices, centre.choices, strict=True))
        <= 3
    )


@pytest.mark.parametrize(
    "name", ["local_search", "first_improvement", "iterated_local_search"]
)
def test_what_is_under_way_is_not_asked_again(name):
    space = TinySpace()
    made = resolve(name)(space, seed=3)
    asked = []
    made.tell(trials_of(space[:4]))
    while len(asked) < 12:
        asked += made.ask(2)
    assert len(set(asked[:5])) == 5, "the neighbours of the best, each once"


def test_random_sampling_draws_with_replacement():
    cells = resolve("random_sampling")(TinySpace(), seed=0).ask(24)
    assert 5 < len(set(cells)) < 24
