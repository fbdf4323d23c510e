"""The live benchmark: trained once, kept, resumed, and searched by every strategy unchanged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.strategies import STRATEGIES

FILE = Path(__file__).with_name("tiny_task.py")
TINY = f"{FILE}:TINY"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveBenchmark:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return LiveBenchmark(TINY)


def kept(home: Path) -> list[list[object]]:
    return [json.loads(line) for file in (home / "live").glob("*.jsonl") for line in file.read_text().splitlines()]


def test_a_cell_is_trained_once_and_kept(bench: LiveBenchmark, tmp_path: Path) -> None:
    cell = bench.space[11]
    first = bench.query(cell, "valid_loss")
    assert (first.epochs, first.seed, first.unit, first.n_seeds) == (1, 0, "nats", 1)
    again = LiveBenchmark(TINY)
    assert again.query(cell, "valid_loss") == first
    assert {*again.query(cell)} == {*bench.query(cell)} > {"train_loss", "valid_error", "params", "macs"}
    assert len(kept(tmp_path)) == 1


def test_epochs_and_seeds_are_trainings_of_their_own(bench: LiveBenchmark, tmp_path: Path) -> None:
    cell = bench.space[11]
    answers = [
        bench.query(cell, "train_loss", epochs=1),
        bench.query(cell, "train_loss", epochs=2),
        bench.query(cell, "train_loss", epochs=1, seed=1),
    ]
    assert len(set(answers)) == len(kept(tmp_path)) == 3
    with pytest.raises(UserError, match="at least 1 epoch"):
        bench.query(cell, "train_loss", epochs=0)
    with pytest.raises(UserError, match="one seed at a time"):
        bench.query(cell, "train_loss", seed="mean")


def test_an_answer_does_not_depend_on_what_else_is_asked(
    bench: LiveBenchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [bench.space[i] for i in (3, 11, 500)]
    together = [float(a) for a in bench.query(cells, "valid_loss")]
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "other"))
    alone = LiveBenchmark(TINY)
    assert [float(alone.query(cell, "valid_loss")) for cell in reversed(cells)] == together[::-1]


def test_analytic_metrics_train_nothing(bench: LiveBenchmark, tmp_path: Path) -> None:
    assert bench.query(bench.space[11], "params") > 0
    assert not (tmp_path / "live").exists()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_searches_live(bench: LiveBenchmark, strategy: str) -> None:
    run = sn.search(bench, strategy, "valid_loss + 0.1*params subject to depth <= 2", budget=14)
    assert len(run.trials) == 14
    assert run.incumbent.epochs == 1 and run.incumbent.cost_seconds > 0
    assert max(t.score for t in run.trials if t.feasible) < min(t.score for t in run.trials if not t.feasible)


def test_a_comparison_has_a_report_and_no_regret(bench: LiveBenchmark, tmp_path: Path) -> None:
    assert bench.name
    made = sn.compare(f"live:{TINY}", ["random", "evolution"], runs=2, budget=12, folder=tmp_path / "out", workers=2)
    assert made.optimum is None and made.objective.seed == 0
    from surrogate_nas.report import write_report

    page = write_report(made, tmp_path / "out").read_text()
    assert "live training" in page and "test_error" in page and "kept from before" in page


COMPARE = """
import sys
import surrogate_nas as sn
from pathlib import Path
sn.compare(sys.argv[1], ["random", "bo"], runs=2, budget=25, folder=Path(sys.argv[2]))
"""


def test_a_killed_comparison_goes_on_and_trains_nothing_twice(bench: LiveBenchmark, tmp_path: Path) -> None:
    assert bench.name
    out = tmp_path / "out"
    for enough in (5, 15):
        process = subprocess.Popen([sys.executable, "-c", COMPARE, f"live:{TINY}", str(out)])
        limit = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < limit:
            if (tmp_path / "live").exists() and len(lines(tmp_path)) >= enough:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        assert process.wait() == -signal.SIGKILL
    made = sn.compare(f"live:{TINY}", ["random", "bo"], runs=2, budget=25, folder=out)
    assert [len(run.trials) for run in made.runs] == [25] * 4
    keys = [tuple(entry[:3]) for entry in kept(tmp_path)]
    assert len(keys) == len(set(keys))
    trained = {trial.cell.text: trial.cost_seconds for run in made.runs for trial in run.trials}
    assert trained == {str(cell): seconds for cell, _, _, _, seconds in kept(tmp_path) if cell in trained}


def lines(home: Path) -> list[bytes]:
    return [line for file in (home / "live").glob("*.jsonl") for line in file.read_bytes().splitlines()]


def test_a_torn_line_is_trained_again_and_a_damaged_one_is_an_error(bench: LiveBenchmark, tmp_path: Path) -> None:
    first, second = bench.space[3], bench.space[11]
    answer = bench.query(first, "valid_loss")
    (file,) = (tmp_path / "live").glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole + b'["|none~0|+')
    fresh = LiveBenchmark(TINY)
    assert fresh.query(first, "valid_loss") == answer
    fresh.query(second, "valid_loss")
    assert len(kept(tmp_path)) == 2
    file.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(UserError, match="Line 1 of .* is damaged"):
        LiveBenchmark(TINY).query(first, "valid_loss")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("live:digit", "Did you mean 'digits'"),
        ("live:no-such-file.py:TASK", "There is no task file"),
        (f"live:{FILE}:NOTHING", "holds no task"),
        (f"live:{FILE}:RAISES", "the disk is on the moon"),
        (f"live:{FILE}:HALVED", "must give the splits"),
    ],
)
def test_a_task_that_is_wrong_is_one_clear_line(bench: LiveBenchmark, name: str, says: str) -> None:
    assert bench.name
    with pytest.raises(UserError, match=says):
        sn.search(name, "random", "valid_loss", budget=1)


def test_an_unknown_device_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="There is no device 'quantum'"):
        LiveBenchmark(TINY, device="quantum")


def test_final_metrics_cannot_be_searched_live_and_there_is_no_column(bench: LiveBenchmark) -> None:
    with pytest.raises(UserError, match="final metric"):
        sn.Objective("test_error", bench)
    with pytest.raises(UserError, match="no table"):
        bench.column("valid_loss")
