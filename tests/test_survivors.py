"""What no other test noticed when a line was changed on purpose: terms, limits and choices that are easily lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.contract.strategies import TinySpace, trials_of
from surrogate_nas.experiment.ledger import Ledger
from surrogate_nas.experiment.store import Store
from surrogate_nas.metrics import Metric
from surrogate_nas.network import Network
from surrogate_nas.objective import Objective
from surrogate_nas.space import NB201, Cell, nb201
from surrogate_nas.strategies.bo import BayesianOptimisation
from surrogate_nas.strategies.evolution import RegularisedEvolution
from surrogate_nas.strategies.random import RandomSearch
from surrogate_nas.table import Table, write_table

N = 15625
TINY = TinySpace()


def error(cell: Cell) -> float:
    return 10.0 + 3.0 * cell.choices[0] + cell.choices[2]


def weights(cell: Cell) -> float:
    return 1.0 + cell.choices[1]


def computed(function: Callable[[Cell], float] = error) -> sn.Computed:
    return sn.Computed(TINY, {"valid_error": function, "weights": weights})


# Objective and ledger


def test_diversity_is_part_of_the_bound_that_no_feasible_cell_exceeds() -> None:
    objective = Objective("valid_error + 3*diversity", computed(), subject_to="weights <= 2.9")
    trials = list(Ledger(objective).evaluate(list(TINY)))
    worst = max(trial.score for trial in trials if trial.feasible)
    assert worst > 2, "diversity counts"
    assert min(trial.score for trial in trials if not trial.feasible) > worst


def test_only_feasible_cells_are_archived_for_diversity() -> None:
    objective = Objective("valid_error + diversity", computed(), subject_to="weights <= 1.5")
    broken, kept = TINY.parse("left-blue-0"), TINY.parse("left-red-0")
    first, second = Ledger(objective).evaluate([broken, kept])
    assert (first.feasible, second.feasible) == (False, True)
    assert second.penalty == 0.0, "nothing feasible was found before, however alike the infeasible cell is"


def test_the_fingerprint_changes_with_the_seed_even_where_its_constants_do_not(tmp_path: Path) -> None:
    table = Table("seeded", "nb201", "t", "s", "l", "c", "valid_error", Network(), cost="queries")
    values = np.linspace(1, 2, N)
    table.add(Metric("valid_error", "%", "search", "error"), 3, values, per_seed={777: values, 888: values})
    write_table(table, tmp_path / "seeded.h5")
    bench = TableBenchmark(tmp_path / "seeded.h5")
    made = [Objective("valid_error", bench, seed=seed) for seed in ("mean", 777, 888)]
    assert len({objective.fingerprint for objective in made}) == 3
    assert made[0].terms == made[1].terms == made[2].terms


def test_the_fingerprint_changes_with_what_an_evaluation_is_charged() -> None:
    class Timed(sn.Computed):
        cost = "seconds"

    queries, seconds = (kind(TINY, {"valid_error": error}) for kind in (sn.Computed, Timed))
    assert queries.fingerprint == seconds.fingerprint
    assert Objective("valid_error", queries).fingerprint != Objective("valid_error", seconds).fingerprint


def test_the_fingerprint_changes_with_the_data_even_where_its_constants_do_not() -> None:
    one, other = (Objective("valid_error", computed(f)) for f in (error, lambda cell: error(TINY[-1 - cell.index])))
    assert one.terms == other.terms
    assert one.fingerprint != other.fingerprint


def test_the_fingerprint_changes_with_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Objective("valid_error", computed()).fingerprint
    monkeypatch.setattr("surrogate_nas.objective.objective._CONVENTIONS", -1)
    assert Objective("valid_error", computed()).fingerprint != before


# Runs and their store


def test_a_run_computes_with_one_thread_whatever_was_allowed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info()}

    seen: list[set[int]] = []
    ask = RandomSearch.ask

    def noting(self: RandomSearch, n: int) -> Sequence[Cell]:
        seen.append(threads())
        return ask(self, n)

    monkeypatch.setattr(RandomSearch, "ask", noting)
    with threadpool_limits(2):
        assert 2 in threads()
        sn.search(computed(), "random", "valid_error", budget=12)
        assert 2 in threads()
    assert seen == [{1}] * 2


def test_a_folder_that_holds_more_runs_keeps_their_number(tmp_path: Path) -> None:
    for runs in (3, 1):
        sn.compare(computed(), ["random"], "valid_error", runs=runs, budget=11, folder=tmp_path)
    assert Store(tmp_path).read()["runs"] == 3


def test_the_cells_of_a_metric_are_those_that_it_holds_at_all_epochs() -> None:
    whole, part = np.ones(N), np.ones(N)
    part[100:] = np.nan
    for columns in ((whole, part), (part, whole)):
        table = Table("t", "nb201", "t", "s", "l", "c", "valid_error", Network())
        for epochs, column in zip((12, 200), columns, strict=True):
            table.add(Metric("valid_error", "%", "search", "error"), epochs, column)
        assert table.metrics["valid_error"].n_cells == 100
        assert table.metrics["valid_error"].epochs == (12, 200)


# Strategies


class Noting(NB201):
    """Notes which cells were drawn and which were mutated."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0
        self.parents: list[Cell] = []

    def sample(self, rng: np.random.Generator) -> Cell:
        self.drawn += 1
        return super().sample(rng)

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        self.parents.append(cell)
        return super().mutate(cell, rng)


def test_evolution_draws_until_its_population_is_full_and_never_after() -> None:
    space = Noting()
    made = RegularisedEvolution(space, seed=0, population=10)
    made.ask(1)
    made.tell(trials_of(space[:9]))
    made.ask(5)
    assert (space.drawn, space.parents) == (6, [])
    made.tell(trials_of(space[9:10], start=9))
    made.ask(5)
    assert space.drawn == 6 and len(space.parents) == 5


def bo_told(scores: Callable[[Cell], float], cells: Sequence[Cell], **knobs: float) -> BayesianOptimisation:
    made = BayesianOptimisation(nb201(), seed=0, **knobs)  # type: ignore[arg-type]
    made.tell(trials_of(cells, scores))
    return made


def drawn(n: int, seed: int) -> list[Cell]:
    return [nb201()[int(i)] for i in np.random.default_rng(seed).permutation(N)[:n]]


def smooth(cell: Cell) -> float:
    table = np.random.default_rng(5).random((6, 5))
    return float(sum(table[place, choice] for place, choice in enumerate(cell.choices)))


def twins_and_others() -> tuple[NDArray[np.intp], list[Cell]]:
    """The cells of the largest functional class; one of them, and cells of other classes."""
    space = nb201()
    twins = np.flatnonzero(space.classes == np.bincount(space.classes).argmax())
    return twins, [space[int(twins[0])], *(cell for cell in drawn(40, 3) if cell.index not in twins)]


def test_bo_believes_each_cell_of_a_batch_so_that_the_next_lies_elsewhere() -> None:
    """Equal cells tie for the largest improvement; once one is believed, only others promise more."""
    _, cells = twins_and_others()
    made = bo_told(lambda cell: 0.0 if cell == cells[0] else 1.0 + smooth(cell), cells)
    asked = np.array([cell.choices for cell in made.ask(6)])
    assert len(np.unique(nb201().encodings["path_and_graph"](asked), axis=0)) >= 5


def test_bo_believes_no_worse_than_it_predicts_so_that_a_batch_stays_among_the_promising() -> None:
    asked = bo_told(smooth, drawn(30, 1)).ask(8)
    assert np.mean([smooth(cell) for cell in asked]) < 2.5 < np.mean([smooth(cell) for cell in drawn(500, 9)]) - 0.3


def test_bo_does_not_care_by_how_much_a_cell_is_infeasible() -> None:
    """Scores from a million on are infeasible; all count like the worst feasible one."""
    cells = drawn(25, 2)
    worst = max(smooth(cell) for cell in cells[5:])
    answers = []
    for infeasible in (worst, 1e6, 1e9):
        made = bo_told(lambda cell, s=infeasible: s if cell in cells[:5] else smooth(cell), cells)  # type: ignore[misc]
        answers.append(made.ask(4))
    assert answers[0] == answers[1] == answers[2]


def test_bo_s_luck_sends_it_to_the_twins_of_the_best_cell() -> None:
    """Cells that the model cannot tell apart may still score differently in a table: luck says how much."""
    twins, cells = twins_and_others()
    found = {}
    for luck in (0.0, 20.0):
        made = bo_told(lambda cell: 0.0 if cell == cells[0] else 1.0 + smooth(cell), cells, luck=luck)
        found[luck] = sum(cell.index in twins for cell in made.ask(6))
    assert found[20.0] > found[0.0]
