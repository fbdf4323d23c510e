"""The loop by hand: what may be told, what may not, and evaluations that failed."""

import math

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
            "valid_error of .* is missing. Report a failed evaluation by fail",
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
        ({"valid_error": math.nan}, "not nan. Report a failed evaluation by fail"),
        ({"valid_error": -math.inf}, "not -inf. Report a failed evaluation by fail"),
        ({"valid_error": 10**400}, "Report a failed evaluation by fail"),
        ({"valid_error": "low"}, "must be a finite number, not 'low'"),
        ({"valid_error": True}, "must be a finite number, not True"),
        ({"valid_error": 9.0, "latency@mine": math.nan}, "latency@mine of .* not nan"),
        (math.nan, "not nan. Report a failed evaluation by fail"),
        ("9", "values is a mapping of metrics to numbers, or one number, not '9'"),
        (True, "values is a mapping of metrics to numbers, or one number, not True"),
        ([9.0], "values is a mapping of metrics to numbers"),
    ],
)
def test_what_is_no_result_is_refused_and_changes_nothing(loop, values, says):
    (cell,) = loop.ask()
    with pytest.raises(sn.UserError, match=says):
        loop.tell(cell, values)
    assert not loop.trials
    with pytest.raises(
        sn.UserError, match="No trial has the objective's own epochs yet"
    ):
        loop.incumbent  # noqa: B018
    assert loop.tell(cell, {"valid_error": 9.0}).loss == pytest.approx(0.09)


def test_one_number_is_the_one_metric_that_is_not_known(loop):
    (cell,) = loop.ask()
    trial = loop.tell(cell, 9.0)
    assert trial.values == {"valid_error": 9.0, "latency@mine": 1.0 + cell.choices[0]}
    with pytest.raises(
        sn.UserError,
        match=r"One number will not do: tell valid_error, latency@mine, each by its name",
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
        match="All evaluations failed, the first one by 'out of memory'; there is no incumbent",
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
