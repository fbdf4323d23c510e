"""The loop by hand: what may be told, what may not, and evaluations that failed."""

import math
from functools import partial

import pytest

import surrogate_nas as sn
from surrogate_nas.objective import Objective
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.space.trial import Request

SPACE = sn.EnumerableChoiceSpace(
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
    with pytest.raises(sn.UserError, match="No cell was told yet"):
        loop.best  # noqa: B018
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
        and failed.cost_seconds == failed.finished == 7.0
    )
    assert not failed.values and math.isnan(failed.loss) and math.isnan(failed.penalty)
    with pytest.raises(
        sn.UserError,
        match="All evaluations failed, the last one by 'out of memory'; none is",
    ):
        loop.best  # noqa: B018
    told = loop.tell(loop.ask()[0], {"valid_error": 99.0, "latency@mine": 3.0}, cost=2.0)
    assert loop.best is told and told.score < failed.score and told.finished == 9.0
    for reason in ("", "  ", None, 5):
        with pytest.raises(sn.UserError, match="reason"):
            loop.fail(SPACE[1], reason)
    with pytest.raises(sn.UserError):
        loop.fail("no cell", REASON)
    assert len(loop.trials) == 2


def test_it_ranks_behind_all_that_is_feasible():
    for expression, limit in ((ALONE, None), (WITH_R, "latency@mine <= 2"), (FRONT, None)):
        objective = Objective(expression, BENCH, subject_to=limit)
        scores = objective.over_space()
        failed = Ledger(objective).failed(SPACE[0], REASON, 0.0)
        assert scores is not None and failed.score > scores.score[scores.feasible].max()
        if objective.parts > 1:
            assert all(
                failed.scores[part] > scores.vector[:, part].max() for part in range(2)
            )


def alike(first, second):
    return repr(list(first)) == repr(list(second))


CURVE = sn.Training(
    SPACE, lambda _cell, _trial: None, metrics=["valid_error", "train_loss"], epochs=9
)


def evaluated(asked):
    """What a caller's own training says, by the epochs that it was asked for."""
    cell, epochs, read = asked if isinstance(asked, Request) else Request(asked, 9)
    values = {"valid_error": 60 / epochs + sum(cell.choices), "train_loss": 1 / epochs}
    return {name: value for name, value in values.items() if name in ("valid_error", *read)}


def driven(loop, n, at_once=1):
    """Evaluate until there are n trials; every fifth evaluation fails."""
    while len(loop.trials) < n:
        for asked in loop.pending or loop.ask(at_once):
            if len(loop.trials) == n:
                break
            if len(loop.trials) % 5 == 4:
                loop.fail(asked, REASON, cost=0.5)
            else:
                loop.tell(asked, evaluated(asked), cost=2.0)
    return loop.trials


def test_values_of_a_request_are_told_at_its_epochs():
    with sn.AskTell(Objective(ALONE, CURVE), "random") as loop:
        trial = loop.tell(Request(SPACE[5], 3), {"valid_error": 30.0}, cost=2.0)
        assert (trial.epochs, trial.cost_seconds) == (3, 2.0)
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
        assert loop.tell(SPACE[5], 9.0, cost=4.0).cost_seconds == 4.0
        assert loop.best.epochs == 9 and loop.best.finished == 6.0


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize(
    "strategy", ["asha", "bohb", "bo_epochs", "evolution", "bo", "reinforce"]
)
def test_a_loop_goes_on_from_its_folder(strategy, at_once, tmp_path):
    objective = Objective(ALONE, CURVE)
    with sn.AskTell(objective, strategy, first=4) as loop:
        whole = driven(loop, 24, at_once)
    for n in (7, 8, 24):
        with sn.AskTell(objective, strategy, first=4, out=tmp_path / "mine") as loop:
            assert len(loop.trials) < n
            driven(loop, n, at_once)
    assert alike(loop.trials, whole)


def test_what_was_asked_for_and_not_told_is_pending(tmp_path):
    objective = Objective(WITH_R, BENCH)
    with sn.AskTell(objective, "random", out=tmp_path) as loop:
        first, second, third = loop.ask(3)
        loop.tell(second)
        loop.tell(SPACE[700])  # which nobody asked for
    with sn.AskTell(objective, "random", out=tmp_path) as again:
        assert again.pending == [first, third] and alike(again.trials, loop.trials)
        again.fail(third, REASON)
        assert again.pending == [first]


def test_a_torn_line_is_dropped_and_another_loop_refused(tmp_path):
    objective = Objective(WITH_R, BENCH)
    with sn.AskTell(objective, "random", out=tmp_path) as loop:
        for cell in loop.ask(3):
            loop.tell(cell)
        with pytest.raises(sn.UserError, match="is writing"):
            sn.AskTell(objective, "random", out=tmp_path)
    journal = tmp_path / "loop.journal"
    journal.write_bytes(journal.read_bytes()[:-5])
    with sn.AskTell(objective, "random", out=tmp_path) as loop:
        assert len(loop.trials) == 2 and len(loop.pending) == 1
    for other in (
        partial(sn.AskTell, objective, "evolution"),
        partial(sn.AskTell, objective, "random", seed=1),
        partial(sn.AskTell, Objective(ALONE, BENCH), "random"),
    ):
        with pytest.raises(
            sn.UserError, match="holds interrupted work with other settings"
        ):
            other(out=tmp_path)
    journal.write_bytes(journal.read_bytes().replace(b'"cost": ', b'"cost":  '))
    with pytest.raises(sn.UserError, match=r"loop\.journal is damaged"):
        sn.AskTell(objective, "random", out=tmp_path)


def test_a_strategy_that_was_edited_does_not_go_on(tmp_path):
    file = tmp_path / "own.py"

    def loop(place):
        file.write_text(
            "import surrogate_nas as sn\n"
            "class Own(sn.Strategy):\n"
            "    def ask(self, n):\n"
            f"        return [self.space[{place}]] * n\n"
        )
        return sn.AskTell(
            Objective(WITH_R, BENCH), f"{file}:Own", first=0, out=tmp_path / "out"
        )

    with loop(3) as begun:
        begun.tell(begun.ask()[0])
    with pytest.raises(sn.UserError, match="the strategy asks for other cells now"):
        loop(4)
    with loop(3) as again:
        assert len(again.trials) == 1
