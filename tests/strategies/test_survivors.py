"""What no other test noticed when a line was changed on purpose: terms, limits and choices that are
easily lost.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.contract.strategies import TinySpace, trials_of
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective import Objective
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.runs.sandbox import Scalarised, flags_of, scalarised
from surrogate_nas.runs.scale import frame_of
from surrogate_nas.runs.store import Run
from surrogate_nas.space import Trial, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation
from surrogate_nas.strategies.random import RandomSearch
from surrogate_nas.strategies.zero_cost import ZeroCost
from surrogate_nas.tables import Table, write_table

N = 15625
TINY = TinySpace()


def error(cell):
    return 10.0 + 3.0 * cell.choices[0] + cell.choices[2]


def weights(cell):
    return 1.0 + cell.choices[1]


def computed(function=error):
    return sn.Computed(TINY, {"valid_error": function, "weights": weights}, cheap=True)


# Objective and ledger


def test_diversity_is_part_of_the_bound_that_no_feasible_cell_exceeds():
    objective = Objective(
        "valid_error + 3*diversity", computed(), subject_to="weights <= 2.9"
    )
    trials = list(Ledger(objective).evaluate(list(TINY)))
    worst = max(trial.score for trial in trials if trial.feasible)
    assert worst > 2, "diversity counts"
    assert all(
        trial.score == pytest.approx(trial.loss + trial.penalty)
        for trial in trials
        if trial.feasible
    )
    assert min(trial.score for trial in trials if not trial.feasible) > worst


@pytest.mark.parametrize(("others", "share"), [(9, 2 / 3), (10, 1 / 3)])
def test_ten_cells_are_archived_and_the_eleventh_drives_the_worst_out(others, share):
    new = TINY.at((0, 0, 0))
    worst = TINY.at((0, 0, 1))
    unlike = [
        cell
        for cell in TINY
        if sum(a == b for a, b in zip(cell.choices, new.choices, strict=True)) == 1
    ]
    bench = computed(lambda cell: 50.0 if cell == worst else error(cell))
    *_, last = Ledger(Objective("valid_error + diversity", bench)).evaluate(
        [worst, *unlike[:others], new]
    )
    assert last.penalty == pytest.approx(share)


def test_what_is_known_for_free_is_told_for_each_objective_and_in_shares_of_the_limit() -> (
    None
):
    free = Objective(
        "valid_error + 0.5*weights, 2*weights", computed(), subject_to="weights <= 2"
    ).free
    cells = [TINY.at((0, 2, 0)), TINY.at((1, 0, 3))]
    assert free.vector(cells) == pytest.approx(np.array([[0.75, 3.0], [0.25, 1.0]]))
    assert free.penalty(cells) == pytest.approx([3.75, 1.25])
    assert free.violation(cells).tolist() == [0.5, 0.0]
    assert free.feasible(cells).tolist() == [False, True]


def test_a_term_of_fewer_epochs_keeps_its_own_when_others_are_read_early(tmp_path):
    table = Table(
        "three", "nb201", "t", "s", "l", "c", "valid_error", Network(), cost="queries"
    )
    for epochs in (4, 12, 200):
        table.add(
            Metric("valid_error", "%", "search", "error"),
            epochs,
            np.full(N, float(epochs)),
        )
    write_table(table, tmp_path / "three.h5")
    objective = Objective(
        "valid_error[4] + valid_error[200]", TableBenchmark(tmp_path / "three.h5")
    )
    asked = {
        epochs: [q.epochs for q in objective.questions(epochs)]
        for epochs in objective.fidelities
    }
    assert asked == {4: [4, 4], 12: [4, 12], 200: [4, 200]}


class OneCurve(TableBenchmark):
    """The small table as if its epochs were points of one run."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.one_curve = True

    def continued(
        self,
        cell,
        since,
        epochs,
        metrics=(),
        *,
        training_seed=None,
    ):
        return epochs - since + 1.0


def test_only_training_on_costs_less_and_asking_again_costs_the_whole_again(small):
    ledger = Ledger(Objective("valid_error", OneCurve(small.path)))
    cell = small.space[3]
    other = small.space[4]
    asked = [
        (cell, 12),
        (other, 200),
        (cell, 200),
        (cell, 200),
        (cell, 12),
        (cell, 200),
    ]
    costs = [
        trial.cost for one in asked for trial in ledger.evaluate([sn.Request(*one)])
    ]
    assert costs == [13.0, 201.0, 189.0, 201.0, 13.0, 201.0]


# Runs and their store


def test_equal_workers_finish_in_the_order_of_asking_are_told_together_and_make_no_trial_too_many() -> (  # noqa: E501
    None
):
    told = []

    def watch(event):
        told.append(len(event.trials))

    alone, four = (
        sn.search(
            computed(),
            "random",
            "valid_error",
            budget=15,
            resources=sn.Resources(simulated_workers=n),
            callback=watch,
        )
        for n in (1, 4)
    )
    assert [t.cell for t in four.trials] == [t.cell for t in alone.trials] and len(
        four.trials
    ) == 15
    assert told[-4:] == [4, 4, 4, 3]


def test_a_target_is_reached_by_feasible_trials_only():
    """Every score is below the target, so that the first feasible trial ends the run."""
    objective = Objective("valid_error", computed(), subject_to="weights <= 1.5")
    ends = [
        [t.feasible for t in run.trials]
        for run in Experiment(
            objective, ["random"], 6, Budget(20), n_random=0, target=1e6
        ).execute()
    ]
    assert all(feasible[-1] and not any(feasible[:-1]) for feasible in ends)
    assert max(map(len, ends)) > 2


# Several objectives by random weights


class Recorder:
    """Notes what it is told."""

    def __init__(self, seed: int) -> None:
        self.flags = flags_of(RandomSearch)
        self.seed = seed
        self.told = list[list[Trial]]()
        self.seconds = 1.0

    def ask(self, n):
        return [TINY[0]] * n

    def tell(self, trials):
        self.told.append(list(trials))


def vectors(rows, feasible=True):
    return [
        Trial(i, TINY[i], sum(row), 0.0, 0.0, feasible, None, 1.0, scores=tuple(row))
        for i, row in enumerate(rows)
    ]


@pytest.fixture
def weighted():
    made = [Recorder(0)]

    def make(seed):
        made.append(Recorder(seed))
        return made[-1]

    strategy = scalarised(made[0], make, 2, 5)
    assert isinstance(strategy, Scalarised)
    return strategy, made


Weighted = tuple[Scalarised, list[Recorder]]


def test_the_scalarised_score_is_the_augmented_chebyshev_norm_of_what_was_seen(
    weighted,
):
    strategy, (recorder,) = weighted
    strategy.tell(vectors([(1.0, 40.0), (3.0, 20.0), (2.0, 20.0)]))
    weights = np.random.default_rng([5, 2]).dirichlet(np.ones(2))
    scaled = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.0]]) * weights
    assert [t.score for t in recorder.told[0]] == pytest.approx(
        scaled.max(axis=1) + 0.05 * scaled.sum(axis=1)
    )


def test_an_infeasible_vector_scales_nothing_and_ranks_after_all(weighted):
    strategy, (recorder,) = weighted
    strategy.tell(
        [
            *vectors([(1.0, 2.0), (3.0, 0.0)]),
            *vectors([(90.0, 90.0), (2.0, 1.0)], feasible=False),
        ]
    )
    fine, other, worst, bad = (trial.score for trial in recorder.told[0])
    assert max(fine, other) > 0.2, "scaled to the feasible ones"
    assert worst > bad > max(fine, other)


def test_every_ten_trials_a_new_strategy_is_told_all_under_new_weights(weighted):
    strategy, made = weighted
    strategy.tell(vectors([(i, 9 - i) for i in range(9)]))
    strategy.ask(1)
    assert len(made) == 1
    strategy.tell(vectors([(9, 0)]))
    strategy.ask(1)
    assert len(made) == 2 and made[1].seed != made[0].seed
    (again,) = made[1].told
    assert len(again) == 10
    rng = np.random.default_rng([5, 2])
    rng.dirichlet(np.ones(2))
    scaled = np.array([(i / 9, 1 - i / 9) for i in range(10)]) * rng.dirichlet(
        np.ones(2)
    )
    assert [t.score for t in again] == pytest.approx(
        scaled.max(axis=1) + 0.05 * scaled.sum(axis=1)
    )
    assert strategy.seconds == 2.0
    strategy.ask(1)
    assert len(made) == 2


# Fronts


def test_the_frame_spans_the_feasible_front_and_nothing_else():
    """Errors of 20, 15 and 10 % at weights of 1, 2 and 3, whose median is 2; the last is
    forbidden.
    """
    bench = computed(
        lambda cell: 20.0 - 5 * cell.choices[1] + 3 * cell.choices[0] + cell.choices[2]
    )
    frame = frame_of(
        Objective("valid_error, weights", bench, subject_to="weights <= 2.9"), []
    )
    assert frame is not None and frame.exact
    assert frame.utopia == pytest.approx([0.15, 0.5]) and frame.span == pytest.approx(
        [0.05, 0.5]
    )
    assert frame.volume == pytest.approx(1.1 * 0.1 + 0.1 * 1.0)


def test_a_curve_knows_no_incumbent_before_the_first_answer():
    rows = [(12, 1.0), (200, 5.0), (12, 0.0), (200, 4.0)]
    trials = [
        Trial(i, TINY[i], score, score, 0.0, True, epochs, 1.0)
        for i, (epochs, score) in enumerate(rows)
    ]
    curve = Run("mine", 0, trials, 1.0, 1.0, epochs=200).anytime()
    assert curve.score.tolist() == [np.inf, 5.0, 5.0, 4.0]
    assert curve.best.tolist() == [0, 1, 1, 3]


# Strategies


def test_zero_cost_without_proxies_begins_as_bo_does():
    one, other = (
        kind(nb201(), seed=0).ask(6) for kind in (ZeroCost, BayesianOptimisation)
    )
    assert one == other and len(one) == 6


def bo_told(scores, cells, **knobs):
    made = BayesianOptimisation(nb201(), seed=0, **knobs)
    made.tell(trials_of(cells, scores))
    return made


def drawn(n, seed):
    return [nb201()[int(i)] for i in np.random.default_rng(seed).permutation(N)[:n]]


def smooth(cell):
    table = np.random.default_rng(5).random((6, 5))
    return float(sum(table[place, choice] for place, choice in enumerate(cell.choices)))


def twins_and_others():
    """The cells of the largest functional class; one of them, and cells of other classes."""
    space = nb201()
    twins = np.flatnonzero(space.classes == np.bincount(space.classes).argmax())
    return twins, [
        space[int(twins[0])],
        *(cell for cell in drawn(40, 3) if cell.index not in twins),
    ]


def test_bo_believes_each_cell_of_a_batch_so_that_the_next_lies_elsewhere():
    """Equal cells tie for the largest improvement; once one is believed, only others promise
    more.
    """
    _, cells = twins_and_others()
    made = bo_told(lambda cell: 0.0 if cell == cells[0] else 1.0 + smooth(cell), cells)
    asked = np.array([cell.choices for cell in made.ask(6)])
    assert len(np.unique(nb201().encodings["path_and_graph"](asked), axis=0)) >= 5


def test_bo_does_not_care_by_how_much_a_cell_is_infeasible():
    """Scores from a million on are infeasible; all count like the worst feasible one."""
    cells = drawn(25, 2)
    worst = max(smooth(cell) for cell in cells[5:])
    answers = []
    for infeasible in (worst, 1e6, 1e9):
        made = bo_told(
            lambda cell, s=infeasible: s if cell in cells[:5] else smooth(cell), cells
        )
        answers.append(made.ask(4))
    assert answers[0] == answers[1] == answers[2]


def test_bo_asks_for_the_cheapest_twin_of_the_best_cell_and_then_leaves_them():
    """They share what was learned, so that only λR is left to gain, and of that the cheapest gains
    most.
    """
    objective = Objective("valid_loss + 0.1*params", sn.load("fashion"))
    space = nb201()
    twins, cells = twins_and_others()
    cost = objective.free.penalty(space)
    cells[0] = space[int(twins[cost[twins].argmax()])]

    def told(cell):
        alike = int((space.classes == space.classes[cell.index]).argmax())
        loss = 0.2 if cell.index in twins else 0.5 + 0.05 * smooth(space[alike])
        penalty = float(cost[cell.index])
        return Trial(0, cell, loss + penalty, loss, penalty, True, 5, 1.0)

    made = BayesianOptimisation(space, seed=0)
    made.free = objective.free
    made.tell([told(cell) for cell in cells])
    asked = []
    for _ in range(8):
        (cell,) = made.ask(1)
        made.tell([told(cell)])
        asked.append(cell.index)
    among = [index for index in asked if index in twins]
    assert cost[among].min() == cost[twins].min() and len(among) <= 3
