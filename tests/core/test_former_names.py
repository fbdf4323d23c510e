"""The names of 0.1.0 that work with a warning."""

import json

import pytest

import surrogate_nas as sn
from surrogate_nas.runs.sandbox import flags_of
from surrogate_nas.strategies.random_sampling import RandomSampling as Plain
from tests.conftest import CELL

NAME = "analog-cifar10"


def told_loop():
    loop = sn.AskTell(sn.Objective("digital_error", NAME), "random")
    loop.tell(loop.ask()[0])
    return loop


@pytest.mark.parametrize(
    ("call", "value", "told"),
    [
        (
            lambda: sn.load(NAME).query(CELL, "params", seed="mean"),
            802426,
            r"Benchmark\.query\(seed=\) is now Benchmark\.query\(training_seed=\)",
        ),
        (
            lambda: sn.load(NAME).column("params", seed="mean").size,
            15625,
            r"Benchmark\.column\(seed=\) is now Benchmark\.column\(training_seed=\)",
        ),
        (
            lambda: sn.Objective("digital_error", NAME, seed="mean").training_seed,
            "mean",
            r"Objective\(seed=\) is now Objective\(training_seed=\)",
        ),
        (
            lambda: sn.Objective("digital_error", NAME).seed,
            "mean",
            r"Objective\.seed is now training_seed",
        ),
        (
            lambda: sn.Objective("digital_error", NAME).known.terms,
            (),
            r"Objective\.known is now free",
        ),
        (
            lambda: told_loop().best.index,
            0,
            r"AskTell\.best is now incumbent",
        ),
        (
            lambda: sn.Objective("digital_error, params", NAME).parts,
            2,
            r"Objective\.parts is now n_objectives",
        ),
        (lambda: sn.load(NAME).cost, "queries", r"Benchmark\.cost is now cost_unit"),
        (lambda: sn.load(NAME).engine, "", r"Benchmark\.engine is now backend"),
        (
            lambda: len(sn.read_suite("starter").only(["fashion"]).problems),
            1,
            r"Suite\.only is now select",
        ),
        (
            lambda: sn.load("fashion").query(CELL, "valid_error").seed,
            "mean",
            r"Answer\.seed is now training_seed",
        ),
        (
            lambda: told_loop().trials[0].cost_seconds,
            1.0,
            r"Trial\.cost_seconds is now cost",
        ),
        (
            lambda: sn.search(NAME, "random", budget=12).simulated_seconds,
            12.0,
            r"Run\.simulated_seconds is now cost",
        ),
    ],
)
def test_a_name_of_0_1_0_works_with_a_warning(call, value, told):
    with pytest.warns(DeprecationWarning, match=told) as warned:
        assert call() == value
    assert [warning.filename for warning in warned] == [__file__]


def test_a_strategy_of_0_1_0_reads_free_terms_by_their_former_name():
    with pytest.warns(
        DeprecationWarning, match="Old.uses_known is now uses_free"
    ) as warned:

        class Old(Plain):
            uses_known = True

    assert warned[0].filename == __file__ and flags_of(Old).uses_free
    made = Old(sn.nb201(), seed=0)
    made.free = terms = object()
    with pytest.warns(DeprecationWarning, match="Old.known is now free"):
        assert made.known is terms


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            f"query {NAME} 0 --metric params --seed=0 --json",
            "--seed is now --training-seed",
        )
    ],
)
def test_a_flag_of_0_1_0_works_with_a_line(snas, command, told):
    run = snas(command)
    assert told in run.err and json.loads(run.out)
