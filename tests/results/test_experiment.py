"""Experiments: paired, exact in what they spend, the same however they are run, and proof against
user code.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import compare, read_comparison
from surrogate_nas.runs.options import Budget, Resources
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.runs.search import first_cells
from surrogate_nas.runs.store import Store
from tests import broken_strategies, hostile_strategies
from tests.broken_strategies import BROKEN
from tests.outcomes import bare

FILE = broken_strategies.__file__
HOSTILE = hostile_strategies.__file__
SWIFT = ["random", "local_search", "evolution", "reinforce"]


def run_of(strategy, objective, budget, run=0, seed=0, limit=60):
    return Experiment(
        objective, [strategy], run + 1, budget, seed=seed, call_limit=limit
    ).execute()[run]


@pytest.fixture
def objective(analog):
    return Objective("digital_error + 0.02*params", analog)


def test_all_strategies_of_a_run_share_their_first_cells_and_runs_do_not(analog, space):
    made = compare(analog, [*SWIFT, f"{FILE}:Fine"], runs=3, budget=12)
    firsts = {}
    for run in range(3):
        starts = {
            tuple(t.cell for t in r.trials[:10]) for r in made.runs if r.run == run
        }
        assert len(starts) == 1
        (firsts[run],) = starts
        assert len(set(firsts[run])) == 10
        assert list(firsts[run]) == first_cells(space, 10, 0, run)
    assert len(set(firsts.values())) == 3
    assert first_cells(space, 10, 1, 0) != first_cells(space, 10, 0, 0)


@pytest.mark.parametrize("strategy", [*SWIFT, f"{FILE}:Fine"])
def test_a_budget_of_cells_is_spent_exactly(strategy, objective):
    for cells in (1, 9, 10, 11, 12, 31):
        run = run_of(strategy, objective, Budget(cells))
        assert [trial.index for trial in run.trials] == list(range(cells))


@pytest.mark.parametrize("strategy", ["evolution", f"{FILE}:Fine"])
def test_a_budget_of_seconds_is_spent_as_far_as_whole_trials_fit(strategy, small):
    """Every trial of the table costs 13 seconds."""
    objective = Objective("valid_error[12]", small)
    for seconds, cells in (
        (13, 1),
        (13 * 10, 10),
        (13 * 10 - 0.01, 9),
        (13 * 11, 11),
        (13 * 31 + 12.99, 31),
    ):
        run = run_of(strategy, objective, Budget(seconds=seconds))
        assert len(run.trials) == cells
        assert run.cost == 13 * cells <= seconds
    with pytest.raises(UserError, match="does not pay for a single evaluation"):
        run_of(strategy, objective, Budget(seconds=12.99))


@pytest.mark.data
def test_the_next_trial_would_have_passed_the_budget(real):
    objective = Objective("valid_error[12]", real)
    for run in range(5):
        short = run_of("evolution", objective, Budget(seconds=3000), run)
        longer = run_of("evolution", objective, Budget(len(short.trials) + 1), run)
        assert [t.cell for t in longer.trials[:-1]] == [t.cell for t in short.trials]
        assert short.cost <= 3000 < longer.cost


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (None, None),
        (0, None),
        (-1, None),
        (None, 0.0),
        (None, -1.0),
        (None, float("nan")),
    ],
)
def test_a_budget_that_is_none_is_refused(cells, seconds):
    with pytest.raises(UserError, match="budget"):
        Budget(cells, seconds)


def test_bad_experiments_are_refused_before_anything_runs(analog):
    for arguments, message in (
        ({"strategies": []}, "at least one strategy"),
        ({"strategies": ["random", "random"]}, "same name"),
        ({"strategies": ["randon"]}, "Did you mean 'random'"),
        (
            {"strategies": ["random"], "runs": 0},
            "The number of runs must be a whole number from 1",
        ),
        ({"strategies": ["random"], "seed": -1}, "at least 0"),
        (
            {"strategies": ["random"], "resources": {"workers": 0}},
            r"workers \(--workers\) must be",
        ),
        ({"strategies": ["random"], "objective": "params"}, "needs a loss"),
    ):
        with pytest.raises(UserError, match=message):
            compare(analog, **{"budget": 5, **arguments})


def test_two_workers_give_what_one_gives(analog, tmp_path):
    strategies = [
        *SWIFT,
        "bo",
        f"{FILE}:Fine",
        f"{FILE}:RaisesLater",
        f"{HOSTILE}:Crashes",
    ]
    one = compare(analog, strategies, runs=2, budget=20)
    two = compare(
        analog,
        strategies,
        runs=2,
        budget=20,
        resources=Resources(workers=2),
        folder=tmp_path / "two",
    )
    assert bare(one) == bare(two)
    assert [r.trials for r in one.runs] == [r.trials for r in two.runs]
    assert (
        bare(read_comparison(tmp_path / "two"))["strategies"] == bare(one)["strategies"]
    )


FRESH = """
import json, sys
import surrogate_nas as sn
made = sn.compare("analog-cifar10", sys.argv[1].split(","), runs=2, budget=20)
content = made.to_json()
for strategy in content["strategies"]:
    del strategy["real_seconds"]
print(json.dumps(content))
"""


def test_a_fresh_process_with_another_hash_seed_gives_the_same(analog):
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "11",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    made = subprocess.run(
        [sys.executable, "-c", FRESH, ",".join(SWIFT)],
        capture_output=True,
        check=True,
        env=environment,
        timeout=600,
    )
    assert json.loads(made.stdout) == bare(compare(analog, SWIFT, runs=2, budget=20))


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_failing_strategy_fails_alone_with_one_clear_line(broken, analog, tmp_path):
    name = broken.__name__
    made = compare(
        analog,
        [broken, "random"],
        runs=2,
        budget=12,
        folder=tmp_path,
        resources=Resources(call_limit=0.3),
    )
    assert [len(r.trials) for r in made.runs_of("random")] == [12, 12]
    assert made.strategies == ["random"]
    assert len(made.failures) == 2
    for number, failure in enumerate(made.failures):
        assert failure.startswith(f"Strategy {name} failed in run {number}: ")
        assert "\n" not in failure
    assert bare(read_comparison(tmp_path)) == bare(made)
    if "Hangs" in name:
        assert "more than 0.3 s" in made.failures[0]


def test_a_failed_run_keeps_its_trials_and_is_made_anew(analog, tmp_path):
    file = tmp_path / "mine.py"
    source = (
        "import surrogate_nas as sn\n"
        "class Mine(sn.Strategy):\n"
        "    def ask(self, n):\n"
        "        {}\n"
    )
    file.write_text(source.format("raise RuntimeError('not yet')"))
    before = compare(
        analog, [f"{file}:Mine", "random"], runs=1, budget=20, folder=tmp_path / "out"
    )
    assert len(before.runs[0].trials) == 10
    file.write_text(source.format("return [self.space.sample(self.rng)]"))
    after = compare(
        analog, [f"{file}:Mine", "random"], runs=1, budget=20, folder=tmp_path / "out"
    )
    assert not after.failures
    assert len(after.runs[0].trials) == 20


def test_a_strategy_cannot_spoil_the_results_through_what_it_is_told(objective):
    spoilt = run_of(f"{FILE}:EmptiesWhatItIsTold", objective, Budget(24))
    fine = run_of(f"{FILE}:Fine", objective, Budget(24))
    assert [t.cell for t in spoilt.trials] == [t.cell for t in fine.trials]
    assert [t.values for t in spoilt.trials] == [t.values for t in fine.trials]


def test_the_store_refuses_another_comparison(analog, tmp_path):
    settled = {
        "strategies": ["random"],
        "runs": 1,
        "budget": 12,
        "folder": tmp_path,
    }
    before = bare(compare(analog, **settled))
    for change in (
        {"objective": "digital_error + 0.03*params"},
        {"objective": "analog_error"},
        {"subject_to": "depth <= 2"},
        {"seed": 1},
        {"n_random": 9},
    ):
        with pytest.raises(UserError, match="two comparisons are never mixed"):
            compare(analog, **{**settled, **change})
    with pytest.raises(UserError, match="a budget can only be raised"):
        compare(analog, **{**settled, "budget": 11})
    assert bare(compare(analog, **settled)) == before


def test_the_store_is_extended_by_strategies_and_runs_without_repeating_any(
    analog, tmp_path
):
    compare(analog, ["random"], runs=2, budget=12, folder=tmp_path)
    kept = {path: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    assert len(kept) == 2
    seen = []
    made = compare(
        analog,
        ["random", "evolution"],
        runs=3,
        budget=12,
        folder=tmp_path,
        callback=lambda event: event.trials or seen.append(event.done),
    )
    assert seen == [2, 3, 4, 5, 6]
    assert bare(made) == bare(
        compare(analog, ["random", "evolution"], runs=3, budget=12)
    )
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert Store(tmp_path).read()["runs"] == 3
    assert bare(read_comparison(tmp_path)) == bare(made)


def test_a_comparison_reads_back_what_it_computed(analog, tmp_path):
    made = compare(
        analog,
        SWIFT,
        "digital_error + 0.05*params",
        subject_to="depth >= 1",
        runs=3,
        budget=30,
        folder=tmp_path,
    )
    again = read_comparison(tmp_path)
    assert bare(again) == bare(made)
    assert [r.trials for r in again.runs] == [r.trials for r in made.runs]
    for name in SWIFT:
        regrets = made.regrets(name)
        assert regrets is not None
        assert (regrets >= 0).all()
        entry = next(s for s in made.to_json()["strategies"] if s["name"] == name)
        assert entry["evaluations"] == 90
        assert entry["cost"] == 90
        assert entry["score"]["mean"] == pytest.approx(
            np.mean([r.incumbent.score for r in made.runs_of(name)])
        )
