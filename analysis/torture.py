"""Kill long work at random moments, let the same command go on, and hold the result against an
undisturbed one.

make torture, or .venv/bin/python analysis/torture.py --kills 100. Interrupted, it goes on where it
was. Linux only: it looks for orphans in /proc. What is killed: the process group, the parent alone
with SIGKILL and SIGTERM, one worker; a search on several slots is sent Ctrl-C too. A search in the
order of a clock must end as an undisturbed one, also where trainings of unequal cost fail and it is
interrupted on 1, 2 or 4 slots (clock-1, clock-2, clock-4). One in the order of finishing must have
all its trials, those from before the kill first, and nothing trained twice that was stored.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from surrogate_nas.files import Journal

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("group", "parent -9", "parent -15", "worker")
PATIENCE = 5.0
"""Seconds after which whatever is left of a killed command is an orphan."""
FORKED = "multiprocessing.forkserver"
MARK = "SURROGATE_NAS_TORTURE"
COMMAND = [sys.executable, "-c", "from surrogate_nas.cli import main; main()"]
PREDICTORS = """
from analysis.papers import __main__, predictors
predictors.SIZES, predictors.MODELS = (46, 78), ("ridge", "gp")
__main__.main()
"""


SLOTS = (*KINDS, "ctrl-c")
SLOW = """
import os, time
import surrogate_nas as sn
from surrogate_nas.space import ChoiceSpace

space = ChoiceSpace("slow", {name: tuple(range(6)) for name in "abcd"})

def valid_error(cell):
    with open("calls.txt", "a") as file:
        file.write(f"{cell}\\n")
    time.sleep(0.02 + 0.02 * (hash(cell.choices) % 5))
    return 10.0 + sum((choice - 2) ** 2 for choice in cell.choices)

SLOW = sn.Computed(space, {"valid_error": valid_error})
"""
UNEQUAL = """
import time
import surrogate_nas as sn
from surrogate_nas.space import ChoiceSpace

space = ChoiceSpace("unequal", {name: tuple(range(6)) for name in "abcd"})

def train(cell, trial):
    time.sleep(0.02 + 0.03 * (hash(cell.choices) % 5))
    if sum(cell.choices) % 5 == 4:
        raise ValueError(f"{cell} diverged")
    trial.report(1, valid_error=10.0 + sum((choice - 2) ** 2 for choice in cell.choices))

UNEQUAL = sn.Training(
    space, train, metrics=["valid_error"], epochs=1, cost=lambda cell, epochs: 1 + cell.choices[0]
)
"""
IN_FLIGHT = 3
IN_FLIGHT_BY_CLOCK = 6
CELLS = 60
MEASURED = ("cost_seconds", "started", "finished", "seal")
"""What of a trial follows from what its training took, and the checksum over it."""


@dataclass(frozen=True)
class Work:
    """A command that takes a while.

    Attributes:
        command: Its words, given the folder that it works in.
        result: What it made there, without what no two machines share.
        kinds: How it is killed.
    """

    command: Callable[[Path], list[str]]
    result: Callable[[Path], Any]
    kinds: tuple[str, ...] = KINDS


def compared(folder: Path) -> Any:
    """Every trial of every run, and the summary without its seconds."""
    summary = json.loads((folder / "out" / "summary.json").read_text())
    for strategy in summary["strategies"]:
        del strategy["real_seconds"]
    runs = sorted((folder / "out" / "runs").glob("*.jsonl"))
    return summary, {run.name: run.read_text().splitlines()[:-1] for run in runs}


def judged(folder: Path) -> Any:
    """Every trial of every problem, and the suite's summary without its seconds."""
    summary = json.loads((folder / "out" / "suite.json").read_text())
    for strategy in summary["strategies"]:
        del strategy["real_seconds"]
    runs = sorted((folder / "out" / "problems").rglob("*.jsonl"))
    return summary, {
        f"{run.parts[-3]}/{run.name}": run.read_text().splitlines()[:-1] for run in runs
    }


def digests(file: Path) -> dict[str, str]:
    """A digest of every column of a table, those of seconds left out, and the index, which has
    digests of these.

    Args:
        file: The file.
    """
    import h5py

    found: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "seconds" not in name and name != "index":
            found[name] = hashlib.sha256(np.asarray(item[()]).tobytes()).hexdigest()

    with h5py.File(file) as opened:
        opened.visititems(visit)
    return found


def tabled(folder: Path) -> Any:
    """Every column of the table without its seconds."""
    return digests(folder / "tiny.h5")


def reproduced(folder: Path) -> Any:
    """Every row of the paper's table without what holds seconds."""
    rows = json.loads((folder / "out" / "rows.json").read_text())["rows"]
    return [
        {name: value for name, value in row.items() if name != "verdict"}
        for row in rows
    ]


def measured(folder: Path) -> Any:
    """Which metrics were measured of which cells: times are never the same twice."""
    import surrogate_nas as sn

    bench = sn.load(str(folder / "local.h5"))
    return {
        m.name: np.flatnonzero(np.isfinite(bench.column(m.name))).tolist()
        for m in bench.metrics
    }


def fetched(folder: Path) -> Any:
    """Every column of the fetched tables."""
    return {
        path.name: digests(path)
        for path in sorted((folder / "home" / "tables").glob("*.h5"))
    }


def trained(folder: Path) -> Any:
    """Every trial of a search in the order of a clock."""
    return (folder / "out" / "runs" / "evolution-0.jsonl").read_text().splitlines()[:-1]


def trained_unequally(folder: Path) -> Any:
    """Every trial of a search in the order of a clock, without what was measured."""
    entries = [json.loads(line) for line in trained(folder)]
    for entry in entries:
        for name in MEASURED:
            del entry[name]
    return entries


def raced(folder: Path) -> Any:
    """How many trials a search in the order of finishing has, and whether more was trained than
    those and what one kill may have lost.
    """
    trials = trained(folder)
    calls = (folder / "calls.txt").read_text().splitlines()
    return len(trials), len(calls) <= len(trials) + IN_FLIGHT


def searching(order: str, engine: str) -> Callable[[Path], list[str]]:
    """The command of a search on two slots, in a folder."""

    def command(folder: Path) -> list[str]:
        (folder / "slow.py").write_text(SLOW)
        code = f"import os; os.chdir({str(folder)!r}); {COMMAND[2]}"
        words = [
            "search",
            "slow.py:SLOW",
            "evolution",
            "--budget",
            str(CELLS),
            "--parallel",
            "2",
        ]
        more = [
            "--in-flight",
            str(IN_FLIGHT),
            "--order",
            order,
            "--engine",
            engine,
            "--out",
            "out",
        ]
        return [*COMMAND[:2], code, *words, *more]

    return command


def by_the_clock(slots: int) -> Callable[[Path], list[str]]:
    """The command of a search in the order of a clock on some slots, in a folder."""

    def command(folder: Path) -> list[str]:
        (folder / "unequal.py").write_text(UNEQUAL)
        code = f"import os; os.chdir({str(folder)!r}); {COMMAND[2]}"
        words = ["search", "unequal.py:UNEQUAL", "evolution", "--budget", str(CELLS)]
        more = ["--parallel", str(slots), "--in-flight", str(IN_FLIGHT_BY_CLOCK)]
        return [*COMMAND[:2], code, *words, *more, "--order", "clock", "--out", "out"]

    return command


COMPARE = [
    "compare",
    "analog-cifar10",
    "--strategies",
    "random,local_search,evolution,reinforce",
    "--runs",
    "2",
    "--budget",
    "2000",
    "--workers",
    "2",
    "--json",
]
SUITE = [
    "suite",
    "starter",
    "--strategies",
    "random,local_search,evolution,reinforce",
    "--runs",
    "6",
    "--workers",
    "2",
]
MEASURE = [
    "measure",
    "--cells",
    "12",
    "--task",
    f"{ROOT / 'tests' / 'tiny_task.py'}:TINY",
]
WORKS = {
    "compare": Work(
        lambda folder: [*COMMAND, *COMPARE, "--out", str(folder / "out")], compared
    ),
    "suite": Work(
        lambda folder: [*COMMAND, *SUITE, "--out", str(folder / "out")], judged
    ),
    "table": Work(
        lambda folder: [
            *COMMAND,
            "table",
            f"{ROOT / 'tests' / 'tiny_task.py'}:TINY",
            "--space",
            "macro",
            "--workers",
            "2",
            "--out",
            str(folder / "tiny.h5"),
        ],
        tabled,
    ),
    "predictors": Work(
        lambda folder: [
            sys.executable,
            "-c",
            PREDICTORS,
            "predictors",
            "--runs",
            "1",
            "--workers",
            "2",
            "--out",
            str(folder / "out"),
        ],
        reproduced,
    ),
    "measure": Work(
        lambda folder: [*COMMAND, *MEASURE, "--out", str(folder / "local.h5")],
        measured,
        KINDS[:3],
    ),
    "trainings": Work(searching("clock", "processes"), trained, SLOTS),
    **{
        f"clock-{slots}": Work(by_the_clock(slots), trained_unequally, ("ctrl-c",))
        for slots in (1, 2, 4)
    },
    "race": Work(searching("finished", "processes"), raced, SLOTS),
    "trainings-dask": Work(searching("clock", "dask"), trained, SLOTS),
    "trainings-ray": Work(searching("clock", "ray"), trained, SLOTS),
    "fetch": Work(lambda _: [*COMMAND, "data", "fetch", "nb201"], fetched, KINDS[:3]),
}


def start(command: list[str], home: Path, mark: str) -> subprocess.Popen[str]:
    """Start a command in a process group of its own; it and its children carry a mark in their
    environment.

    Args:
        command: Its words.
        home: Where it keeps data.
        mark: Any text.
    """
    environment = os.environ | {
        MARK: mark,
        "SURROGATE_NAS_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_hear,
    )


def _hear() -> None:
    """A job in a shell's background, or under nohup, would pass on that it hears nothing of
    these.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def marked(mark: str) -> set[int]:
    """The living processes that carry a mark.

    Args:
        mark: The text.
    """
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if f"{MARK}={mark}".encode() in environment and state not in "ZX":
                found.add(int(entry.name))
    return found


def workers(mark: str) -> set[int]:
    """The living worker processes that carry a mark: those that a fork server has forked.

    Args:
        mark: The text.
    """
    found = set()
    for process in marked(mark):
        try:
            this = psutil.Process(process)
            parent = this.parent()
            words = this.cmdline()
            if parent is not None and words == parent.cmdline() and FORKED in words[-1]:
                found.add(process)
        except psutil.Error:
            continue
    return found


def hit(process: subprocess.Popen[str], kind: str, mark: str) -> bool:
    """Kill what a kind says; False where there is nothing of it to kill.

    Args:
        process: The parent.
        kind: One of `KINDS`.
        mark: What its children carry.
    """
    if process.poll() is not None:
        return False
    if kind == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif kind == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
    elif kind == "worker":
        alive = workers(mark)
        if not alive:
            return False
        os.kill(min(alive), signal.SIGKILL)
    else:
        process.send_signal(int(kind.rpartition("-")[2]))
    return True


def orphans(mark: str) -> int:
    """How many marked processes are left after a patient while.

    Args:
        mark: The text.
    """
    limit = time.monotonic() + PATIENCE
    while (left := marked(mark)) and time.monotonic() < limit:
        time.sleep(0.05)
    return len(left)


def torment(
    work: Work,
    kind: str,
    delay: float,
    folder: Path,
    home: Path,
    expected: Any,
) -> str:
    """Kill a command after some seconds and let it go on; what came of it in a word.

    Args:
        work: What to kill.
        kind: How.
        delay: When, in seconds after its start.
        folder: An empty folder to work in.
        home: Where data is kept.
        expected: The undisturbed result.
    """
    process = start(
        work.command(folder), home, mark := f"{os.getpid()}-{time.monotonic_ns()}"
    )
    try:
        process.communicate(timeout=delay)
    except subprocess.TimeoutExpired:
        pass
    if not hit(process, kind, mark):
        process.kill()
        process.communicate()
        return "missed"
    _, errors = process.communicate()
    if "Traceback" in errors:
        return f"traceback: {errors.strip().splitlines()[-1]}"
    if orphans(mark):
        return "orphans"
    again = start(work.command(folder), home, mark)
    _, errors = again.communicate()
    if again.returncode:
        return f"refused: {errors.strip()[-200:]}"
    return "identical" if work.result(folder) == expected else "different"


def main() -> None:
    """Torture every work and print a table of counts."""
    # a script's background work ignores Ctrl-C, and what it starts would too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=100, help="of each kind for each work"
    )
    parser.add_argument("--works", default=",".join(WORKS), help="with commas between")
    parser.add_argument("--out", type=Path, default=Path("results/torture"))
    options = parser.parse_args()
    names = options.works.split(",")
    if strange := [name for name in names if name not in WORKS]:
        parser.error(f"there is no work {strange[0]}; known: {', '.join(WORKS)}")
    shared = options.out.absolute() / "home"
    start([*COMMAND, "data", "fetch", "nb201"], shared, "fetch").communicate()
    for name in names:
        with Journal(options.out / f"{name}.jsonl", {"work": name}) as journal:
            counts = suffer(
                name, options.kills, options.out.absolute(), shared, journal
            )
        for kind, count in counts.items():
            said = ", ".join(f"{n} {what}" for what, n in sorted(count.items()))
            print(f"{name:<12}{kind:<12}{said}", flush=True)


def suffer(
    name: str,
    kills: int,
    out: Path,
    shared: Path,
    journal: Journal,
) -> dict[str, Counter[str]]:
    """Kill one work as often as wished in each kind, those of earlier calls included; the outcomes
    by kind.

    Args:
        name: The work.
        kills: How often in each kind.
        out: Where to work.
        shared: A home with the public tables.
        journal: Keeps the outcomes.
    """
    work = WORKS[name]
    folder = out / name
    rng = np.random.default_rng([len(journal.entries), *name.encode()])

    def fresh() -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if name in ("table", "fetch") or name.startswith("clock-"):
            return folder / "home"
        return shared

    home = fresh()
    began = time.monotonic()
    _, errors = (
        undisturbed := start(work.command(folder), home, "undisturbed")
    ).communicate()
    assert undisturbed.returncode == 0, errors
    duration = time.monotonic() - began
    expected = work.result(folder)
    counts = {
        kind: Counter(what for k, what in journal.entries if k == kind)
        for kind in work.kinds
    }
    for kind in work.kinds:
        while counts[kind].total() < kills:
            outcome = torment(
                work,
                kind,
                float(rng.uniform(0.05, 1)) * duration,
                folder,
                fresh(),
                expected,
            )
            if outcome != "missed":
                journal.append([kind, outcome])
                counts[kind][outcome] += 1
    shutil.rmtree(folder, ignore_errors=True)
    return counts


if __name__ == "__main__":
    main()
