"""A confirmed winner: fresh seeds, a decision that errs as often as it says, and what fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from csv import DictReader
from html import escape

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

import surrogate_nas as sn
from analysis import calibrate_confirm
from surrogate_nas.benchmarks.base import Measurement
from surrogate_nas.core.errors import EvaluationError, UserError
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.results.api import read_comparison
from surrogate_nas.results.archive import unpack
from surrogate_nas.runs import confirm as confirming
from surrogate_nas.runs.confirm import FIRST_FRESH, shape_of
from surrogate_nas.runs.store import Store
from surrogate_nas.space import ChoiceSpace
from surrogate_nas.stats import decision
from surrogate_nas.tables import Seed
from tests.conftest import assert_one_clear_line

confirm = confirming.confirm
decide_few = decision.decide_few
SPACE = ChoiceSpace("steps", {"a": tuple(range(10)), "b": tuple(range(10))})
STEP = 2.0
"""By how many % a step in either choice lowers the error; seeds scatter by 1."""


def true_error(cell):
    return 60.0 - STEP * sum(cell.choices)


def size(cell):
    return 1.0 + cell.choices[0]


class Noisy(sn.Computed):
    """A training whose result depends on its seed, and that fails for some cells."""

    default_seed: Seed = 0

    def __init__(self, failing: Sequence[int] = (), split: float = 0.0) -> None:
        super().__init__(SPACE, {"valid_error": true_error, "size": size})
        self.failing = failing
        self.split = split

    def measure(self, cells, questions, training_seed=0):
        assert isinstance(training_seed, int)
        values, cost = super().measure(cells, questions)
        for row, cell in enumerate(cells):
            assert cell.index is not None
            if cell.index in self.failing and training_seed >= FIRST_FRESH:
                raise EvaluationError("out of memory", "resources", cost=0.5)
            noise = np.random.default_rng([training_seed, cell.index]).normal()
            noise += self.split * np.random.default_rng(training_seed).normal()
            values[row] += [
                noise * (question.metric == "valid_error") for question in questions
            ]
        return Measurement(values, cost)


def noisy_run(benchmark, expression="valid_error"):
    objective = Objective(expression, benchmark)
    return objective, sn.search(benchmark, "random", objective, budget=40)


def few(*of):
    return {str(i): np.array(values, dtype=float) for i, values in enumerate(of)}


def test_of_two_cells_it_is_welch_s_test():
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 9):
        values = few(rng.normal(0, 3, size=n), rng.normal(1, 1, size=n))
        found = decide_few(values, "1")
        welch = stats.ttest_ind(values["1"], values["0"], equal_var=False)
        assert found.p == pytest.approx(welch.pvalue)
        assert found.difference_interval == pytest.approx(
            tuple(welch.confidence_interval(0.95))
        )
        assert (found.sign != 0) == (welch.pvalue < 0.05)


def test_where_a_seed_moves_both_cells_it_is_the_paired_test():
    rng = np.random.default_rng(1)
    split = rng.normal(0, 50, size=6)
    values = few(split + rng.normal(size=6), split + 2 + rng.normal(size=6))
    found = decide_few(values, "1", paired=True)
    assert found.p == pytest.approx(stats.ttest_rel(values["1"], values["0"]).pvalue)
    unpaired = decide_few(values, "1").p
    assert found.p < 0.1 * unpaired


def test_the_best_of_many_needs_more_than_the_only_one():
    one = few(np.arange(9.0), np.arange(9.0) + 3.5)
    alone = decide_few(one, "1")
    many = decide_few(one | {f"other {i}": one["0"] + 9.0 for i in range(20)}, "1")
    assert (
        many.leader == alone.leader == "0"
        and many.difference == alone.difference == 3.5
    )
    assert many.p < alone.p < 0.05
    assert (alone.sign, many.sign) == (1, 0)
    assert many.interval[0] < alone.interval[0] and many.interval[1] > alone.interval[1]


def test_a_noisy_cell_takes_degrees_of_freedom():
    quiet = few([0, 1, 2], [0, 1, 2], [0, 1, 2], [1.9, 2.9, 3.9])
    noisy = quiet | {"2": np.array([0.0, 30.0, 60.0])}
    sure = decide_few(quiet, "3")
    unsure = decide_few(noisy, "3")
    assert unsure.p > 5 * sure.p


def test_equal_trainings_decide_without_error_or_not_at_all():
    same = decide_few(few([1, 1, 1], [1, 1, 1]), "1")
    assert (same.sign, same.p, same.needed) == (0, 1.0, None)
    other = decide_few(few([1, 1, 1], [2, 2, 2]), "1")
    assert (other.sign, other.difference_interval, other.p) == (1, (1.0, 1.0), 0.0)


def test_too_few_trainings_are_refused():
    for values in (few([1.0], [2.0, 3.0]), few([1.0, 2.0])):
        with pytest.raises(UserError, match="at least two trainings"):
            decide_few(values, "0")


@pytest.mark.parametrize("name", calibrate_confirm.SIMULATED)
def test_what_is_no_better_is_called_so_in_at_most_five_per_cent(name):
    """But where one candidate in ten fails, which five trainings often do not show."""
    draw = calibrate_confirm.SIMULATED[name]
    row = calibrate_confirm.judged("simulated", name, draw, (3, 5), 600, 7)
    assert row.better <= 0.05 * 600 or "the reference never" in name
    assert row.ahead is not None and row.ahead <= 0.05 * 600


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("three", "CELLSxSEEDS, such as 3x5"),
        ("3x5x2", "CELLSxSEEDS"),
        ("0x5", "cells to confirm must be a whole number from 1"),
        ("3x1", "fresh seeds must be a whole number from 2"),
        ((3, 5, 1), "CELLSxSEEDS"),
        ((3, 2.5), "whole number"),
        (35, "CELLSxSEEDS"),
    ],
)
def test_a_wrong_shape_is_one_line(given, words):
    assert shape_of(" 3×5 ") == shape_of([3, 5])
    with pytest.raises(UserError, match=words):
        shape_of(given)


def test_the_best_cells_and_the_reference_are_trained_with_the_same_fresh_seeds():
    objective, run = noisy_run(Noisy())
    told = []
    found = confirm(
        objective,
        run,
        3,
        5,
        against=0,
        callback=lambda at: told.append((at.done, at.total)),
    )
    ranked = sorted(run.trials, key=lambda trial: trial.score)
    best = list(dict.fromkeys(trial.cell for trial in ranked))[:3]
    assert [one.cell for one in found.cells] == best
    assert found.reference.cell == SPACE[0]
    fresh = tuple(range(FIRST_FRESH, FIRST_FRESH + 5))
    assert {one.seeds for one in (*found.cells, found.reference)} == {fresh}
    assert told[-1] == (20, 20) and found.cost == 20
    assert found.better
    true = (true_error(SPACE[0]) - true_error(found.winner.cell)) / 100
    assert found.ci95[0] <= true <= found.ci95[1] and found.runs_needed is None
    assert "better than yours by" in found.sentences[0]


def test_the_seed_of_the_search_is_never_fresh():
    objective = Objective("valid_error", Noisy(), training_seed=FIRST_FRESH + 1)
    run = sn.search(objective.benchmark, "random", objective, budget=20)
    (one,) = confirm(objective, run, 1, 2).cells
    assert one.seeds == (FIRST_FRESH, FIRST_FRESH + 2)


def test_a_reference_that_the_search_found_is_no_candidate():
    objective, run = noisy_run(Noisy())
    mine = run.incumbent.cell
    found = confirm(objective, run, 3, 5, against=str(mine))
    assert mine not in [one.cell for one in found.cells] and not found.better
    assert found.reference.seen == run.incumbent.score


def test_a_better_reference_is_told_as_such():
    objective, run = noisy_run(Noisy())
    found = confirm(objective, run, 2, 6, against=99)
    assert found.difference < 0 and not found.better
    numbers = re.search(
        r"worse than yours by (.*) \[(.*), (.*)\]\.", found.sentences[0]
    )
    assert numbers is not None
    size, low, high = map(float, numbers.groups())
    assert 0 < low < size < high and size == pytest.approx(-found.difference, abs=1e-3)
    near = confirm(objective, run, 2, 2, against=int(run.incumbent.cell.index or 0))
    assert "no significant difference from yours" in near.sentences[0]


def test_trainings_that_are_needed_are_those_of_both_cells():
    objective, run = noisy_run(Noisy())
    told = 0
    for cell in SPACE[60:99]:
        found = confirm(objective, run, 1, 3, against=cell)
        needed = None if found.decision is None else found.decision.needed
        if needed is None or needed.about is None:
            assert found.runs_needed is None
            continue
        told += 1
        assert found.runs_needed == 2 * (needed.about - 3)
        assert (
            f"about {found.runs_needed} more trainings would be needed"
            in found.sentences[0]
        )
    assert told


def test_without_a_reference_the_best_stands_beside_the_runner_up():
    objective, run = noisy_run(Noisy())
    found = confirm(objective, run, 3, 4)
    assert found.reference is None
    means = sorted(one.mean for one in found.cells)
    assert (found.winner.mean, found.against.mean) == (means[0], means[1])
    assert "the runner-up" in found.sentences[0]
    only = confirm(objective, run, 1, 4)
    assert (only.difference, only.ci95, only.better) == (None, None, False)
    assert "no other to compare it with" in only.sentences[0]


def test_a_training_that_fails_leaves_its_cell_unconfirmed_and_the_others_go_on():
    objective, run = noisy_run(Noisy())
    best = confirm(objective, run, 3, 5).cells
    failing = Noisy([best[0].cell.index])
    objective = objective.on(failing)
    found = confirm(objective, run, 3, 5, against=0)
    assert [one.failure for one in found.cells] == ["out of memory", "", ""]
    assert found.winner.cell in [one.cell for one in best[1:]]
    assert (
        found.cost == 15.5 and f"{best[0].cell}: out of memory." in found.sentences[-1]
    )
    mine = confirm(objective.on(Noisy([0])), run, 3, 5, against=0)
    assert mine.reference.failure == "out of memory"
    assert mine.against in mine.cells
    every = [one.cell.index for one in best]
    none = confirm(objective.on(Noisy(every)), run, 3, 5, against=0)
    assert none.winner is None and none.sentences[0] == "Nothing is confirmed."
    assert none.to_json()["better"] is False and none.to_json()["difference"] is None


def test_a_cell_that_breaks_a_limit_by_fresh_seeds_is_not_confirmed():
    benchmark = Noisy()
    objective, run = noisy_run(benchmark)
    best = confirm(objective, run, 3, 5)
    lowest = min(one.mean for one in best.cells)
    limited = Objective(
        f"valid_error subject to valid_error <= {100 * lowest + 0.01}", benchmark
    )
    found = confirm(limited, run, 3, 5)
    assert sorted(bool(one.failure) for one in found.cells) == [False, True, True]
    assert "violates the constraints" in found.sentences[-1]


def test_a_table_gives_seeds_that_the_search_did_not_see():
    bench = sn.load("fashion")
    objective = Objective("valid_loss", bench, seed_policy="draw")
    run = sn.search(bench, "random", objective, budget=60, run=5)
    found = confirm(objective, run, 3, 2)
    held = objective.single_seeds()
    assert found.passed_over > 0 and len(found.cells) == 3
    assert f"lack of fresh seeds: {found.passed_over} cell" in found.sentences[1]
    for one in found.cells:
        (place,) = Draw(0, 5).places(held, [one.cell])
        assert int(held.numbers[place]) not in one.seeds and len(one.seeds) == 2
        stored = [
            float(bench.query(one.cell, "valid_loss", training_seed=seed))
            for seed in one.seeds
        ]
        assert list(one.scores) == pytest.approx(stored)
        assert one.seen == pytest.approx(
            float(
                bench.query(
                    one.cell, "valid_loss", training_seed=int(held.numbers[place])
                )
            )
        )


def test_a_table_gives_all_cells_the_same_seeds_where_it_can_and_pairs_none_else():
    objective = Objective("valid_loss", "fashion", seed_policy="draw")
    held = objective.single_seeds()
    mine = int(np.flatnonzero(held.held.all(axis=1))[-1])
    unlike = 0
    for seed in range(40):
        run = sn.search(objective.benchmark, "random", objective, budget=60, run=seed)
        found = confirm(objective, run, 1, 2, against=mine)
        assert found.reference.seeds == found.cells[0].seeds
        three = confirm(objective, run, 3, 2)
        if len({one.seeds for one in three.cells}) > 1:
            scores = {one.cell.text: np.array(one.scores) for one in three.cells}
            assert three.decision == decide_few(scores)
            unlike += decide_few(scores) != decide_few(scores, paired=True)
    assert unlike


def test_what_cannot_be_confirmed_is_refused_before_the_search():
    def never(trials):
        raise AssertionError(trials)

    refused = [
        (
            {"confirm": "3x2"},
            "uses the mean of all, so none is fresh. With --seed-policy draw",
        ),
        (
            {"confirm": "3x3", "seed_policy": "draw"},
            "used 1: at most 2 are fresh, not 3",
        ),
        ({"confirm": "3x2", "objective": "valid_loss, params"}, "single objective"),
        ({"confirm": "3x2", "objective": "valid_loss + .1*diversity"}, "history"),
        (
            {"confirm": "3x2", "seed_policy": "draw", "against_cell": 10**6},
            "has cells 0 to 15624",
        ),
        ({"against_cell": 11}, "requires --confirm"),
    ]
    for options, words in refused:
        with pytest.raises(UserError, match=words):
            sn.search("fashion", "random", budget=20, callback=never, **options)
    for cell in ("9" * 5000, np.int64(-1), True, "no cell"):
        with pytest.raises(UserError):
            confirm(*noisy_run(Noisy()), 2, 2, against=cell)
    bench = sn.load("fashion")
    held = Objective("valid_loss", bench, seed_policy="draw").single_seeds()
    few_seeds = int(np.flatnonzero(held.held.sum(axis=1) == 1)[0])
    options = {"confirm": "3x2", "seed_policy": "draw", "against_cell": few_seeds}
    with pytest.raises(
        UserError, match=r"contains 1 seed of the reference .*, fewer than 2"
    ):
        sn.search(bench, "random", budget=20, callback=never, **options)
    with pytest.raises(UserError, match="contains no single seeds of digital_error"):
        sn.search("analog-cifar10", "random", budget=20, callback=never, confirm="3x2")


def test_a_search_confirms_at_its_end_and_is_otherwise_the_same():
    benchmark = Noisy()
    plain = sn.search(benchmark, "evolution", "valid_error", budget=30)
    run = sn.search(
        benchmark, "evolution", "valid_error", budget=30, confirm=(2, 3), against_cell=0
    )
    assert plain.confirmed is None and run.trials == plain.trials
    assert run.confirmed and run.confirmed.better
    assert run.cost == plain.cost == 30 and run.confirmed.cost == 9


def test_the_command_prints_what_is_confirmed(snas):
    words = "search fashion random --objective valid_loss --seed-policy draw --budget 60 --seed 5"
    held = Objective("valid_loss", "fashion", seed_policy="draw").single_seeds()
    mine = int(np.flatnonzero(held.held.all(axis=1))[-1])
    asked = [*words.split(), "--confirm", "3x2", "--against-cell", mine]
    out = snas(*asked).out
    assert "Confirmed with 2 fresh seeds each" in out and "yours" in out
    assert "The confirmation cost" in out
    confirmed = snas(*asked, "--json").json["confirmed"]
    assert len(confirmed["ci95"]) == 2
    assert confirmed["cell"] in [one["cell"] for one in confirmed["cells"]]
    refused = snas(*words.split(), "--confirm", "3x3")
    assert_one_clear_line(
        refused, "contains 3 seeds of valid_loss[5], and the search used 1: at most 2"
    )


class Mirrored(ChoiceSpace):
    """A space of pairs whose order does not matter."""

    def identity(self, cell):
        return str(sorted(cell.choices))


def test_of_isomorphic_cells_the_best_alone_is_trained():
    space = Mirrored("mirrored", {"a": tuple(range(6)), "b": tuple(range(6))})
    benchmark = Noisy()
    benchmark.space = space
    objective = Objective("valid_error", benchmark)
    run = sn.search(benchmark, "random", objective, budget=36)
    found = confirm(objective, run, 6, 2)
    assert (
        len({space.identity(one.cell) for one in found.cells}) == len(found.cells) == 6
    )
    ranked = sorted(run.trials, key=lambda trial: trial.score)
    best = {space.identity(trial.cell): trial.cell for trial in reversed(ranked)}
    assert all(one.cell == best[space.identity(one.cell)] for one in found.cells)


STORED = "search fashion random --objective valid_loss --seed-policy draw --budget 60".split()


@pytest.fixture
def stored(snas, tmp_path):
    """The folder of a search with a confirmed winner."""
    snas(*STORED, "--confirm", "3x2", "--out", tmp_path / "run")
    return tmp_path / "run"


def test_a_confirmed_winner_is_read_back_and_not_trained_again(
    snas, stored, monkeypatch
):
    again = [*STORED, "--out", stored, "--json", "--confirm"]
    (run,) = read_comparison(stored).runs
    with monkeypatch.context() as patch:
        patch.delattr("surrogate_nas.runs.confirm._answers")
        confirmed = snas(*again, "3x2").json["confirmed"]
    assert run.confirmed and confirmed == run.confirmed.to_json()
    held = Objective("valid_loss", "fashion", seed_policy="draw")
    assert run.confirmed.decision == confirm(held, run, 3, 2).decision
    assert len(snas(*again, "2x2").json["confirmed"]["cells"]) == 2
    # with more trials other cells may be the best
    snas(*STORED[:-1], 70, "--out", stored)
    assert read_comparison(stored).runs[0].confirmed is None


def test_a_confirmed_winner_comes_first_in_the_report_and_the_tables(
    snas, stored, tmp_path
):
    confirmed = snas("report", stored, "--json").json["confirmed"]
    (first,) = confirmed
    page = (stored / "report.html").read_text()
    assert escape(first["sentences"][0]) in page
    assert page.index("Confirmed winner") < page.index("Summary")
    snas("export", "csv", stored, "--out", tmp_path / "csv")
    with open(tmp_path / "csv" / "confirmed.csv", newline="") as file:
        rows = list(DictReader(file))
    assert [row["role"] for row in rows] == ["winner", "candidate", "candidate"]
    assert rows[0]["cell"] == first["cell"]
    assert float(rows[0]["confirmed_score"]) == pytest.approx(first["mean"])


def test_a_confirmed_winner_is_sealed_and_archived(snas, stored, tmp_path):
    archive = tmp_path / "mine.zip"
    snas("archive", "create", stored, archive)
    assert snas("archive", "verify", archive, "--json").json["valid"]
    unpack(archive, tmp_path / "theirs")
    (run,) = read_comparison(tmp_path / "theirs").runs
    store = Store(stored)
    better = tuple(replace(one, scores=(0.1, 0.2)) for one in run.confirmed.cells)
    store.keep_confirmation(run, replace(run.confirmed, cells=better))
    snas("archive", "create", stored, archive)
    wrong = snas("archive", "verify", archive, "--json").json
    assert not wrong["valid"] and "confirmed winner differs" in wrong["problems"][0]
    (path,) = (stored / "confirmed").iterdir()
    for damaged in (path.read_text().replace("0.1", "0.3"), "[]", "{", ""):
        path.write_text(damaged)
        assert_one_clear_line(snas("report", stored), "Delete it and repeat the search")
    path.unlink()
    assert "confirmed" not in snas("report", stored, "--json").json


def test_a_confirmation_is_a_frame():
    run = sn.search(Noisy(), "random", budget=12, confirm="2x3")
    found = run.confirmed
    assert (
        found.to_frame().role.tolist()[0] == "winner" and "<td" in found._repr_html_()
    )
    assert repr(found) == f"<Confirmation: {found.sentences[0]}>"
    assert run.sentences[1:] == found.sentences
