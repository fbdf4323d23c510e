"""A training of a user's own: what it is given, how it goes on, and each way in which it fails."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import cloudpickle
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.base import Question
from surrogate_nas.benchmarks.running import LOG_BYTES
from surrogate_nas.benchmarks.trained import TrainingFolder
from surrogate_nas.benchmarks.training import Training
from surrogate_nas.core.errors import EvaluationError
from surrogate_nas.objective import Objective
from tests.conftest import assert_one_clear_line

SPACE = sn.ChoiceSpace(
    "net", {"width": (8, 16, 32), "depth": (1, 2, 3), "rate": (1, 2, 3, 4)}
)
CELL = SPACE.at((0, 1, 2))
LOSS = "valid_error"
BOTH = ["valid_error", "train_loss"]


@pytest.fixture(autouse=True)
def own_home(fresh_home):
    return fresh_home


class Trained:
    """A training that saves a checkpoint, and notes the epochs that it really trains.

    Attributes:
        notes: Where it notes them too, for those that are trained in a slot.
    """

    def __init__(self, notes: Path | None = None) -> None:
        self.notes = notes
        self.epochs: list[tuple[str, int]] = []
        self.starts: list[int] = []
        self.seeds: list[int] = []

    def __call__(self, cell, trial):
        state = trial.folder / "state.txt"
        done = int(state.read_text()) if state.exists() else 0
        assert done == trial.start
        self.starts.append(done)
        self.seeds.append(trial.seed)
        for epoch in range(trial.start + 1, trial.epochs + 1):
            self.epochs.append((cell.text, epoch))
            if self.notes is not None:
                with self.notes.open("a") as file:
                    file.write(f"{trial.start} {epoch} {cell}\n")
            sum(range(20_000))
            state.write_text(str(epoch))
            trial.report(
                epoch, valid_error=50 / epoch + sum(cell.choices) + trial.seed % 90 / 9
            )


@pytest.fixture
def trained():
    return Trained()


@pytest.fixture
def bench(trained):
    return training(trained)


def training(train, **more):
    return Training(
        SPACE, train, **({"metrics": [LOSS], "epochs": 9, "name": "mine"} | more)
    )


def asked(bench, *epochs, seed=0):
    """The values of a cell after some epochs, and the charge."""
    values, cost = bench.measure([CELL], [Question(LOSS, one) for one in epochs], seed)
    return values[0].tolist(), float(cost[0])


# what it is


def test_a_trial_says_what_the_training_shall_do():
    seen = {}

    def train(_cell, trial):
        seen.update(vars(trial), options=dict(trial.options))
        for epoch in range(1, trial.epochs + 1):
            trial.report(epoch, valid_error=2.0)

    asked(training(train, threads=2), 4, seed=5)
    assert (seen["seed"], seen["epochs"], seen["longest"], seen["start"]) == (
        5,
        4,
        9,
        0,
    )
    assert (seen["device"], seen["threads"]) == ("cpu", 2)
    assert seen["options"] == {"width": 8, "depth": 2, "rate": 3}


def test_every_kind_of_number_is_taken():
    import numpy as np

    def train(_cell, trial):
        numbers = [3, np.float32(2.5), np.array([1.5])]
        for epoch, number in enumerate(numbers, 1):
            trial.report(np.int64(epoch), valid_error=number)

    assert asked(training(train, epochs=3), 1, 2, 3)[0] == [3.0, 2.5, 1.5]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"space": 3}, "needs a space"),
        (
            {"train": None},
            "needs either a function of a cell and a trial, or a command",
        ),
        (
            {"command": "true"},
            "needs either a function of a cell and a trial, or a command",
        ),
        ({"train": 3}, "train must be a function or None, not 3"),
        ({"metrics": []}, "needs at least one reported metric"),
        ({"metrics": "valid_error"}, "metrics must be a list of names"),
        ({"metrics": [LOSS, LOSS]}, "metrics contains valid_error twice"),
        ({"computed": {LOSS: len}}, "valid_error is both in metrics and in computed"),
        ({"computed": 3}, "computed must be a mapping"),
        ({"epochs": 0}, "The number of epochs must be"),
        ({"checkpoints": "many"}, "a size such as 10GB, not 'many'"),
        (
            {"typical": {LOSS: 3}},
            "Unknown reported cost among those of `typical` 'valid_error'",
        ),
        ({"metrics": ["synflow_proxy"]}, "a score without training"),
    ],
)
def test_what_cannot_be_a_training_is_one_line(wrong, says):
    given = {"space": SPACE, "train": len, "metrics": [LOSS], "epochs": 9} | wrong
    with pytest.raises(sn.UserError, match=says):
        Training(**given)


# going on


def test_a_training_goes_on_from_its_checkpoint(bench, trained):
    cell = CELL.text
    (first,), early = asked(bench, 3)
    assert trained.epochs == [(cell, 1), (cell, 2), (cell, 3)]
    (last,), whole = asked(bench, 9)
    assert trained.epochs == [
        (cell, epoch) for epoch in range(1, 10)
    ] and trained.starts == [0, 3]
    assert 0 < early < whole and first > last
    assert bench.continued(CELL, 3, 9) == pytest.approx(whole - early)
    assert asked(bench, 3, 5, 9) == ([50 / 3 + 3, 50 / 5 + 3, 50 / 9 + 3], whole)
    assert len(trained.starts) == 2


@pytest.mark.parametrize("slots", [1, 2])
def test_asha_retrains_no_epoch(tmp_path, slots):
    bench = training(Trained(tmp_path / "notes"))
    run = sn.search(
        bench, "asha", LOSS, budget=30, resources=sn.Resources(parallel=slots)
    )
    noted = [
        line.split(" ", 1) for line in (tmp_path / "notes").read_text().splitlines()
    ]
    assert len(run.trials) == 30
    assert max(int(start) for start, _ in noted) > 0
    assert len(noted) == len({epoch_and_cell for _, epoch_and_cell in noted})
    charged = sum(trial.cost for trial in run.trials)
    deepest = {}
    for trial in run.trials:
        deepest[trial.cell] = max(deepest.get(trial.cell, 0), trial.epochs or 0)
    assert charged == pytest.approx(
        sum(
            bench.measure([cell], [Question(LOSS, n)]).cost[0]
            for cell, n in deepest.items()
        )
    )


def test_a_removed_checkpoint_is_trained_anew_and_charged_whole(bench, trained):
    (first,), _ = asked(bench, 3)
    TrainingFolder(bench.folder_of(CELL)).drop()
    (again, _), whole = asked(bench, 3, 9)
    assert trained.starts == [0, 0] and again == first
    assert bench.continued(CELL, 3, 9) == whole


def test_seeds_are_trainings_of_their_own(bench, trained):
    assert asked(bench, 3)[0] != asked(bench, 3, seed=2)[0]
    assert trained.starts == [0, 0] and trained.seeds == [0, 2]
    with pytest.raises(sn.UserError, match="give a seed, not the mean"):
        bench.measure([CELL], [Question(LOSS, 3)], "mean")


def test_where_seeds_do_not_matter_there_is_one(trained):
    bench = training(trained, stochastic=False)
    assert asked(bench, 3)[0] == asked(bench, 3, seed=7)[0]
    assert (
        bench.measure([CELL], [Question(LOSS, 3)], "mean").values[0, 0]
        == asked(bench, 3)[0][0]
    )
    assert trained.seeds == [0]


def test_answers_outlive_the_process(bench, trained):
    before = asked(bench, 2, 5)
    again = training(Trained())
    assert again.fingerprint == bench.fingerprint
    assert asked(again, 2, 5) == before and len(trained.starts) == 1
    assert asked(again, 1)[0] == [53.0]  # reported on the way
    assert again.continued(CELL, 2, 5) == bench.continued(CELL, 2, 5) > 0
    with pytest.raises(sn.UserError, match="contains no training of net"):
        bench.continued(SPACE.at((1, 1, 1)), 3, 9)


def test_a_search_that_was_interrupted_trains_nothing_again(tmp_path):
    seen = []

    def ends(event):
        seen.extend(trial.index for trial in event.trials)
        if len(seen) >= 12:
            event.stop()

    bench = training(Trained(tmp_path / "notes"))
    sn.search(bench, "asha", LOSS, budget=30, n_random=10, callback=ends)
    half = (tmp_path / "notes").read_text().splitlines()
    sn.search(bench, "asha", LOSS, budget=30, n_random=10)
    whole = (tmp_path / "notes").read_text().splitlines()
    trained = [line.split(" ", 1)[1] for line in whole]
    assert len(half) < len(whole)
    assert len(trained) == len({*trained})


KILLED = """
import os, signal, sys
import surrogate_nas as sn
SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2, 3), "rate": (1, 2, 3, 4)})
def train(cell, trial):
    state = trial.folder / "state.txt"
    print("starts at", trial.start, state.read_text() if state.exists() else "nothing")
    for epoch in range(trial.start + 1, trial.epochs + 1):
        state.write_text(f"whole {epoch}")
        if epoch == 6 and not os.path.exists("killed"):
            open("killed", "w").close()
            state.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        trial.report(epoch, valid_error=50 / epoch)
BENCH = sn.Training(SPACE, train, metrics=["valid_error"], epochs=9)
if __name__ == "__main__":
    cell = SPACE.at((0, 1, 2))
    for epochs in (3, 9):
        BENCH.query(cell, "valid_error", epochs=epochs)
    print((BENCH.folder_of(cell) / "log.txt").read_text(), end="")
    print(BENCH.query(cell, "valid_error", epochs=9))
"""


def test_a_half_written_checkpoint_is_not_used(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)

    def command():
        return subprocess.run(
            [sys.executable, "killed.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert command().returncode == -signal.SIGKILL
    ended = command()
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == "starts at 0 nothing"
    assert (
        lines[1:3] == ["starts at 3 whole 3"] * 2
    )  # of the one that was killed, and of the next
    assert float(lines[-1]) == pytest.approx(50 / 9)


def test_checkpoints_stay_within_their_cap(trained):
    def heavy(cell, trial):
        (trial.folder / "weights.bin").write_bytes(bytes(1000))
        trained(cell, trial)

    bench = training(heavy, checkpoints="2.5KB")
    cells = [SPACE.at((0, 0, place)) for place in range(4)]
    whole, *others = cells
    bench.measure([whole], [Question(LOSS, 9)])
    for cell in others:
        bench.measure([cell], [Question(LOSS, 3)])
        time.sleep(0.01)  # files tell times of use
    held = [TrainingFolder(bench.folder_of(cell)).held().epochs for cell in cells]
    assert held == [0, 0, 3, 3]
    assert [*bench.folder.rglob("weights.bin")] and bench.query(
        whole, LOSS, epochs=9
    ) > 0


# what it reports


def test_a_curve_is_there_while_it_is_trained():
    seen = []

    def train(cell, trial):
        place = TrainingFolder(bench.folder_of(cell))
        (trial.folder / "state").write_text("x")
        for epoch in range(trial.start + 1, trial.epochs + 1):
            trial.report(epoch, valid_error=50 / epoch, train_loss=1 / epoch)
            seen.append(
                [json.loads(line) for line in place.reports.read_text().splitlines()]
            )

    bench = training(train, metrics=BOTH)
    bench.measure([CELL], [Question(LOSS, 2)])
    bench.measure([CELL], [Question("train_loss", 4)])
    assert [len(lines) for lines in seen] == [1, 2, 3, 4]
    assert [line["epoch"] for line in seen[-1]] == [1, 2, 3, 4]
    assert seen[-1][3]["metrics"] == {"valid_error": 12.5, "train_loss": 0.25}
    seconds = [line["seconds"] for line in seen[-1]]
    assert seconds == sorted(seconds) and seconds[0] > 0


@contextmanager
def locked_elsewhere(folder):
    """A folder that another process has locked; yields what ends that process."""
    folder.mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from surrogate_nas.files import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    print('held', flush=True); input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=pipe, stdout=pipe, text=True
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        yield other.stdin.close


def test_one_process_waits_for_another_s_training_and_says_that_it_lives(
    bench, trained, monkeypatch
):
    from surrogate_nas.runtime import worker

    signs = []
    monkeypatch.setattr(worker, "alive", lambda: signs.append(1), raising=False)
    folder = bench.folder_of(CELL)
    with locked_elsewhere(folder) as end:
        release = threading.Timer(0.5, end)
        release.start()
        asked(bench, 2)
        release.join()
    assert len(signs) > 3 and trained.starts == [0]


def test_a_training_that_asks_for_itself_is_one_line():
    def asks(_cell, _trial):
        bench.query(CELL, LOSS, epochs=3)

    bench = training(asks)
    with pytest.raises(
        EvaluationError, match="This process is writing the training of net"
    ):
        asked(bench, 9)


# how it fails


class OutOfMemoryError(RuntimeError):
    """As PyTorch calls it."""


def raises(_cell, trial):
    sys.stdout.write("about to divide\n")
    trial.report(1, valid_error=1 / 0)


def leaves(_cell, _trial):
    sys.exit("no data here")


def forks(_cell, _trial):
    pid = os.fork()
    if pid == 0:
        return
    os.waitpid(pid, 0)
    raise RuntimeError("after the fork")


def forgets(_cell, trial):
    trial.report(1, valid_error=3.0)


def backwards(_cell, trial):
    for epoch in (1, 2, 1):
        trial.report(epoch, valid_error=3.0)


def too_many(_cell, trial):
    for epoch in range(1, 20):
        trial.report(epoch, valid_error=3.0)


def swallows(_cell, trial):
    for epoch in range(1, trial.epochs + 1):
        with suppress(Exception):
            trial.report(epoch, valid_error=float("nan"))


def prints(_cell, _trial):
    for _ in range(12):
        sys.stdout.write("x" * 1_000_000 + "\n")
    raise ValueError("printed enough")


def memory(_cell, _trial):
    raise MemoryError


def memory_of_a_device(_cell, _trial):
    raise OutOfMemoryError("tried to allocate 20 GiB")


def reports(**metrics):
    def train(_cell, trial):
        for epoch in range(1, trial.epochs + 1):
            trial.report(epoch, **metrics)

    return train


FAILING = [
    (raises, "broken", "ZeroDivisionError: division by zero"),
    (leaves, "broken", "SystemExit: no data here"),
    (forks, "broken", "RuntimeError: after the fork"),
    (forgets, "broken", "it ended after 1 of 9 epochs"),
    (backwards, "broken", "it reported epoch 1, but epoch 3 is next"),
    (too_many, "broken", "it reported epoch 10, but 9 epochs were requested"),
    (
        swallows,
        "broken",
        "it reported valid_error = nan for epoch 1, not a finite number",
    ),
    (prints, "broken", "ValueError: printed enough"),
    (memory, "resources", "MemoryError"),
    (memory_of_a_device, "resources", "OutOfMemoryError: tried to allocate 20 GiB"),
    (
        reports(valid_error=float("inf")),
        "broken",
        "valid_error = inf for epoch 1, not a finite",
    ),
    (
        reports(valid_error="12"),
        "broken",
        "it reported valid_error = '12' for epoch 1, not a number",
    ),
    (reports(valid_error=120), "broken", "= 120 for epoch 1, outside 0 to 100 %"),
    (reports(), "broken", "it reported no valid_error for epoch 1"),
    (
        reports(valid_error=1.0, valid_eror=2.0),
        "broken",
        "reported metric 'valid_eror'",
    ),
]


@pytest.mark.parametrize(("train", "cause", "says"), FAILING)
def test_a_failing_training_is_one_line_and_is_not_kept(train, cause, says, capfd):
    bench = training(train)
    log = bench.folder_of(CELL) / "log.txt"
    for _ in range(2):  # a failure is no answer
        with pytest.raises(EvaluationError) as failed:
            asked(bench, 9)
        assert failed.value.cause == cause and failed.value.cost >= 0
        line = str(failed.value)
        assert says in line and line.endswith(f"; its output is in {log}")
        assert "\n" not in line and len(line) < 300 + len(str(log)) + 20
    assert not bench.cache.path.exists()
    assert not [*bench.folder.rglob("checkpoint*")]
    assert log.stat().st_size <= LOG_BYTES + 10_000
    assert capfd.readouterr() == ("", "")
    if train is raises:
        said = log.read_text()
        assert said.startswith("about to divide\n") and "1 / 0" in said


@pytest.mark.parametrize(
    ("ends", "raised"),
    [
        (lambda: [][0], EvaluationError),
        (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt),
    ],
)
def test_a_failure_and_an_interrupt_keep_the_checkpoint_of_before(
    bench, trained, ends, raised
):
    asked(bench, 3)

    def breaks(_cell, trial):
        (trial.folder / "state.txt").write_text("half")
        ends()

    bench._doing = breaks
    with pytest.raises(raised):
        asked(bench, 9)
    bench._doing = trained
    asked(bench, 9)
    assert trained.starts == [0, 3]


def test_all_output_goes_to_its_file(capfd):
    def talks(cell, trial):
        sys.stdout.write("from Python\n")
        sys.stderr.write("from the other stream\n")
        ctypes.CDLL(None).puts(b"from C")
        subprocess.run(["echo", "from a child"], check=True)
        reports(valid_error=2.0)(cell, trial)

    bench = training(talks)
    sys.stdout.write("before\n")
    asked(bench, 9)
    sys.stdout.write("after\n")
    assert capfd.readouterr() == ("before\nafter\n", "")
    said = (bench.folder_of(CELL) / "log.txt").read_text().splitlines()
    assert {*said} == {"from Python", "from the other stream", "from C", "from a child"}


# what it costs, and the rest of an objective


def test_the_seconds_of_children_are_charged():
    busy = "sum(range(3_000_000))"

    def outside(cell, trial):
        running = subprocess.Popen(
            [sys.executable, "-c", f"{busy}; input()"], stdin=subprocess.PIPE
        )
        subprocess.run([sys.executable, "-c", busy], check=True)
        reports(valid_error=2.0)(cell, trial)
        running.communicate(b"\n")

    def idle(cell, trial):
        reports(valid_error=2.0)(cell, trial)

    assert asked(training(outside), 9)[1] > 0.02 + asked(training(idle), 9)[1]


def test_penalties_are_functions_of_the_cell(trained):
    sizes = {"params": lambda cell: 10.0 + sum(cell.choices)}
    bench = training(trained, computed=sizes)
    objective = Objective("valid_error + 0.1*params", bench)
    assert [term.divisor for term in objective.terms] == [100.0, 13.5]
    run = sn.search(bench, "random", objective, budget=12)
    assert all(
        trial.values["params"] == 10 + sum(trial.cell.choices) for trial in run.trials
    )
    assert "params" in objective.free.terms
    assert not bench.is_expensive("params")
    with pytest.raises(
        sn.UserError, match="params of mine fails for net.*ZeroDivisionError"
    ):
        Objective(
            "valid_error + params",
            training(trained, computed={"params": lambda _: 1 / 0}),
        )


def test_a_reported_cost_needs_a_typical_value():
    metrics = {"metrics": [LOSS, "latency@mine"]}
    reported = reports(**{LOSS: 5.0, "latency@mine": 3.0})
    with pytest.raises(sn.UserError, match=r"typical=\{'latency@mine': 20\}"):
        Objective("valid_error + 0.1*latency@mine", training(reported, **metrics))
    bench = training(reported, typical={"latency@mine": 6.0}, **metrics)
    objective = Objective("valid_error + 0.1*latency@mine", bench)
    assert [term.divisor for term in objective.terms] == [100.0, 6.0]
    assert sn.search(bench, "random", objective, budget=11).incumbent.penalty == 0.05
    limited = sn.search(
        training(reported, **metrics),
        "random",
        LOSS,
        subject_to="latency@mine <= 4",
        budget=11,
    )
    assert limited.incumbent.feasible


def test_what_a_training_will_cost_is_predicted(trained):
    bench = training(trained)
    assert bench.predicted_cost(CELL, 6) == 2 * bench.predicted_cost(CELL, 3)
    own = training(trained, cost=lambda cell, epochs: epochs * (1 + cell.choices[1]))
    assert own.predicted_cost(CELL, 4) == 8
    with pytest.raises(sn.UserError, match="cost of mine fails for net"):
        training(trained, cost=lambda _cell, _epochs: 1 / 0).predicted_cost(CELL, 4)
    small, large = (
        Training(sn.nb201(), trained, metrics=[LOSS], epochs=9).predicted_cost(
            sn.nb201()[i], 5
        )
        for i in (0, 11)
    )
    assert 0 < small < large


def test_an_edited_function_is_another_benchmark(trained):
    def times(factor):
        return lambda _cell, trial: trial.report(1, valid_error=factor)

    prints = [training(times(factor)).fingerprint for factor in (2.0, 2.0, 3.0)]
    assert prints[0] == prints[1] != prints[2]
    assert training(trained).fingerprint != training(trained, epochs=8).fingerprint
    assert (
        training(trained).fingerprint
        == training(trained, checkpoints="1GB").fingerprint
    )


def test_functions_of_a_notebook_reach_another_process(tmp_path):
    script = textwrap.dedent(
        """
        import cloudpickle, sys
        import surrogate_nas as sn
        SPACE = sn.ChoiceSpace("net", {"width": (8, 16), "depth": (1, 2)})
        SCALE = 7.0
        def train(cell, trial):
            for epoch in range(trial.start + 1, trial.epochs + 1):
                trial.report(epoch, valid_error=SCALE / epoch)
        bench = sn.Training(SPACE, train, metrics=["valid_error"], epochs=4)
        open("bench.pkl", "wb").write(cloudpickle.dumps(bench))
        print(bench.fingerprint)
        """
    )
    made = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    bench = cloudpickle.loads((tmp_path / "bench.pkl").read_bytes())
    assert bench.fingerprint == made.stdout.strip()
    assert bench.query(bench.space.at((0, 1)), LOSS, epochs=2) == 3.5


# a command


SCRIPT = """
import json, sys
from pathlib import Path
cell, epochs, start, seed, folder = sys.argv[1:6]
state = Path(folder, "state.txt")
done = int(state.read_text()) if state.exists() else 0
assert done == int(start)
print("begins at", done)
for epoch in range(done + 1, int(epochs) + 1):
    sum(range(300_000))
    state.write_text(str(epoch))
    print(json.dumps({"epoch": epoch, "valid_error": 50 / epoch + int(seed)}))
"""
COMMAND = f"{sys.executable} train.py {{cell}} {{epochs}} {{start}} {{seed}} {{folder}}"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def command(text):
    return Training(SPACE, command=text, metrics=[LOSS], epochs=9)


@pytest.mark.usefixtures("here")
def test_a_command_trains_and_goes_on():
    bench = command(COMMAND)
    (early,), cost = asked(bench, 3, seed=2)
    (late,), whole = asked(bench, 9, seed=2)
    assert (early, late) == (50 / 3 + 2, 50 / 9 + 2) and whole > cost > 0
    assert bench.continued(CELL, 3, 9, training_seed=2) == pytest.approx(whole - cost)
    said = (bench.folder_of(CELL, 2) / "log.txt").read_text().splitlines()
    assert said == ["begins at 0", "begins at 3"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs either a function of a cell and a trial, or a command"),
        ("no-such-command {cell}", "There is no command 'no-such-command'"),
        ("echo {sell}", "Unknown placeholder of a command 'sell'"),
        ("echo 'open", "cannot be parsed: No closing quotation"),
    ],
)
def test_what_is_no_command_is_one_line(text, says):
    with pytest.raises(sn.UserError, match=says):
        command(text)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "import sys; print('starts'); sys.exit('no data here')",
            "it ended with exit code 1: no data here",
        ),
        ("import os; os.kill(os.getpid(), 11)", r"it was killed by SIGSEGV \(11\)"),
        (
            'print(\'{"epoch": 1, "valid_error": NaN}\')',
            "valid_error = nan for epoch 1",
        ),
        ("print('{\"epoch\": 1}')", "it reported no valid_error for epoch 1"),
        (
            'print(\'{"epoch": "1"}\')',
            "it reported the epoch '1', which is not a whole number",
        ),
        ('print(\'{"epoch": 1, "valid_error": 3}\')', "it ended after 1 of 9 epochs"),
        ("print('x' * 12_000_000)", "it ended after 0 of 9 epochs"),
    ],
)
def test_a_command_that_fails_is_one_line(here, code, says):
    (here / "bad.py").write_text(code)
    bench = command(f"{sys.executable} bad.py {{cell}}")
    with pytest.raises(EvaluationError, match=says) as failed:
        asked(bench, 9)
    assert failed.value.cause == "broken" and not bench.cache.path.exists()
    assert (bench.folder_of(CELL) / "log.txt").stat().st_size <= LOG_BYTES


def test_no_shell_reads_a_command(here):
    (here / "say.py").write_text("import sys; print(sys.argv[1:])")
    bench = command(f"{sys.executable} say.py '$(touch shell)' '{{cell}};ls' | cat")
    with pytest.raises(EvaluationError):
        asked(bench, 9)
    said = (bench.folder_of(CELL) / "log.txt").read_text()
    assert (
        f"{CELL};ls" in said
        and "$(touch shell)" in said
        and not (here / "shell").exists()
    )


LONELY = """
import sys
import surrogate_nas as sn
space = sn.ChoiceSpace("net", {"width": (8, 16)})
bench = sn.Training(
    space, command=f"{sys.executable} waits.py", metrics=["valid_error"], epochs=2
)
bench.query("net(width=8)", "valid_error")
"""
WAITS = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
with open("pids.part", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename("pids.part", "pids")
time.sleep(600)
"""


def is_alive(pid):
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            not in "ZX"
        )
    except OSError:
        return False


def wait_until(holds):
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells who lives")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_command_ends_with_the_process_that_waits_for_it(here, end):
    (here / "waits.py").write_text(WAITS)
    (here / "lonely.py").write_text(LONELY)
    with subprocess.Popen(
        [sys.executable, "lonely.py"], stderr=subprocess.DEVNULL
    ) as process:
        wait_until((here / "pids").exists)
        pids = [int(pid) for pid in (here / "pids").read_text().split()]
        assert all(map(is_alive, pids))
        process.send_signal(end)
    wait_until(lambda: not any(map(is_alive, pids)))


GATED = """
import time
from pathlib import Path
import surrogate_nas as sn

SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2, 3)})

def train(cell, trial):
    Path("begun").touch()
    while not Path("gate").exists():
        time.sleep(0.01)
    trial.report(1, valid_error=50 + sum(cell.choices))

GATED = sn.Training(SPACE, train, metrics=["valid_error"], epochs=1)
"""
WITH_PATIENCE = (
    "from surrogate_nas.cli import app; app._PATIENCE_SECONDS = {}; app.main()"
)


@pytest.mark.parametrize(
    ("presses", "patience", "stored"), [(1, 0.0, 1), (2, 600.0, 0)]
)
def test_ctrl_c_waits_for_a_training_of_any_length_and_a_second_one_does_not(
    here, presses, patience, stored
):
    (here / "gated.py").write_text(GATED)
    command = ["search", "gated.py:GATED", "random", "--budget", "5", "--out", "out"]
    with subprocess.Popen(
        [sys.executable, "-c", WITH_PATIENCE.format(patience), *command],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_until((here / "begun").exists)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert any(
            line.startswith("Interrupted: waiting for 1 training")
            for line in process.stderr
        )
        if presses == 2:
            process.send_signal(signal.SIGINT)
        else:
            (here / "gate").touch()
        assert process.wait(60) == 130
    lines = (here / "out" / "runs" / "random-0.jsonl").read_text().splitlines()
    assert len(lines) == stored


# on the command line

FILE = """
import surrogate_nas as sn

SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2, 3), "rate": (1, 2, 3, 4)})


def train(cell, trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        (trial.folder / "state").write_text(str(epoch))
        trial.report(epoch, valid_error=50 / epoch + sum(cell.choices))


MINE = sn.Training(SPACE, train, metrics=["valid_error"], epochs=9, computed={"params": len_of})
"""


def test_it_is_opened_from_a_file(snas, here):
    (here / "mine.py").write_text(
        FILE.replace("len_of", "lambda cell: 1.0 + sum(cell.choices)")
    )
    found = snas(
        *("search", "mine.py:MINE", "--strategy", "asha", "--budget", 20, "--json"),
        *("--objective", "valid_error + 0.1*params"),
    )
    assert found.code == 0, found.err
    bench = sn.load("mine.py:MINE")
    assert (
        bench.address.endswith("mine.py:MINE")
        and pickle.loads(pickle.dumps(bench)) is bench
    )
    stored = pickle.dumps(bench)
    (here / "mine.py").write_text(
        FILE.replace("len_of", "lambda cell: 2.0 + sum(cell.choices)")
    )
    with pytest.raises(
        sn.UserError, match="mine.py:MINE was edited while its cells are trained"
    ):
        pickle.loads(stored)
    assert_one_clear_line(snas("search", "mine.py:OTHER"), "surrogate_nas.Training")


@pytest.mark.parametrize("limits", [{}, {"silence": 60.0}])
def test_a_training_that_may_hang_is_announced(tmp_path, limits, capsys):
    sn.search(training(Trained(tmp_path / "notes"), **limits), "random", LOSS, budget=1)
    assert ("A training that hangs is never ended" in capsys.readouterr().err) == (
        not limits
    )


PLAIN = """
import surrogate_nas as sn

def train(cell, trial):
    {body}

space = sn.ChoiceSpace("net", {{"width": (8, 16)}})
bench = sn.Training(space, train, metrics=["valid_error"], epochs=1)
"""


@pytest.mark.parametrize(
    ("body", "names"), [("import torch", ["torch"]), ("trial.seed", [])]
)
def test_workers_share_pytorch_where_a_training_names_it(
    body, names, tmp_path, monkeypatch
):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    (tmp_path / "own.py").write_text(PLAIN.format(body=body))
    bench = sn.load(f"{tmp_path / 'own.py'}:bench")
    assert [module for _, module in bench.in_server] == names
