"""The loop by hand: what may be told, what may not, and evaluations that failed."""

import math

import numpy as np
import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.objective import Objective
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.space.trial import Request

SPACE = sn.ChoiceSpace(
    "listed", {f"layer{place}": ("skip", "conv", "pool") for place in range(6)}
)
CHEAP = {
    "valid_error": lambda cell: 20.0 - sum(cell.choices),
    "latency@mine": lambda cell: 1.0 + cell.choices[0],
}
BENCH = sn.Computed(SPACE, CHEAP, cheap=True)
DEAR = sn.Computed(SPACE, CHEAP, name="dear")
ALONE = "valid_error"
WITH_R = "valid_error + 0.1*latency@mine"
FRONT = "valid_error, latency@mine"
REASON = "out of memory"


@pytest.fixture
def loop():
    return sn.AskTell(Objective(WITH_R, BENCH), "random")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "valid_error of .* is missing"),
        (
            {"valid_error": None},
            "valid_error of .* is missing. Report a failed evaluation with fail",
        ),
        ({"latency@mine": 2.0}, "valid_error of .* is missing"),
        (
            {"valid_error": 9.0, "valid_eror": 8.0},
            "Unknown metric of this objective 'valid_eror'. Did you mean 'valid",
        ),
        (
            {"valid_error": 9.0, "test_error": 9.5},
            "Unknown metric of this objective 'test_error'.*Known: latency@mine",
        ),
        ({"valid_error": math.nan}, "not nan. Report a failed evaluation with fail"),
        ({"valid_error": -math.inf}, "not -inf. Report a failed evaluation with fail"),
        ({"valid_error": 10**400}, "Report a failed evaluation with fail"),
        ({"valid_error": "low"}, "must be a finite number, not 'low'"),
        ({"valid_error": True}, "must be a finite number, not True"),
        ({"valid_error": 9.0, "latency@mine": math.nan}, "latency@mine of .* not nan"),
        (math.nan, "not nan. Report a failed evaluation with fail"),
        ("9", "values must be a mapping of metrics to numbers, or one number, not '9'"),
        (
            True,
            "values must be a mapping of metrics to numbers, or one number, not True",
        ),
        ([9.0], "values must be a mapping of metrics to numbers"),
    ],
)
def test_what_is_no_result_is_refused_and_changes_nothing(loop, values, says):
    (cell,) = loop.ask()
    with pytest.raises(sn.UserError, match=says):
        loop.tell(cell, values)
    assert not loop.trials
    with pytest.raises(sn.UserError, match="No trial has the objective's epochs yet"):
        loop.incumbent  # noqa: B018
    assert loop.tell(cell, {"valid_error": 9.0}).loss == pytest.approx(0.09)


def test_one_number_is_the_one_metric_that_is_not_known(loop):
    (cell,) = loop.ask()
    trial = loop.tell(cell, 9.0)
    assert trial.values == {"valid_error": 9.0, "latency@mine": 1.0 + cell.choices[0]}
    with pytest.raises(
        sn.UserError,
        match=r"One number is not enough: report valid_error, latency@mine by name",
    ):
        sn.AskTell(Objective(WITH_R, DEAR), "random").tell(cell, 9.0)


def test_a_cost_that_a_function_computes_must_be_told():
    loop = sn.AskTell(Objective(WITH_R, DEAR), "random")
    with pytest.raises(sn.UserError, match="latency@mine of .* is missing"):
        loop.tell(SPACE[4], {"valid_error": 9.0})
    assert (
        loop.tell(SPACE[4], {"valid_error": 9.0, "latency@mine": 2.0}).values[
            "latency@mine"
        ]
        == 2.0
    )


@pytest.mark.parametrize("cost", [-1.0, math.nan, math.inf, "long"])
def test_a_cost_is_a_number(loop, cost):
    for tell in (
        lambda: loop.tell(SPACE[1], 9.0, cost=cost),
        lambda: loop.fail(SPACE[1], REASON, cost=cost),
    ):
        with pytest.raises(sn.UserError, match="The cost of an evaluation must be"):
            tell()
    assert not loop.trials


def test_a_failed_evaluation_is_charged_and_never_the_best(loop):
    failed = loop.fail(loop.ask()[0], "  out of\n memory ", cost=7.0)
    assert (
        failed.failure == REASON
        and not failed.feasible
        and failed.cost == failed.finished == 7.0
    )
    assert not failed.values and math.isnan(failed.loss) and math.isnan(failed.penalty)
    with pytest.raises(
        sn.UserError,
        match="The first failure: 'out of memory'",
    ):
        loop.incumbent  # noqa: B018
    told = loop.tell(
        loop.ask()[0], {"valid_error": 99.0, "latency@mine": 3.0}, cost=2.0
    )
    assert loop.incumbent is told and told.score < failed.score and told.finished == 9.0
    for reason in ("", "  ", None, 5):
        with pytest.raises(sn.UserError, match="reason"):
            loop.fail(SPACE[1], reason)
    with pytest.raises(sn.UserError):
        loop.fail("no cell", REASON)
    assert len(loop.trials) == 2


def test_it_ranks_behind_all_that_is_feasible():
    for expression, limit in (
        (ALONE, None),
        (WITH_R, "latency@mine <= 2"),
        (FRONT, None),
    ):
        objective = Objective(expression, BENCH, subject_to=limit)
        scores = objective.over_space()
        failed = Ledger(objective).failed(SPACE[0], REASON, 0.0)
        assert scores is not None and failed.score > scores.score[scores.feasible].max()
        if objective.n_objectives > 1:
            assert all(
                failed.scores[part] > scores.vector[:, part].max() for part in range(2)
            )


CURVE = sn.Training(
    SPACE, lambda _cell, _trial: None, metrics=["valid_error", "train_loss"], epochs=9
)


def test_values_of_a_request_are_told_at_its_epochs():
    loop = sn.AskTell(Objective(ALONE, CURVE), "random")
    trial = loop.tell(Request(SPACE[5], 3), {"valid_error": 30.0}, cost=2.0)
    assert (trial.epochs, trial.cost) == (3, 2.0)
    assert trial.values == {"valid_error[3]": 30.0}
    read = Request(SPACE[5], 3, ("train_loss",))
    with pytest.raises(sn.UserError, match=r"train_loss\[3\] of .* is missing"):
        loop.tell(read, {"valid_error": 30.0})
    assert loop.tell(read, {"valid_error": 30.0, "train_loss": 0.5}).values == {
        "valid_error[3]": 30.0,
        "train_loss[3]": 0.5,
    }
    with pytest.raises(sn.UserError, match=r"Unknown metric .* 'valid_error\[9\]'"):
        loop.tell(Request(SPACE[5], 3), {"valid_error[9]": 30.0})
    # going on costs what is told, not what the benchmark holds
    assert loop.tell(SPACE[5], 9.0, cost=4.0).cost == 4.0
    assert loop.incumbent.epochs == 9 and loop.incumbent.finished == 6.0


def test_the_loop_is_a_run_with_frames_and_a_front():
    objective = sn.Objective("valid_error, params", sn.load("fashion"))
    loop = sn.AskTell(objective, "random", run=2)
    with pytest.raises(sn.UserError, match="no trial yet"):
        loop.run.curves()
    for _ in range(20):
        loop.tell(*loop.ask())
    run = sn.search("fashion", "random", objective, run=2, budget=20)
    assert loop.to_frame().equals(run.to_frame()) and loop.run.front == run.front
    assert loop.run.curves().regret.equals(run.curves().regret)
    with pytest.raises(sn.UserError, match="no single best trial"):
        loop.incumbent  # noqa: B018


def test_a_loop_needs_no_benchmark():
    loop = sn.AskTell.on(SPACE, "error", "evolution", unit="%", n_random=4, seed=3)
    while len(loop.trials) < 12:
        cells = loop.ask(3)
        loop.tell(cells, np.array([20.0 - sum(cell.choices) for cell in cells]))
    told = sn.Computed(
        SPACE, {"error": sn.Metric(lambda c: 20.0 - sum(c.choices), unit="%")}
    )
    again = sn.AskTell(sn.Objective("error", told), "evolution", n_random=4, seed=3)
    while len(again.trials) < 12:
        again.tell(again.ask(3))
    assert [t.cell for t in again.trials] == [t.cell for t in loop.trials]
    frame = loop.to_frame()
    assert frame["error"].min() == loop.incumbent.values["error"]
    assert (
        len(frame) == len(loop.trials)
        and frame["layer0"][0] == loop.trials[0].cell["layer0"]
    )


def test_a_loop_without_a_benchmark_has_declared_metrics():
    at = SPACE[0]
    loop = sn.AskTell.on(SPACE, "runtime", direction="min")
    assert [t.score for t in loop.tell([at, SPACE[1]], pd.Series([3, 2]))] == [3, 2]
    assert loop.incumbent.cell == SPACE[1]
    best = sn.AskTell.on(SPACE, "val_acc", direction="max", unit="fraction")
    assert best.tell(at, 0.8).score == pytest.approx(0.2)
    both = {"error": sn.Metric(unit="%"), "latency@mine": sn.Metric()}
    front = sn.AskTell.on(SPACE, both, "nsga2", "error, latency@mine")
    assert front.tell(at, {"error": 3, "latency@mine": 2.0}).scores == (0.03, 2.0)
    size = {"error": sn.Metric(unit="%"), "size": lambda cell: 2.0}
    loop = sn.AskTell.on(SPACE, size, "random", "error + 0.1*size")
    assert loop.tell(at, 5.0).values == {"error": 5.0, "size": 2.0}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda on, _: on(SPACE, "val_acc"), "val_acc of listed has no declared dir"),
        (lambda on, _: on(SPACE, "error", unit="ms"), "unit of error is ms"),
        (
            lambda on, _: on(SPACE, {"error": 3}, unit="%"),
            "Declare each of several metrics",
        ),
        (
            lambda on, _: on(SPACE, {"error": 3}),
            "A metric must be a function of a cell",
        ),
        (lambda on, _: on("mlp", "error"), "A benchmark needs a space"),
        (
            lambda _, loop: loop.tell(SPACE[0]),
            "has no function, so it cannot be computed",
        ),
        (
            lambda _, loop: loop.tell([SPACE[0]], [1, 2]),
            "1 cell require a list of as many",
        ),
        (
            lambda _, loop: loop.tell([SPACE[0]], {"error": 1}),
            "a list of as many values",
        ),
        (lambda _, loop: loop.tell([SPACE[0]], 3.0), "a list of as many values"),
        (lambda _, loop: loop.tell(SPACE[0], math.nan), "must be a finite number"),
        (lambda _, loop: loop.tell(SPACE[0], {"eror": 3}), "Did you mean 'error'"),
    ],
)
def test_wrong_loops_without_a_benchmark_are_one_line(call, said):
    with pytest.raises(sn.UserError, match=said):
        call(sn.AskTell.on, sn.AskTell.on(SPACE, "error", unit="%"))


def test_trap_a_value_that_may_be_a_fraction_or_in_percent_is_refused():
    loop = sn.AskTell.on(SPACE, "valid_error")
    with pytest.raises(sn.UserError, match="may be a fraction or in %. Declare its"):
        loop.tell(SPACE[0], 0.07)
    shares = {
        "accuracy": lambda cell: 0.9 + 0.01 * cell.choices[0],
        "size": lambda cell: 1.0 + cell.choices[0],
    }
    bench = sn.Computed(SPACE, shares, cheap=True)
    with pytest.raises(sn.UserError, match="No value of accuracy exceeds 1"):
        sn.search(bench, "random", "accuracy + 0.01*size", budget=12)
    shares["accuracy"] = sn.Metric(shares["accuracy"], unit="fraction", direction="max")
    bench = sn.Computed(SPACE, shares, cheap=True)
    found = sn.search(bench, "random", "accuracy", budget=40).incumbent
    assert found.values["accuracy"] == pytest.approx(0.92)
