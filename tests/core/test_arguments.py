"""Arguments and options: a wrong type or value is a `UserError` that says what would be right,
whatever public function is called; options of a class are inherited, changed and given up.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from msgspec import Struct

import surrogate_nas as sn
from surrogate_nas.core.arguments import (
    check_argument,
    check_names,
    check_number,
    check_struct,
    check_whole,
    checked,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.results.api import read_comparison
from surrogate_nas.runs.options import Budget, ObjectiveOptions
from surrogate_nas.space import nb201
from surrogate_nas.strategies import resolve
from surrogate_nas.strategies.evolution import RegularisedEvolution

WRONG = [
    None,
    5,
    -3,
    2.5,
    float("nan"),
    True,
    "text",
    b"bytes",
    [],
    [1],
    {},
    {"a": 1},
    object(),
    ...,
    1j,
    "x" * 5000,
    "a\0b",
    "\udcff",
]
"""Of each kind one; some are right for some arguments."""
BENCH = sn.load("analog-cifar10")
OBJECTIVE = sn.Objective("digital_error", BENCH)
SPACE = BENCH.space
RUN = {"benchmark": BENCH, "objective": OBJECTIVE, "budget": 2}
CALLS = [
    (sn.load, {"name": "analog-cifar10"}),
    (sn.search, RUN | {"strategy": "random"}),
    (sn.compare, RUN | {"strategies": ["random"], "runs": 1}),
    (sn.Objective, {"expression": "digital_error", "benchmark": BENCH}),
    (sn.AskTell, {"objective": OBJECTIVE, "strategy": "random"}),
    (sn.loss, {"name": "digital_error"}),
    (sn.metric, {"name": "digital_error"}),
    (sn.latency, {"device": "raspi4"}),
    (sn.energy, {"device": "raspi4"}),
    (sn.ChoiceSpace, {"name": "a", "options": {"x": (1, 2)}}),
    (sn.ChoiceSpace, {"name": "a", "options": {"x": (1, 2)}}),
    (sn.Computed, {"space": SPACE, "metrics": {"valid_error": len}}),
    (
        sn.Training,
        {"space": SPACE, "train": len, "metrics": ["valid_error"], "epochs": 3},
    ),
    (BENCH.query, {"cells": SPACE[0]}),
    (BENCH.column, {"metric": "digital_error"}),
    (BENCH.metric, {"name": "digital_error"}),
    (SPACE.cell, {"given": SPACE[0]}),
    (SPACE.parse, {"text": str(SPACE[0])}),
    (Budget, {"cells": 2}),
    (read_comparison, {"folder": "none"}),
]
UNCHECKED = {
    ("search", "folder"),
    ("compare", "folder"),
    ("compare", "workers"),
    ("Computed", "network"),
    ("Training", "network"),
}
"""A text is a folder, a large number of workers is one, and a network is whatever the sizes ask of
it.
"""


def parameters(call):
    return [
        p.name
        for p in inspect.signature(call).parameters.values()
        if p.kind is not p.VAR_KEYWORD
    ]


CASES = [
    (call, given, name)
    for call, given in CALLS
    for name in parameters(call)
    if (call.__name__, name) not in UNCHECKED
]


@pytest.mark.parametrize(
    ("call", "given", "name"),
    CASES,
    ids=lambda part: getattr(part, "__name__", str(part)[:20]),
)
def test_a_wrong_type_is_a_user_error(call, given, name):
    for value in WRONG:
        try:
            call(**(given | {name: value}))
        except sn.UserError as error:
            assert len(str(error).splitlines()) == 1, error


@pytest.mark.parametrize("wrong", [b"bytes", 2.5, [], True])
def test_a_wrong_type_is_named(wrong):
    with pytest.raises(sn.UserError, match="folder must be .*a text or a path"):
        sn.compare(BENCH, ["random"], OBJECTIVE, runs=1, budget=2, folder=wrong)
    says = r"workers \(--workers\) must be a whole number or None, not"
    with pytest.raises(sn.UserError, match=says):
        sn.Resources(workers=wrong)


def test_numbers_of_numpy_are_numbers():
    @checked
    def given(n: int, x: float, seed: int | None = None):
        return [n, x, seed]

    assert list(map(type, given(np.int64(3), np.float32(0.5), np.int8(1)))) == [
        int,
        float,
        int,
    ]


def test_a_folder_may_be_text_and_counts_may_be_numpys(tmp_path):
    made = sn.compare(
        BENCH,
        ["random"],
        OBJECTIVE,
        runs=np.int64(1),
        budget=np.int64(3),
        folder=str(tmp_path),
    )
    assert (
        read_comparison(str(tmp_path)).scores("random").tolist()
        == made.scores("random").tolist()
    )


def test_fields_are_checked_too():
    class Knob(Struct):
        turns: int | None = None

        def __post_init__(self):
            check_struct(self)

    assert type(Knob(np.int64(2)).turns) is int
    with pytest.raises(
        sn.UserError, match="turns must be a whole number or None, not 'many'"
    ):
        Knob("many")
    with pytest.raises(sn.UserError, match="search_on_final must be a list of names"):
        ObjectiveOptions(search_on_final=3)


@pytest.mark.parametrize(
    "target",
    [10**400, -(10**400), 10**5000, float("inf"), float("nan")],
    ids=list("abcde"),
)
def test_a_number_that_no_float_holds_is_refused_in_a_line(target):
    with pytest.raises(
        sn.UserError, match=r"^target \(--target\) must be a finite number, not"
    ) as error:
        sn.search(**RUN, strategy="random", target=target)
    assert len(str(error.value)) < 200 and "\n" not in str(error.value)
    with pytest.raises(
        sn.UserError, match=r"^seed \(--seed\) must be a whole number of at least 0"
    ):
        sn.search(**RUN, strategy="random", seed=10**5000)


def test_a_wrong_keyword_names_the_function_and_the_nearest():
    comparison = RUN | {"strategies": ["random"], "n_rndom": 3}
    for call, given, says in (
        (
            sn.search,
            RUN | {"strategies": "random"},
            "'strategies'. Did you mean 'strategy'?",
        ),
        (sn.compare, comparison, "Did you mean 'n_random'?"),
        (
            sn.run_suite,
            {"suite": "starter", "target": 3.0},
            "run_suite() got an unexpected",
        ),
        (
            sn.AskTell,
            {"objective": OBJECTIVE, "frist": 3},
            "'frist'. Did you mean 'first'?",
        ),
        (
            sn.search,
            {"strategy": "random"},
            "search() missing a required argument: 'benchmark'",
        ),
    ):
        with pytest.raises(TypeError, match=re.escape(says)):
            call(**given)


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
    with pytest.raises(
        UserError, match="population must be a whole number of at least 1"
    ):
        Fixed(nb201(), seed=0, population=0)
    with pytest.raises(TypeError, match="Fixed has no option tournament"):
        Fixed(nb201(), seed=0, tournament=5)


REFUSED = {
    "N must be a whole number of at least 0, not True.": lambda: check_whole("N", True),
    "N must be a whole number of at least 1, not 0.": lambda: check_whole("N", 0, 1),
    "N must be a whole number from 0 to 9, not 10.": lambda: check_whole(
        "N", 10, most=9
    ),
    "N must be a whole number of at least 0, not 2.0.": lambda: check_whole("N", 2.0),
    "N must be a whole number of at least 0, not 922": lambda: check_whole("N", 2**63),
    "X must be a number of at least 0, not '1'.": lambda: check_number("X", "1"),
    "X must be a number of at least 0, not nan.": lambda: check_number(
        "X", float("nan")
    ),
    "X must be a number from 0 to 1, not 1.5.": lambda: check_number("X", 1.5, most=1),
    "X must be a finite number above 0, not 0.": lambda: check_number(
        "X", 0, above=True
    ),
    "F must be True or False, not 1.": lambda: check_argument("F", 1, bool),
    "A must be a text, not None.": lambda: check_argument("A", None, str),
    "L must be a list of names, not 'one'.": lambda: check_names("L", "one"),
    "L must be a list of names, not ['one', 2].": lambda: check_names("L", ["one", 2]),
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_value_is_checked_with_its_range(said):
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        REFUSED[said]()


def test_a_number_of_numpys_becomes_pythons_own():
    assert type(check_whole("N", np.int64(3))) is int
    assert type(check_number("X", np.float32(0.5))) is float
    assert check_argument("F", np.True_, bool) is True
    assert check_names("L", np.array(["a", "b"])) == ("a", "b")
