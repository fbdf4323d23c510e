"""The live benchmark: trained once, kept, resumed, and searched by every strategy unchanged."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE

FILE = Path(__file__).parents[1].joinpath("tiny_task.py")
TINY = f"{FILE}:TINY"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return LiveBenchmark(TINY)


def kept(home):
    """Everything kept, without checksums, in the order in which it was added."""
    lines = []
    for file in (home / "live").glob("*.sqlite"):
        with closing(sqlite3.connect(file)) as database:
            lines += database.execute(
                "SELECT value FROM answers ORDER BY rowid"
            ).fetchall()
    return [json.loads(line.partition(b" ")[2]) for (line,) in lines]


def test_a_cell_is_trained_once_and_kept(bench, tmp_path):
    cell = bench.space[11]
    first = bench.query(cell, "valid_loss")
    assert (first.epochs, first.training_seed, first.unit, first.n_seeds) == (
        1,
        0,
        "nats",
        1,
    )
    again = LiveBenchmark(TINY)
    assert again.query(cell, "valid_loss") == first
    assert (
        {*again.query(cell)}
        == {*bench.query(cell)}
        > {"train_loss", "valid_error", "params", "macs"}
    )
    assert len(kept(tmp_path)) == 1


def test_epochs_and_seeds_are_trainings_of_their_own(bench, tmp_path):
    cell = bench.space[11]
    answers = [
        bench.query(cell, "train_loss", epochs=1),
        bench.query(cell, "train_loss", epochs=2),
        bench.query(cell, "train_loss", epochs=1, training_seed=1),
    ]
    assert len(set(answers)) == len(kept(tmp_path)) == 3
    with pytest.raises(UserError, match="The number of epochs must be"):
        bench.query(cell, "train_loss", epochs=0)
    with pytest.raises(UserError, match="one seed at a time"):
        bench.query(cell, "train_loss", training_seed="mean")


def test_an_answer_does_not_depend_on_what_else_is_asked(bench, tmp_path, monkeypatch):
    cells = [bench.space[i] for i in (3, 11, 500)]
    together = [float(a) for a in bench.query(cells, "valid_loss")]
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "other"))
    alone = LiveBenchmark(TINY)
    assert [
        float(alone.query(cell, "valid_loss")) for cell in reversed(cells)
    ] == together[::-1]


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory):
    """A home where what one strategy had trained is kept for the next, as all begin with the same
    cells.
    """
    return tmp_path_factory.mktemp("live")


@pytest.mark.parametrize("strategy", ["evolution", "zero_cost"])
def test_every_strategy_searches_live(strategy, shared_home, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(shared_home))
    bench = LiveBenchmark(TINY)
    run = sn.search(
        bench, strategy, "valid_loss + 0.1*params subject to depth <= 2", budget=14
    )
    assert len(run.trials) == 14
    trained = bench.cache.find((run.incumbent.cell.text, 1, 0))
    assert trained is not None and (
        run.incumbent.epochs,
        run.incumbent.cost,
    ) == (
        1,
        trained.seconds,
    )
    assert max(t.score for t in run.trials if t.feasible) < min(
        t.score for t in run.trials if not t.feasible
    )


def test_no_cell_is_trained_that_the_budget_does_not_reach(bench, tmp_path):
    first = sn.search(bench, "random", "valid_loss", budget=3)
    assert len(kept(tmp_path)) == 3
    costs = [trial.cost for trial in first.trials]
    again = sn.search(
        bench, "random", "valid_loss", budget_seconds=costs[0] + costs[1] + costs[2] / 2
    )
    assert [trial.cost for trial in again.trials] == costs[:2]
    assert len(kept(tmp_path)) == 3


def test_a_damaged_answer_is_trained_again_with_one_line(bench, tmp_path, capsys):
    cell = bench.space[11]
    answer = bench.query(cell, "valid_loss")
    bench.query(bench.space[3], "valid_loss")
    (file,) = (tmp_path / "live").glob("*.sqlite")
    whole = file.read_bytes()
    at = whole.index(b"valid_error", whole.index(cell.text.encode())) + len(
        'valid_error": '
    )
    digit = b"1" if whole[at : at + 1] != b"1" else b"2"
    file.write_bytes(whole[:at] + digit + whole[at + 1 :])
    capsys.readouterr()
    for _ in range(2):
        assert LiveBenchmark(TINY).query(cell, "valid_loss") == answer
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("is damaged: it is dropped, and the cell is trained again.")
    assert len(kept(tmp_path)) == 2


@pytest.mark.usefixtures("fresh_home")
def test_an_edited_task_is_answered_anew(tmp_path):
    file = tmp_path / "mine.py"
    shutil.copy(FILE, file)
    text = file.read_text()

    def ask():
        bench = sn.load(f"live:{file}:TINY")
        return float(bench.query(bench.space[11], "valid_loss")), bench.fingerprint

    first = ask()
    assert ask() == first
    edits = {
        "data": text.replace(
            "digits.images[:, None] / 16", "digits.images[:, None] / 8"
        ),
        "schedule": text.replace("batch=32", "batch=16"),
        "loss": text.replace(
            "TINY = Task(", "class Mine(Task):\n    worst_loss = 0.5\n\n\nTINY = Mine("
        ),
    }
    found = {}
    for what, edited in edits.items():
        assert edited != text
        file.write_text(edited)
        found[what] = ask()
    assert len({first, *found.values()}) == 4
    assert len({answer for answer, _ in (first, *found.values())}) == 4
    file.write_text(text)
    assert ask() == first


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("live:digit", "Did you mean 'digits'"),
        ("live:no-such-file.py:TASK", "There is no task file"),
        (f"live:{FILE}:NOTHING", "defines no NOTHING"),
        (f"live:{FILE}:RAISES", "the disk is on the moon"),
        (f"live:{FILE}:HALVED", "must return the splits"),
    ],
)
def test_a_task_that_is_wrong_is_one_clear_line(bench, name, says):
    assert bench.name
    with pytest.raises(UserError, match=says):
        sn.search(name, "random", "valid_loss", budget=1)


def test_an_unknown_device_is_one_clear_line():
    with pytest.raises(UserError, match="There is no device 'quantum'"):
        LiveBenchmark(TINY, device="quantum")


def test_final_metrics_cannot_be_searched_live_and_there_is_no_column(bench):
    with pytest.raises(UserError, match="final metric"):
        sn.Objective("test_error", bench)
    with pytest.raises(UserError, match="is not a table"):
        bench.column("valid_loss")


@pytest.mark.usefixtures("fresh_home")
def test_a_task_can_be_trained_with_another_loss():
    plain, brier = (sn.load(f"live:{TINY}{loss}") for loss in ("", "?loss=brier"))
    assert (
        brier.name == f"live:{TINY}?loss=brier"
        and brier.fingerprint != plain.fingerprint
    )
    cell = plain.space[11]
    both = [
        {name: bench.query(cell, name) for name in ("valid_loss", "valid_nll")}
        for bench in (plain, brier)
    ]
    assert both[0]["valid_loss"] == pytest.approx(float(both[0]["valid_nll"]))
    assert (
        both[1]["valid_loss"] < 2
        and both[1]["valid_loss"].unit != "nats" == both[1]["valid_nll"].unit
    )
    assert sn.load("live:digits?loss=focal/macro").space.name == "macro"
    with pytest.raises(UserError, match="Did you mean 'brier'"):
        sn.load(f"live:{TINY}?loss=brie")


@pytest.mark.usefixtures("fresh_home")
def test_a_relative_path_is_compared_on_and_read_again(tmp_path, monkeypatch, snas):
    """A task and a loss in the working directory; the fingerprint is of their content, not of how
    they are spelled.
    """
    monkeypatch.chdir(tmp_path)
    shutil.copy(FILE, "tiny.py")
    assert snas("new", "loss", "Mine").code == 0
    Path("elsewhere").mkdir()
    for file in ("tiny.py", "mine.py"):
        shutil.copy(file, Path("elsewhere", f"other_{file}"))
    spelled = [
        "live:tiny.py:TINY?loss=mine.py:Mine",
        "live:./tiny.py:TINY?loss=./mine.py:Mine",
    ]
    spelled.append(
        f"live:{tmp_path}/elsewhere/other_tiny.py:TINY?loss={tmp_path}/elsewhere/other_mine.py:Mine"
    )
    arguments = ["--runs", 1, "--budget", 11, "--out", "out", "--json", "--strategies"]
    first = snas("compare", spelled[0], *arguments, "random")
    assert first.code == 0, first.err
    assert snas("report", "out", "--bench", spelled[1]).code == 0
    # goes on in the same folder
    grown = snas("compare", spelled[2], *arguments, "random,evolution")
    assert grown.code == 0 and grown.json["fingerprint"] == first.json["fingerprint"], (
        grown.err
    )
    Path("mine.py").write_text(Path("mine.py").read_text() + "# edited\n")
    assert (
        "two comparisons are never mixed"
        in snas("compare", spelled[0], *arguments, "random").err
    )
