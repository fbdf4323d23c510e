"""Requests with epochs, simulated workers, several objectives, what is known for free, and a loop
by hand.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.contract.strategies import reachable
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.space import Request, nb201
from tests.conftest import EVERY_STRATEGY
from tests.halving import Halving

SPACE = nb201()


class Greedy(sn.Strategy):
    best = None

    def ask(self, n):
        parent = self.best.cell if self.best else self.space.sample(self.rng)
        return [self.space.mutate(parent, self.rng) for _ in range(n)]

    def tell(self, trials):
        known = [*trials, self.best] if self.best else trials
        self.best = min(known, key=lambda trial: trial.score)


class WantsTheMoon(Halving):
    def ask(self, n):
        return [sn.Request(self.space.sample(self.rng), 7)]


class OnlyEarly(Halving):
    def ask(self, n):
        return [sn.Request(self.space.sample(self.rng), self.epochs[0])]


def test_a_request_reads_other_epochs_and_only_the_objective_s_own_can_be_the_answer(
    small,
):
    run = sn.search(small, Halving, "valid_error", budget=40, run=1)
    early, late = (
        [t for t in run.trials if t.epochs == epochs] for epochs in (12, 200)
    )
    assert len(early) > 20 and len(late) >= 15
    assert {t.cost for t in early} == {13.0} and {t.cost for t in late} == {201.0}
    assert all(
        t.values == {"valid_error[12]": small.query(t.cell, "valid_error", epochs=12)}
        for t in early
    )
    assert (
        run.incumbent == min(late, key=lambda t: t.score)
        and run.incumbent.epochs == 200
    )
    ends = [t.finished for t in run.trials]
    assert ends == sorted(ends) and ends[-1] == pytest.approx(run.cost)


def test_a_request_may_read_further_search_metrics_but_no_final_one(small):
    ledger = Ledger(Objective("valid_error", small))
    (outcome,) = ledger.look_up([Request(SPACE[3], 200, ("train_loss",))])
    assert list(outcome.names) == ["valid_error[200]", "train_loss[200]"]
    with pytest.raises(UserError, match="final metric"):
        list(ledger.look_up([Request(SPACE[3], 200, ("test_error",))]))
    with pytest.raises(UserError, match="train_loss"):
        list(ledger.look_up([Request(SPACE[3], 12, ("train_loss",))]))


def test_what_a_strategy_may_not_request_is_its_own_failure(small):
    with pytest.raises(UserError, match="not one of 12, 200"):
        sn.search(small, WantsTheMoon, "valid_error", budget=15)
    run = Experiment(
        Objective("valid_error", small), [OnlyEarly], 1, Budget(5), n_random=0
    ).execute()[0]
    assert "no answer" in run.failure and len(run.trials) == 5


@pytest.mark.parametrize("strategy", EVERY_STRATEGY)
def test_workers_on_the_simulated_clock_tell_in_order_of_finishing(strategy):
    bench = sn.load("fashion")
    run = sn.search(
        bench,
        strategy,
        "valid_loss + 0.1*params",
        budget=40,
        resources=sn.Resources(simulated_workers=4),
        seed=2,
    )
    assert len(run.trials) == 40
    finished = [trial.finished for trial in run.trials]
    assert finished == sorted(finished) and [
        trial.index for trial in run.trials
    ] == list(range(40))
    assert all(t.finished == pytest.approx(t.started + t.cost) for t in run.trials)
    moments = sorted({t.started for t in run.trials})
    busy = [sum(t.started <= m < t.finished for t in run.trials) for m in moments]
    assert max(busy) == 4 and finished[-1] < 0.5 * run.cost


def test_a_budget_in_seconds_is_wall_time_of_the_simulated_workers(small):
    one, four = (
        sn.search(
            small,
            "random",
            "valid_error",
            budget_seconds=201 * 5,
            resources=sn.Resources(simulated_workers=n),
        )
        for n in (1, 4)
    )
    assert len(one.trials) == 5 and len(four.trials) == 20
    assert max(t.finished for t in four.trials) <= 201 * 5


def test_several_objectives_give_every_trial_its_vector(small):
    objective = Objective(
        "valid_error + 0.1*params, latency@thing subject to latency@thing <= 5", small
    )
    scores = objective.over_space()
    assert scores is not None and scores.vector.shape == (15625, 2)
    feasible = scores.feasible
    np.testing.assert_allclose(
        scores.vector.sum(axis=1)[feasible], scores.score[feasible]
    )
    assert (scores.vector[~feasible] > scores.vector[feasible].max(axis=0)).all()
    assert str(objective).startswith(
        "valid_error[200] + 0.1*params, latency@thing subject to"
    )
    assert Objective(str(objective), small).fingerprint == objective.fingerprint
    for text in (
        "params, macs",
        "valid_error, diversity",
        "valid_error,",
        ", valid_error",
    ):
        with pytest.raises(UserError):
            Objective(text, small)


def test_a_strategy_of_one_objective_covers_a_front_by_random_weights(small, tmp_path):
    made = sn.compare(
        small,
        ["random", "evolution"],
        "valid_error, latency@thing",
        runs=3,
        budget=60,
        folder=tmp_path / "out",
    )
    for name in made.strategies:
        missed = made.scores(name)
        assert ((missed >= 0) & (missed < 1)).all()
    assert made.optimum == 0.0 and made.frame is not None and made.frame.exact
    run = made.runs_of("evolution")[0]
    assert all(len(trial.scores) == 2 for trial in run.trials)
    steps = run.anytime(made.frame).score
    assert (np.diff(steps) <= 0).all() and steps[-1] == pytest.approx(made.score(run))
    content = made.to_json()
    assert content["objective"]["objectives"] == ["valid_error[200]", "latency@thing"]


def test_free_terms_are_lambda_r_and_feasibility_and_holds_no_benchmark(
    small,
):
    objective = Objective(
        "valid_error + 0.1*params + 0.2*latency@thing subject to latency@thing <= 4",
        small,
    )
    free = objective.free
    scores = objective.over_space()
    assert scores is not None
    cells = list(SPACE[:500])
    np.testing.assert_allclose(free.penalty(cells), scores.penalty[:500])
    assert (free.feasible(cells) == scores.feasible[:500]).all()
    assert (
        free.terms == ("params", "latency@thing", "latency@thing <= 4")
        and free.missing == ()
    )
    assert not any(isinstance(held, Benchmark | Objective) for held in reachable(free))
    thawed = pickle.loads(pickle.dumps(free))
    np.testing.assert_allclose(thawed.penalty(cells), free.penalty(cells))
    limited = Objective(
        "valid_error + 0.1*train_loss subject to valid_error <= 20", small
    ).free
    assert limited.terms == () and limited.missing == ("valid_error[200] <= 20",)


class Knows(Greedy):
    uses_free = True
    seen: list[object] = []

    def ask(self, n):
        cells = super().ask(n)
        return (
            cells
            if self.free is None
            else sorted(cells, key=lambda c: self.free.penalty([c])[0])
        )


@pytest.mark.parametrize("hidden", [False, True])
def test_a_strategy_reads_free_terms_where_it_declares_it_unless_withheld(
    small, hidden
):
    made = sn.compare(
        small,
        [Knows, "random"],
        "valid_error + 0.1*params",
        runs=1,
        budget=15,
        hidden=hidden,
    )
    assert not made.failures
    assert made.to_json()["free"] == {
        "hidden": hidden,
        "terms": ["params"],
        "missing": [],
    }


def test_a_run_ends_at_a_target_and_when_a_callback_says_so(small):
    whole = sn.search(small, "random", "valid_error", budget=50)
    target = sorted(trial.score for trial in whole.trials)[10]
    short = sn.search(small, "random", "valid_error", budget=50, target=target)
    assert short.incumbent.score <= target and len(short.trials) < 50
    assert list(short.trials) == list(whole.trials[: len(short.trials)])
    seen = []

    def watch(event):
        seen.extend(event.trials)
        if len(seen) >= 20:
            event.stop()

    watched = sn.search(small, "random", "valid_error", budget=50, callback=watch)
    assert len(watched.trials) == 20 and seen == list(watched.trials)


def test_the_caller_s_own_measurements_are_scored_by_the_objective(small):
    objective = Objective("valid_error + 0.1*params", small)
    loop = sn.AskTell(objective, "random")
    cell = SPACE[17]
    mine = loop.tell(cell, {"valid_error": 12.0}, cost=3.5)
    params = 0.1 * float(small.query(cell, "params")) / objective.terms[1].divisor
    assert mine.score == pytest.approx(0.12 + params) and mine.cost == 3.5
    assert loop.tell(str(cell)).loss == pytest.approx(
        small.query(cell, "valid_error") / 100
    )
    for values, says in (
        ({}, "is missing"),
        ({"valid_error": float("nan")}, "not nan. Report a failed evaluation"),
        ({"valid_error": "x"}, "finite"),
    ):
        with pytest.raises(UserError, match=says):
            loop.tell(cell, values)
    with pytest.raises(UserError, match="at least 1"):
        loop.ask(0)
    with pytest.raises(UserError):
        sn.AskTell("valid_error")
    with pytest.raises(UserError, match="No trial has"):
        sn.AskTell(objective, "random").incumbent  # noqa: B018


def test_training_on_costs_the_difference_where_epochs_are_points_of_one_run():
    bench = sn.load("fashion")
    objective = Objective("valid_loss", bench)
    ledger = Ledger(objective)
    cell = bench.space[11]
    other = bench.space[12]

    def charged(*asked):
        return [ledger.trial(outcome, 0.0).cost for outcome in ledger.look_up(asked)]

    def whole(cell, epochs):
        return float(
            bench.measure([cell], [bench.question("valid_loss", epochs)]).cost[0]
        )

    seconds = [
        float(bench.query(cell, "train_seconds", epochs=epochs)) for epochs in (1, 3, 5)
    ]
    once = float(bench.query(cell, "valid_seconds", epochs=5))
    assert charged(Request(cell, 1)) == [whole(cell, 1)]
    assert charged(Request(cell, 3)) == [pytest.approx(seconds[1] - seconds[0] + once)]
    assert charged(Request(cell, 3)) == [whole(cell, 3)], (
        "asking again is training again"
    )
    assert charged(Request(cell, 5), Request(other, 5)) == [
        pytest.approx(seconds[2] - seconds[1] + once),
        whole(other, 5),
    ]


def test_a_run_of_its_own_is_never_continued(small):
    assert not small.one_curve
    ledger = Ledger(Objective("valid_error", small))
    costs = [
        ledger.trial(o, 0.0).cost
        for o in ledger.look_up([Request(SPACE[3], 12), Request(SPACE[3], 200)])
    ]
    assert costs == [13.0, 201.0]
    with pytest.raises(UserError, match="none continues another"):
        small.continued(SPACE[3], 12, 200)
