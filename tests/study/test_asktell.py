"""The loop by hand: what may be told, what may not, and evaluations that failed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import surrogate_nas as sn
from surrogate_nas.objective import Objective
from surrogate_nas.report import write_explorer, write_report
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import STRATEGIES
from surrogate_nas.strategies.external import _written
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.ledger import Ledger, check_run, verify
from surrogate_nas.study.run import Run, RunLog, read_run
from surrogate_nas.study.sandbox.interface import trials_from_rows, trials_to_rows

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
def loop() -> sn.AskTell:
    return sn.AskTell(Objective(WITH_R, BENCH), "random")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "valid_error of .* is missing"),
        ({"valid_error": None}, "valid_error of .* is missing; report a failed evaluation by fail"),
        ({"latency@mine": 2.0}, "valid_error of .* is missing"),
        (
            {"valid_error": 9.0, "valid_eror": 8.0},
            "Unknown metric of this objective 'valid_eror'. Did you mean 'valid",
        ),
        (
            {"valid_error": 9.0, "test_error": 9.5},
            "Unknown metric of this objective 'test_error'.*Known: latency@mine",
        ),
        ({"valid_error": math.nan}, "is nan; report a failed evaluation by fail"),
        ({"valid_error": -math.inf}, "is -inf; report a failed evaluation by fail"),
        ({"valid_error": 10**400}, "report a failed evaluation by fail"),
        ({"valid_error": "low"}, "must be a finite number, not 'low'"),
        ({"valid_error": True}, "must be a finite number, not True"),
        ({"valid_error": 9.0, "latency@mine": math.nan}, "latency@mine of .* is nan"),
        (math.nan, "is nan; report a failed evaluation by fail"),
        ("9", "values is a mapping of metrics to numbers, or one number, not '9'"),
        (True, "values is a mapping of metrics to numbers, or one number, not True"),
        ([9.0], "values is a mapping of metrics to numbers"),
    ],
)
def test_what_is_no_result_is_refused_and_changes_nothing(
    loop: sn.AskTell,
    values: Any,
    says: str,
) -> None:
    (cell,) = loop.ask()
    with pytest.raises(sn.UserError, match=says):
        loop.tell(cell, values)
    assert not loop.trials
    with pytest.raises(sn.UserError, match="No cell was told yet"):
        loop.best  # noqa: B018
    assert loop.tell(cell, {"valid_error": 9.0}).loss == pytest.approx(0.09)


def test_one_number_is_the_one_metric_that_is_not_known(loop: sn.AskTell) -> None:
    (cell,) = loop.ask()
    trial = loop.tell(cell, 9.0)
    assert trial.values == {"valid_error": 9.0, "latency@mine": 1.0 + cell.choices[0]}
    with pytest.raises(
        sn.UserError,
        match=r"One number will not do: tell valid_error, latency@mine, each by its name",
    ):
        sn.AskTell(Objective(WITH_R, DEAR), "random").tell(cell, 9.0)


def test_a_cost_that_a_function_computes_must_be_told() -> None:
    loop = sn.AskTell(Objective(WITH_R, DEAR), "random")
    with pytest.raises(sn.UserError, match="latency@mine of .* is missing"):
        loop.tell(SPACE[4], {"valid_error": 9.0})
    assert (
        loop.tell(SPACE[4], {"valid_error": 9.0, "latency@mine": 2.0}).values["latency@mine"] == 2.0
    )


@pytest.mark.parametrize("cost", [-1.0, math.nan, math.inf, "long"])
def test_a_cost_is_a_number(loop: sn.AskTell, cost: Any) -> None:
    for tell in (
        lambda: loop.tell(SPACE[1], 9.0, cost=cost),
        lambda: loop.fail(SPACE[1], REASON, cost=cost),
    ):
        with pytest.raises(sn.UserError, match="The cost of an evaluation must be"):
            tell()
    assert not loop.trials


def test_of_two_trainings_each_is_told_by_its_own_name() -> None:
    loop = sn.AskTell(Objective("valid_error[1] + valid_error[5]", sn.load("fashion")), "random")
    cell = sn.nb201()[3]
    with pytest.raises(
        sn.UserError,
        match=r"Unknown metric of this objective 'valid_error'.*Known: valid_error\[1\]",
    ):
        loop.tell(cell, {"valid_error": 9.0})
    assert loop.tell(cell, {"valid_error[1]": 30.0, "valid_error[5]": 10.0}).loss == pytest.approx(
        0.4
    )


def test_a_failed_evaluation_is_charged_and_never_the_best(loop: sn.AskTell) -> None:
    failed = loop.fail(loop.ask()[0], "  out of\n memory ", cost=7.0)
    assert (
        failed.failure == REASON
        and not failed.feasible
        and failed.cost_seconds == failed.finished == 7.0
    )
    assert not failed.values and math.isnan(failed.loss) and math.isnan(failed.penalty)
    with pytest.raises(
        sn.UserError, match="All evaluations failed, the last one by 'out of memory'; none is"
    ):
        loop.best  # noqa: B018
    told = loop.tell(loop.ask()[0], {"valid_error": 99.0, "latency@mine": 3.0}, cost=2.0)
    assert loop.best is told and told.score < failed.score and told.finished == 9.0
    for reason in ("", "  ", None, 5):
        with pytest.raises(sn.UserError, match="reason"):
            loop.fail(SPACE[1], reason)  # type: ignore[arg-type]
    with pytest.raises(sn.UserError):
        loop.fail("no cell", REASON)
    assert len(loop.trials) == 2


def test_a_request_may_fail() -> None:
    with sn.AskTell(Objective("valid_error", sn.load("fashion")), "random") as asked:
        failed = asked.fail(Request(sn.nb201()[3], 1), REASON)
        assert failed.epochs == 1
        with pytest.raises(sn.UserError, match="No cell was told yet"):
            asked.best  # noqa: B018


def test_it_ranks_behind_all_that_is_feasible() -> None:
    for expression, limit in ((ALONE, None), (WITH_R, "latency@mine <= 2"), (FRONT, None)):
        objective = Objective(expression, BENCH, subject_to=limit)
        scores = objective.over_space()
        failed = Ledger(objective).failed(SPACE[0], REASON, 0.0)
        assert scores is not None and failed.score > scores.score[scores.feasible].max()
        if objective.parts > 1:
            assert all(failed.scores[part] > scores.vector[:, part].max() for part in range(2))


def failing(
    expression: str,
    strategy: str,
    fails: Callable[[int], bool],
    n: int = 30,
    bench: Any = BENCH,
) -> sn.AskTell:
    with sn.AskTell(Objective(expression, bench), strategy, seed=3, first=6) as loop:
        while len(loop.trials) < n:
            for cell in loop.ask():
                if fails(len(loop.trials)):
                    loop.fail(cell, REASON)
                else:
                    loop.tell(cell)
    return loop


@pytest.mark.parametrize("strategy", sorted({*STRATEGIES} - {"gnn_guided", "npenas", "bananas"}))
def test_every_strategy_goes_on_where_every_third_evaluation_fails(strategy: str) -> None:
    loop = failing(WITH_R, strategy, lambda n: n % 3 == 0)
    assert loop.best.feasible and sum(bool(trial.failure) for trial in loop.trials) == 10


@pytest.mark.parametrize(
    "strategy",
    ["random", "evolution", "bo", "guided", "bo_epochs", "asha", "hyperband", "reinforce"],
)
def test_every_strategy_goes_on_where_all_fail(strategy: str) -> None:
    loop = failing(ALONE, strategy, lambda _: True, bench=sn.load("fashion"))
    assert len(loop.trials) == 30 and all(trial.failure for trial in loop.trials)


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy",
    ["gnn_guided", "npenas", "bananas", "nsga2", "optuna:TPESampler", "smac", "pymoo:GA"],
)
def test_so_do_those_that_take_longer(strategy: str) -> None:
    assert failing(WITH_R, strategy, lambda n: n % 3 == 0).best.feasible
    if strategy in ("nsga2", "pymoo:GA"):
        assert failing(FRONT, "nsga2", lambda n: n % 3 == 0).best.feasible


@pytest.mark.parametrize(
    "strategy", ["bo", "bo(first_cells=4)", "zero_cost", "guided", "forest", "reinforce", "bohb"]
)
def test_models_never_read_the_number_of_a_failed_evaluation(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(made_up: float) -> list[str]:
        usual = Ledger.failed

        def failed(self: Ledger, *arguments: Any) -> Any:
            outcome = usual(self, *arguments)
            return outcome._replace(score=made_up)

        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "failed", failed)
            loop = failing(WITH_R, strategy, lambda n: n % 4 == 1, n=24)
        return [str(trial.cell) for trial in loop.trials]

    assert asked(1e3) == asked(1e9)


@pytest.mark.parametrize("strategy", ["bo", "guided", "zero_cost"])
def test_models_do_not_ask_for_it_again(strategy: str) -> None:
    loop = failing(WITH_R, strategy, lambda n: n > 8, n=40)
    cells = [str(trial.cell) for trial in loop.trials]
    assert len(set(cells)) == len(cells)


def trials_of(objective: Objective, n: int = 12) -> list[Trial]:
    ledger = Ledger(objective)
    trials = list[Trial]()
    for place in range(n):
        if place % 3 == 1:
            outcome = ledger.failed(SPACE[7 * place], REASON, 2.5)
        else:
            (outcome,) = ledger.look_up([SPACE[7 * place]])
        trials.append(ledger.trial(outcome, ledger.cost))
    return trials


def alike(first: Sequence[Trial], second: Sequence[Trial]) -> bool:
    return repr(list(first)) == repr(list(second))


def test_a_run_s_file_holds_it(tmp_path: Path) -> None:
    trials = trials_of(Objective(WITH_R, BENCH))
    path = tmp_path / "run.jsonl"
    run = Run("mine", 0, trials, 1.0, 0.5, budget_cells=12)
    for known in (0, 12):  # written, and held against what was written
        log = RunLog(path, "root")
        assert log.known == known
        log.append(trials)
        log.finish(run)
        log.close()
    read = read_run(path, "root", "mine", 0, SPACE.parse)
    assert read is not None and alike(read.trials, trials) and read.incumbent.feasible
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [REASON == line.get("failure") for line in lines[:12]] == [
        place % 3 == 1 for place in range(12)
    ]
    assert not any("failure" in line for line in lines[:12:3]), "lines of others are as they were"
    assert replace(run, trials=[trials[1]]).incumbent.failure and "no feasible cell" in repr(
        replace(run, trials=[trials[1]])
    )


@pytest.mark.parametrize("change", [{"failure": REASON}, {"loss": math.nan}])
def test_a_number_and_a_failure_exclude_each_other(tmp_path: Path, change: dict[str, Any]) -> None:
    trials = trials_of(Objective(WITH_R, BENCH))
    trials[0] = replace(trials[0], **change)
    log = RunLog(tmp_path / "run.jsonl", "root")
    log.append(trials)
    log.finish(Run("mine", 0, trials, 1.0, 0.5, budget_cells=12))
    log.close()
    with pytest.raises(sn.UserError, match="trial 0 has no L or λR, or failed and has one"):
        read_run(tmp_path / "run.jsonl", "root", "mine", 0, SPACE.parse)


@pytest.mark.parametrize("expression", [ALONE, WITH_R, FRONT])
@pytest.mark.parametrize("bench", [BENCH, DEAR], ids=["table", "dear"])
def test_reports_and_exports_tell_of_it(
    expression: str,
    bench: sn.Computed,
    tmp_path: Path,
) -> None:
    objective = Objective(expression, bench)
    trials = trials_of(objective)
    made = sn.compare(bench, ["random"], objective, runs=2, budget=12, first_cells=2)
    runs = [replace(run, trials=trials) for run in made.runs]
    for run in runs:
        check_run(run, objective, tmp_path)
        verify(run, objective, 0, tmp_path, whole=True)
    told = Comparison(objective, made.description, runs)
    content = json.dumps(told.to_json())
    assert "NaN" not in content and told.sentences
    assert write_report(told, tmp_path).is_file() and write_explorer(told, tmp_path).is_file()
    frame = runs[0].to_frame()
    assert frame["failure"].fillna("").tolist() == [trial.failure for trial in trials]


def test_it_crosses_to_users_processes() -> None:
    trials = trials_of(Objective(FRONT, BENCH))
    assert alike(trials_from_rows(trials_to_rows(trials)), trials)
    line = json.loads(json.dumps(_written(trials[1]), allow_nan=False))
    assert (
        line["failure"] == REASON and line["loss"] is None and "failure" not in _written(trials[0])
    )
