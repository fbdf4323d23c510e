"""`Request.start`: trainings that begin with another cell's checkpoint."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.checkpoints import TrainingFolder
from surrogate_nas.benchmarks.training import Training
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space.trial import Start, Trial
from surrogate_nas.study.api import read_comparison
from surrogate_nas.study.run import Run
from tests.conftest import Snas

GUIDE = Path(__file__).parents[2] / "analysis" / "guide" / "handing-on.md"
LOSS = "valid_error"
FILE = """
from pathlib import Path

import surrogate_nas as sn

SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2, 3), "rate": (1, 2, 3, 4)})


def train(cell, trial):
    state = trial.folder / "weights.txt"
    weights = 0
    if trial.start:
        weights = int(state.read_text())
    elif trial.start_folder:
        weights = int((trial.start_folder / "weights.txt").read_text())
        (trial.start_folder / "weights.txt").write_text("spoilt")
    with Path(__file__).with_name("notes").open("a") as file:
        file.write(f"{cell} {trial.start_cell} {trial.start} {weights}\\n")
    for epoch in range(trial.start + 1, trial.epochs + 1):
        weights += 1
        state.write_text(str(weights))
        (trial.folder / "padding").write_bytes(bytes(1000))
        error = 60 / weights + sum(cell.choices)
        trial.report(epoch, valid_error=error, test_error=error + 1)


GIVEN = {"metrics": ["valid_error", "test_error"], "epochs": 4}
MINE = sn.Training(SPACE, train, **GIVEN)
SMALL = sn.Training(SPACE, train, checkpoints="1.5KB", **GIVEN)
SEEDS = sn.Training(SPACE, train, seeds=2, **GIVEN)


class Population(sn.Strategy):
    chooses_epochs = True
    size = 3

    def __init__(self, space, *, seed=0):
        super().__init__(space, seed=seed)
        self.members = []

    def ask(self, n):
        if len(self.members) < self.size:
            return [sn.Request(self.space.sample(self.rng), self.epochs[-1])]
        best = min(self.members[-self.size:], key=lambda trial: trial.score).cell
        return [sn.Request(self.space.mutate(best, self.rng), self.epochs[-1], start=best)]

    def tell(self, trials):
        self.members += trials


class Scripted(sn.Strategy):
    chooses_epochs = True
    script = ()

    def __init__(self, space, *, seed=0):
        super().__init__(space, seed=seed)
        self.cells = [space.at((0, 0, place)) for place in range(4)]
        self.left = list(self.script)

    def ask(self, n):
        return [
            sn.Request(self.cells[cell], epochs, start=None if start is None else self.cells[start])
            for cell, epochs, start in self.left.pop(0)[:n]
        ]

    def tell(self, trials):
        pass


class Chain(Scripted):
    script = [[(0, 4, None)], [(1, 4, 0)], [(2, 2, 1)], [(2, 4, 1)], [(1, 4, None)]]


class Unknown(Scripted):
    script = [[(0, 4, None)], [(1, 4, 3)]]


class Further(Scripted):
    script = [[(0, 2, None), (3, 2, None)], [(0, 4, None)], [(1, 4, 0)]]


class Late(Scripted):
    script = [[(0, 4, None)], [(1, 4, None)], [(2, 4, 0)], [(3, 4, 2)]]


class Own(sn.Strategy):
    chooses_epochs = True

    def ask(self, n):
        return [sn.Request(self.space.sample(self.rng), self.epochs[-1], start="net")]

    def tell(self, trials):
        pass
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path


def search(strategy: str, budget: int, bench: str = "MINE", **more: Any) -> Run:
    return sn.search(f"mine.py:{bench}", f"mine.py:{strategy}", LOSS, budget=budget, **more)


def notes(here: Path) -> list[str]:
    return (here / "notes").read_text().splitlines()


def told(run: Run) -> list[tuple[object, ...]]:
    """All of a run's trials but what they cost."""
    return [(one.cell, one.epochs, one.values, one.score, one.start) for one in run.trials]


def weights(trial: Trial) -> int:
    """How many epochs the weights of a trial were trained, those before its start included."""
    return round(60 / (trial.values[f"valid_error[{trial.epochs}]"] - sum(trial.cell.choices)))


def test_weights_are_handed_on_and_epochs_counted_from_the_start(here: Path) -> None:
    run = search("Chain", 5)
    assert [(trial.epochs, weights(trial)) for trial in run.trials] == [
        (4, 4),
        (4, 8),
        (2, 10),
        (4, 12),  # goes on from its own checkpoint
        (4, 4),  # the same cell with nothing handed on is another training
    ]
    first, second, third, fourth, fifth = (trial.start for trial in run.trials)
    assert first is None and fifth is None and third == fourth
    assert second == Start(run.trials[0].cell, 4) and second.origin == ""
    assert third == Start(run.trials[1].cell, 4, second.digest)
    assert [line.split(") ")[1:] for line in notes(here)[1:4]] == [
        ["net(width=8, depth=1, rate=1", "0 4"],
        ["net(width=8, depth=1, rate=2", "0 8"],
        ["None 2 10"],
    ]
    bench = sn.load("mine.py:MINE")
    handed = [trial for trial in run.trials if trial.start is not None]
    costs = [bench.handed(one.start).query(one.cell, LOSS, epochs=one.epochs) for one in handed]
    assert [float(one) for one in costs] == [
        trial.values[f"valid_error[{trial.epochs}]"] for trial in handed
    ]
    assert len(notes(here)) == 5  # all of these answers are stored


def test_going_on_from_what_was_handed_on_costs_the_difference() -> None:
    run = search("Chain", 5)
    bench = sn.load("mine.py:MINE")
    early, late = run.trials[2:4]
    assert late.start is not None
    view = bench.handed(late.start)
    whole = view.measure([late.cell], [bench.question(LOSS)], 0).cost[0]
    assert early.cost_seconds + late.cost_seconds == pytest.approx(whole)


@pytest.mark.parametrize("slots", [1, 2])
def test_population_based_training_is_the_same_twice_and_its_replay_is_exact(
    here: Path,
    slots: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {"parallel": slots, "in_flight": 2, "order": "clock"}
    whole = search("Population", 14, folder="whole", **given)
    assert sum(trial.start is not None for trial in whole.trials) > 8
    assert max(map(weights, whole.trials)) > 8
    trained = notes(here)
    again = search("Population", 14, folder="whole", **given)  # as stored
    assert again.trials == whole.trials and notes(here) == trained
    monkeypatch.setenv(HOME_VARIABLE, str(here / "another"))
    seen: list[Trial] = []

    def ends(trials: Any) -> bool:
        seen.extend(trials)
        return len(seen) >= 7

    search("Population", 14, folder="part", callback=ends, **given)
    (stored,) = (here / "part" / "runs").glob("*.jsonl")
    lines = stored.read_text().splitlines(keepends=True)
    stored.write_text("".join(lines[:7]))  # as after a crash
    rest = search("Population", 14, folder="part", **given)
    assert told(rest) == told(whole)
    assert [trial.cost_seconds for trial in rest.trials[:7]] == [
        one.cost_seconds for one in seen[:7]
    ]


@pytest.mark.parametrize("slots", [1, 2])
def test_the_race_of_finishing_is_replayed(here: Path, slots: int) -> None:
    given = {"parallel": slots, "order": "finished", "folder": "race"}
    run = search("Population", 10, **given)
    trained = notes(here)
    (stored,) = (here / "race" / "runs").glob("*.jsonl")
    lines = stored.read_text().splitlines(keepends=True)
    stored.write_text("".join(lines[:-1]))
    assert search("Population", 10, **given).trials == run.trials and notes(here) == trained
    entries = [json.loads(line) for line in lines[:-1]]
    starts = [entry["start"][0] for entry in entries if "start" in entry]
    assert starts == [trial.start.cell.text for trial in run.trials if trial.start is not None]


def test_where_the_checkpoint_has_gone_it_is_trained_anew_told_and_charged(
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = search("Late", 4, "SMALL", folder="late")
    *_, third, fourth = run.trials
    assert (third.start, weights(third)) == (None, 4)
    assert (fourth.start, weights(fourth)) == (Start(third.cell, 4), 8)  # what it began is known
    lines = [line for line in capsys.readouterr().err.splitlines() if "has gone" in line]
    assert lines == [
        "net(width=8, depth=1, rate=3): the checkpoint of net(width=8, depth=1, rate=1) has gone,"
        " so it is trained anew."
    ]
    whole = sn.load("mine.py:SMALL").measure([third.cell], [run_question()], 0).cost[0]
    assert third.cost_seconds == pytest.approx(whole)
    trained = notes(here)
    (stored,) = (here / "late" / "runs").glob("*.jsonl")
    stored.write_text("".join(stored.read_text().splitlines(keepends=True)[:-1]))
    assert search("Late", 4, "SMALL", folder="late").trials == run.trials
    assert notes(here) == trained


def run_question() -> Any:
    return sn.load("mine.py:SMALL").question(LOSS)


def test_the_cap_keeps_what_a_queued_training_needs() -> None:
    bench = sn.load("mine.py:SMALL")
    assert isinstance(bench, Training)
    first, second, third = (bench.space.at((0, 0, place)) for place in range(3))  # type: ignore[attr-defined]
    questions = [bench.question(LOSS)]
    place = TrainingFolder(bench.folder_of(first))
    bench.query(first, LOSS)
    view = bench.handed(Start(first, 4))
    assert view.secure(second, questions, 0) and place.held().epochs == 4
    bench.query(third, LOSS)
    assert place.held().epochs == 0  # beyond the cap
    assert view.query(second, LOSS) == 60 / 8 + 1
    view.release(second, 0)
    assert not [*bench.folder.rglob("start*")]
    assert view.secure(second, questions, 0)  # as its answer is stored
    assert not bench.handed(Start(first, 4)).secure(third, questions, 0)


def test_what_is_handed_on_is_a_copy() -> None:
    search("Chain", 2)
    bench = sn.load("mine.py:MINE")
    assert isinstance(bench, Training)
    first = bench.space.cell("net(width=8, depth=1, rate=1)")
    place = TrainingFolder(bench.folder_of(first))
    assert (place.path / place.held().checkpoint / "weights.txt").read_text() == "4"


def test_final_metrics_are_of_the_weights_that_were_handed_on(snas: Snas, here: Path) -> None:
    words = ["mine.py:MINE", "mine.py:Population", "--objective", LOSS, "--budget", 12]
    found = snas("search", *words, "--json")
    assert found.code == 0, found.err
    best = found.json["best"]
    assert best["final"] == {"test_error": best["metrics"]["valid_error[4]"] + 1}
    assert sum("start" in trial for trial in found.json["trials"]) > 6
    trained = notes(here)
    compared = snas(
        *("compare", "mine.py:MINE", "--strategies", "mine.py:Population,random", "--runs", 1),
        *("--objective", LOSS, "--budget", 12, "--out", "results", "--json"),
    )
    assert compared.code == 0, compared.err
    assert all(trained.count(line) == notes(here).count(line) for line in trained)
    read = read_comparison("results", benchmark="mine.py:MINE")
    assert any(trial.start for run in read.runs for trial in run.trials)


def test_what_was_handed_on_is_not_confirmed_by_fresh_seeds() -> None:
    run = search("Population", 12, confirm="1x2")
    assert run.incumbent.start is not None and run.confirmed is not None
    (one,) = run.confirmed.cells
    assert one.failure.startswith("it began with the weights of another cell")


@pytest.mark.parametrize(
    ("strategy", "bench", "says"),
    [
        ("Unknown", "mine.py:MINE", "of which it was told no training that succeeded"),
        ("Further", "mine.py:MINE", "which is in training: ask for it once that is told"),
        ("Chain", "mine.py:SEEDS", "has several seeds, each with weights of its own"),
        ("Population", "fashion", "and fashion keeps no checkpoints: leave out start"),
        ("Population", "live:digits", "and live:digits keeps no checkpoints: leave out start"),
        ("Own", "mine.py:MINE", "starts from 'net', which is no cell of net"),
    ],
)
def test_what_cannot_be_handed_on_is_one_line(
    snas: Snas,
    strategy: str,
    bench: str,
    says: str,
) -> None:
    words = ["search", bench, f"mine.py:{strategy}", "--objective", LOSS, "--budget", 12]
    flight = ["--in-flight", 2, "--order", "clock"] if strategy == "Further" else []
    first = 0 if bench.startswith("mine") else 3
    found = snas(*words, *flight, "--random-first", first)
    assert found.code == 2 and found.out == ""
    assert says in found.err.splitlines()[-1], found.err


def test_a_loop_of_ones_own_hands_nothing_on() -> None:
    with sn.AskTell(sn.Objective(LOSS, "fashion"), "mine.py:Population") as loop:
        with pytest.raises(sn.UserError, match="no checkpoint is kept here to start from"):
            for _ in range(20):
                (asked,) = loop.ask()
                loop.tell(asked)


def test_a_command_is_told_the_folder_that_it_starts_from() -> None:
    space = sn.ChoiceSpace("net", {"width": (8, 16)})
    command = (
        '/bin/sh -c \'echo x > $1/state; test -z "$2" || cat "$2"/state >> $1/state;'
        ' lines=$(wc -l < $1/state); echo "{\\"epoch\\": 1, \\"valid_error\\": $lines}"\''
        " sh {folder} {start_folder}"
    )
    percent = {LOSS: sn.Metric(unit="%")}
    bench = Training(space, command=command, metrics=percent, epochs=1)
    first, second = space.at((0,)), space.at((1,))
    assert bench.query(first, LOSS) == 1.0
    view = bench.handed(Start(first, 1))
    assert view.secure(second, [bench.question(LOSS)], 0)
    assert view.query(second, LOSS) == 2.0 and bench.query(second, LOSS) == 1.0


def test_the_guide_s_strategy_is_short_and_hands_weights_on(here: Path) -> None:
    code, *_ = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    lines = [line for line in code.splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 15
    (here / "pbt.py").write_text(code)
    run = sn.search("mine.py:MINE", "pbt.py:Population", LOSS, budget=16)
    plain = sn.search("mine.py:MINE", "random", LOSS, budget=16)
    assert sum(trial.start is not None for trial in run.trials) > 6
    assert run.incumbent.score < plain.incumbent.score
