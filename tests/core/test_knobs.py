"""Options that a class declares once: inherited, changed, given up, checked and refused."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.strategies import resolve
from surrogate_nas.strategies.evolution import RegularisedEvolution


class Fixed(RegularisedEvolution):
    """Its tournament is no option any more."""

    tournament = 2


class Own(RegularisedEvolution):
    """Its constructor is its own, as in a user's file."""

    def __init__(self, space: Any, *, seed: int, step: int = 1) -> None:
        super().__init__(space, seed=seed, population=4)
        self.step = step


class Silent(Own):
    """Has the constructor of its base."""


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (RegularisedEvolution, ["population", "tournament"]),
        (Fixed, ["population"]),
        (Own, ["step"]),
        (Silent, ["step"]),
        (resolve("random"), []),
    ],
)
def test_a_signature_names_the_options_of_a_class(kind, options):
    assert list(inspect.signature(kind).parameters)[2:] == options


def test_options_are_checked_where_they_are_given():
    made = Own(nb201(), seed=0, step=3)
    assert (made.step, made.population, made.tournament) == (3, 4, 3)
    assert Fixed(nb201(), seed=0, population=7).tournament == 2
    with pytest.raises(UserError, match="population must be a whole number of at least 1"):
        Fixed(nb201(), seed=0, population=0)
    with pytest.raises(TypeError, match="Fixed has no option tournament"):
        Fixed(nb201(), seed=0, tournament=5)
