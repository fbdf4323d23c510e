"""A plan foretells how often a study decides: by the same procedure, from a pilot on a table."""

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.results.api import run_suite
from surrogate_nas.results.plan import plan
from surrogate_nas.results.verdict import ends_of
from surrogate_nas.runs.problem import Entry, Problem, Suite
from surrogate_nas.space import Enumerable
from surrogate_nas.stats.decision import decide
from surrogate_nas.strategies import Strategy
from tests.conftest import assert_one_clear_line

PROBLEM = Problem("fashion", "valid_loss", name="fashion", budget=1, n_random=0)
FEW = [Problem("fashion", name="fashion", budget=20)]


def test_the_foretold_power_is_that_of_real_studies():
    """Studies of 12 runs of two strategies on a table, one of which is worse by a known number in
    all its runs.
    """
    studies = 80
    runs = 12
    shift = 0.35
    found = plan([PROBLEM], ["random"], differences=[shift], runs=[runs], seed=5)
    (foretold,) = found.differences[0]["power"]
    entry = Entry("random", 2 * studies * runs)
    result = run_suite(Suite("real", "Real runs", [PROBLEM], [entry], seed=6))
    better, worse = np.split(ends_of(["random"], result.problems)["random"][0], 2)
    decided = []
    for one, other in zip(
        np.split(better, studies), np.split(worse, studies), strict=True
    ):
        study = decide({"better": [one], "worse": [other + shift]})
        decided.append(study.decided and study.leader == "better")
    assert 0.2 < foretold["power"] < 0.95
    assert abs(np.mean(decided) - foretold["power"]) <= 0.2


@pytest.fixture
def fewer(monkeypatch):
    """A quarter of the usual studies are drawn."""
    monkeypatch.setattr("surrogate_nas.results.plan._STUDIES", 100)


@pytest.mark.usefixtures("fewer")
def test_more_runs_and_larger_differences_have_more_power():
    found = plan(FEW, ["random"], differences=[0.3, 0.9], runs=[6, 30], pilot_runs=20)
    small, large = found.differences
    assert small["power"][0]["power"] < small["power"][1]["power"]
    assert small["power"][1]["power"] <= large["power"][1]["power"]
    assert (
        small["runs_needed"] is None
        or large["runs_needed"] is not None
        and large["runs_needed"] < small["runs_needed"]
    )
    needed = large["runs_needed"]
    assert needed is not None
    (again,) = plan(
        FEW,
        ["random"],
        differences=[0.9],
        runs=[needed, max(needed // 2, 1)],
        pilot_runs=20,
    ).differences
    assert again["power"][0]["power"] > 0.7 > again["power"][1]["power"]


@pytest.mark.usefixtures("fewer")
def test_several_problems_need_fewer_runs_of_each():
    both = [
        Problem("fashion", objective, name=name, budget=20)
        for name, objective in (("l", "valid_loss"), ("r", None))
    ]
    one = plan(both[1:], ["random"], differences=[0.9], pilot_runs=20).differences[0][
        "runs_needed"
    ]
    two = plan(both, ["random"], differences=[0.9], pilot_runs=20).differences[0][
        "runs_needed"
    ]
    assert one is not None and two is not None and two < one


@pytest.mark.usefixtures("fewer")
def test_the_command_says_it_and_prints_json(snas):
    command = "plan fashion --budget 20 --pilot 10 --difference 1 --runs 8"
    made = snas(f"{command} --json").json
    assert (made["problems"], made["pilot_runs"]) == (["fashion"], 10)
    (one,) = made["differences"]
    assert one["difference"] == 1 and one["power"][0]["runs"] == 8
    assert 0 <= one["power"][0]["power"] <= 1
    said = snas(command).out
    assert (
        "The assumption is that runs vary as those of" in said
        and "power of 8 runs" in said
    )


BAD = """
live:digits: Plan on a table instead
starter fashion: starter is a suite
starter --objective valid_loss: defines its own objectives
fashion --difference -1: must be a finite number above 0
fashion --difference wide: A difference must be a number
fashion --runs 2.5: must be a whole number
fashion --runs inf: must be a whole number
fashion --pilot 3: runs of the pilot
"""


@pytest.mark.parametrize("line", BAD.strip().splitlines())
def test_bad_input_is_one_line(snas, line):
    given, _, says = line.partition(": ")
    assert_one_clear_line(snas(f"plan {given}"), says)


def test_runs_that_all_end_alike_say_nothing():
    with pytest.raises(UserError, match="end alike"):
        plan([PROBLEM], [Same], pilot_runs=10)


class Same(Strategy):
    """Always the same cell."""

    def ask(self, n):
        assert isinstance(self.space, Enumerable)
        return [self.space[0]] * n
