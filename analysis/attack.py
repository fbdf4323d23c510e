"""Repeats attacks on the command line, on folders of results, on the server and on whatever runs
users' code.

Each prints a line that says what happened; the exit code is 1 if one succeeds.

.venv/bin/python analysis/attack.py [--only WORD] [--patience 1]
"""

import argparse
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np

from surrogate_nas import load
from surrogate_nas.benchmarks.base import Question
from surrogate_nas.core.digests import json_check
from surrogate_nas.core.errors import UserError
from surrogate_nas.study.archive import create
from surrogate_nas.study.run import RunLog
from surrogate_nas.study.store import Store
from surrogate_nas.study.verification import verify
from surrogate_nas.training.fast.compiled import CPU_VARIABLE

ROOT = Path(__file__).parents[1]
SNAS = [sys.executable, "-m", "surrogate_nas"]
SECONDS = 60.0
"""The longest that a command may take on a quiet machine; ``--patience`` multiplies it."""
PATIENCE = [1.0]
Attack = Callable[[Path], str]
"""Attacks from an empty folder; says what happened, or raises `Succeeded`."""
ATTACKS: dict[str, Attack] = {}


class Succeeded(Exception):
    """An attack has done what it wanted."""


def attack(name: str) -> Callable[[Attack], Attack]:
    """Register an attack."""

    def register(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return register


def environment(folder: Path) -> dict[str, str]:
    """That of every command: its own data folder, none of our threads."""
    return os.environ | {"SURROGATE_NAS_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}


def given(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command, given in a folder; `Succeeded` if it hangs or leaves a traceback."""
    command = [*SNAS, *map(str, arguments)]
    seconds = SECONDS * PATIENCE[0]
    try:
        made = subprocess.run(
            command,
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Succeeded(
            f"it hangs for {seconds:g} s: snas {' '.join(map(str, arguments))}"
        ) from None
    if "Traceback" in made.stderr:
        raise Succeeded(f"a traceback: {made.stderr.strip().splitlines()[-1]}")
    return made


def said(made: subprocess.CompletedProcess[str]) -> str:
    """The last line of a command's standard error."""
    return ([*made.stderr.strip().splitlines()] or ["nothing is said"])[-1]


def refused(folder: Path, *arguments: object) -> str:
    """What a command says that must be refused."""
    made = given(folder, *arguments)
    if made.returncode != 2:
        raise Succeeded(f"exit code {made.returncode}: snas {' '.join(map(str, arguments))}")
    return said(made)


COMPARE = (
    "compare",
    "fashion",
    "--strategies",
    "random,evolution",
    "--runs",
    2,
    "--budget",
    12,
    "--out",
    "out",
)


def compared(folder: Path) -> Store:
    """A small comparison in ``out``."""
    made = given(folder, *COMPARE)
    if made.returncode:
        raise RuntimeError(made.stderr)
    return Store(folder / "out")


def resealed(store: Store, change: Callable[[dict[str, Any]], None]) -> None:
    """A description with a change, sealed as if it had been written so."""
    path = store.folder / "experiment.json"
    content = json.loads(path.read_text())
    del content["check"]
    change(content)
    path.write_text(json.dumps({**content, "check": json_check(content)}))


def rewritten(
    store: Store,
    strategy: str,
    run: int,
    change: Callable[[list[dict[str, Any]]], None],
) -> None:
    """A run's lines with a change, sealed as if they had been written so."""
    path = store.path(strategy, run)
    root = f"{Store(store.folder)._root} {strategy} {run}"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["seal"]
    change(lines)
    path.unlink()
    log = RunLog(path, root)
    log._chain.append_all(lines)
    log.close()


EMPTY = sha256(b"").hexdigest()
FLAGS: dict[str, Sequence[Any]] = {
    "engine": ("torch",),
    "fingerprint": ("0123456789abcdef",),
    "benchmark": ("nb201-cifar10", "Fashion"),
    "address": ("nb201-cifar10", "live:digits"),
    "objective.expression": ("valid_loss[5]", "valid_error[5]"),
    "objective.benchmark": ("nb201-cifar10",),
    "objective.objectives": ([],),
    "objective.terms": ([],),
    "objective.diversity_weight": (0.5,),
    "objective.constraints": (["params <= 1"],),
    "objective.seed": (0,),
    "objective.seed_policy": ("draw",),
    "objective.search_on_final": (["test_error"],),
    "objective.cost": ("queries",),
    "objective.fingerprint": ("0123456789abcdef",),
    "objective.more": (1,),
    "data.space": ("nb101",),
    "data.runs": ({}, {"valid_loss": {"5": "0123456789abcdef"}}),
    "data.known": ({"terms": [], "missing": []},),
    "data.conventions": (1,),
    "strategies": (["evolution", "random"], ["random ", "evolution"]),
    "budget": ({"cells": 11, "seconds": None}, {"cells": None, "seconds": 1e9}),
    "numbers": ([0, 7], [1, 0]),
    "seed": (7,),
    "first_cells": (0, 9),
    "simulated_workers": (2, 12),
    "in_flight": (1, 12),
    "order": ("clock", "finished"),
    "memory_each": ("4GB",),
    "target": (1e9,),
    "sources": ({"random": {"a.py": EMPTY}}, {"nobody": {"a.py": EMPTY}}),
    "files": ({"nobody": {"a.txt": "0"}},),
    "versions": ({"nobody": 2},),
    "reference": ({},),
    "reference.optimum": (0.0,),
    "beginning": ({"first": ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"], "known": []},),
    "merged": (["random: from the archive of somebody else."],),
}
"""By field of the description of `COMPARE`, values that do not fit it."""
IDLE_FLAGS: dict[str, Sequence[Any]] = {
    "at_end": ("stop",),
    "budget_tokens": (1,),
    "hidden": (True,),
    "target": (-1e9,),
    "provenance": ({},),
    "extensions": ([{"runs": 1}],),
    "data.others": ({},),
    "data": (None,),
    "reference": (None,),
    "strategies": (["Mine", "evolution"],),
    "runs": (1,),
}
"""Values that are possible, so that they must not hide what was forged."""


def flagged(folder: Path, field: str, value: Any, *, cheats: bool) -> Path:
    """An archive of ``out`` whose description has another value, sealed as if it had been made so.

    Args:
        folder: Where ``out`` lies.
        field: The field, or a field in a field after a full stop.
        value: Its value.
        cheats: Whether a run of random search has cells that it did not draw, with their true
            scores, for a thousandth of their charges.
    """
    copied = folder / "flagged"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(folder / "out", copied)
    lines = {
        (label, run): [json.loads(line) for line in Store(copied).path(label, run).open()]
        for label in ("random", "evolution")
        for run in (0, 1)
    }
    if cheats:
        cheat(lines["random", 0], lines["random", 1])
    top, _, inner = field.partition(".")

    def change(content: dict[str, Any]) -> None:
        if inner:
            content[top][inner] = value
        else:
            content[top] = value

    resealed(Store(copied), change)
    shutil.rmtree(copied / "runs")
    described = Store(copied).read()
    labels = dict(zip(("random", "evolution"), described["strategies"], strict=True))
    for (label, run), entries in lines.items():
        log = RunLog(
            Store(copied).path(labels[label], run), Store(copied).root_of(labels[label], run)
        )
        log._chain.append_all([{k: v for k, v in one.items() if k != "seal"} for one in entries])
        log.close()
    for label, sources in (described.get("sources") or {}).items():
        (copied / "sources" / label).mkdir(parents=True)
        for name in sources:
            (copied / "sources" / label / name).touch()
    create(copied, folder / "flagged.zip")
    return folder / "flagged.zip"


def cheat(lines: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """Take the last cells of another run, for a thousandth of their charges."""
    now = lines[9]["finished"]
    for place in (10, 11):
        lines[place] = {**others[place], "cost_seconds": others[place]["cost_seconds"] / 1000}
        lines[place]["started"] = now
        now = lines[place]["finished"] = now + lines[place]["cost_seconds"]


@attack("A.3 archives with flags that do not fit, over true and over forged runs")
def unfit_flags(folder: Path) -> str:
    compared(folder)
    fields = {name.partition(".")[0] for name in (*FLAGS, *IDLE_FLAGS)}
    left_out = Store(folder / "out").read().keys() - fields - {"version", "written_by", "with"}
    if left_out:
        raise Succeeded(f"{', '.join(left_out)} is not attacked")
    n = 0
    for flags, all_cheat in ((FLAGS, False), (FLAGS, True), (IDLE_FLAGS, True)):
        for field, values in flags.items():
            for value in values:
                n += 1
                try:
                    path = flagged(folder, field, value, cheats=all_cheat)
                except UserError:  # it cannot even be sealed
                    continue
                if verify(path, replay_all=True).valid is not False:
                    raise Succeeded(f"{field}: {value!r} is valid")
    return f"{n} are refused"


class Served:
    """``snas serve`` on a folder."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [*SNAS, "serve", str(folder), "--port", "0", "--json"],
            env=environment(folder.parent),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.token = str(told["token"])
        self.port = int(str(told["address"]).partition("/?")[0].rpartition(":")[2])
        self.address = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def answered(self, path: str = "") -> str:
        """A page, or that there is nothing; `Succeeded` if there is no answer."""
        try:
            with urlopen(
                f"{self.address}{path}?token={self.token}", timeout=10 * PATIENCE[0]
            ) as page:
                return str(page.read().decode())
        except HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise Succeeded(f"serve answers /{path} with {error.code}") from error
            return ""
        except OSError as error:
            raise Succeeded(f"serve does not answer /{path}: {error}") from error

    def threads(self) -> int:
        """How many threads it has."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def most_memory(self) -> int:
        """The most bytes that it has had in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def connected(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10 * PATIENCE[0])

    def status(
        self,
        path: str,
        *,
        hosts: Sequence[str] | None = None,
        cookie: str | None = None,
    ) -> int:
        """What it answers to exactly this path, which is not tidied up; by default with the
        token.
        """
        lines = [f"GET {path} HTTP/1.1"]
        lines += [f"Host: {host}" for host in hosts or [f"127.0.0.1:{self.port}"]]
        lines += [
            f"Cookie: {cookie or f'snas-{self.port}={self.token}'}",
            "Connection: close",
            "",
            "",
        ]
        with self.connected() as connection:
            connection.sendall("\r\n".join(lines).encode())
            try:
                return int(connection.recv(12).split()[1])
            except (IndexError, ValueError, OSError) as error:
                raise Succeeded(f"serve does not answer {path}: {error}") from error


def shown(folder: Path) -> str:
    """All ways of looking at ``out`` of a folder: served, reported, exported."""
    with Served(folder) as server:
        for path in ("", "at/out", "at/out/"):
            server.answered(path)
    for command in (("report", "out"), ("export", "csv", "out")):
        made = given(folder, *command)
        if made.returncode not in (0, 2):
            raise Succeeded(f"exit code {made.returncode} of {command[0]}: {said(made)}")
    return said(given(folder, "report", "out"))


EDITED = (
    "import surrogate_nas as sn\nclass Mine(sn.Strategy):\n    def ask(self, n):\n        return"
    " [self.space[{}]]\n"
)


SUITE = """
cells = 12
runs = 2
strategies = ["random", "evolution"]

[[problems]]
name = "one"
benchmark = "fashion"
"""


@attack("A.2 a strategy is edited between two calls on one folder")
def edited(folder: Path) -> str:
    for place, runs in ((11, 2), (12, 4)):
        (folder / "mine.py").write_text(EDITED.format(place))
        made = given(
            folder,
            "compare",
            "fashion",
            "--strategies",
            "mine.py:Mine",
            "--runs",
            runs,
            "--budget",
            11,
            "--out",
            "out",
        )
    cells = {
        json.loads(path.read_text().splitlines()[-2])["cell"]
        for path in (folder / "out" / "runs").iterdir()
    }
    if len(cells) > 1:
        raise Succeeded("runs of old and of new code stand in one folder")
    return next(line for line in made.stderr.splitlines() if "Mine" in line)


@attack("A.3 live training on files of the working directory")
def relative(folder: Path) -> str:
    shutil.copy(ROOT / "tests" / "tiny_task.py", folder / "tiny.py")
    given(folder, "new", "loss", "Mine")
    names = ("live:tiny.py:TINY", "live:./tiny.py:TINY", "live:tiny.py:TINY?loss=mine.py:Mine")
    found = []
    for name in names:
        made = given(
            folder,
            "compare",
            name,
            "--strategies",
            "random",
            "--runs",
            1,
            "--budget",
            11,
            "--out",
            "with" if "?" in name else "without",
            "--json",
        )
        if made.returncode:
            raise Succeeded(f"{name} fails: {said(made)}")
        found.append(json.loads(made.stdout)["fingerprint"])
    if found[0] != found[1]:
        raise Succeeded("the fingerprint depends on how a path is spelled")
    return "compared and read again"


@attack("A.4 one command replaces another's pages")
def replaced(folder: Path) -> str:
    (folder / "own.toml").write_text(SUITE)
    given(folder, "suite", "own.toml", "--out", "results/compare")
    before = (folder / "results" / "compare" / "report.html").read_bytes()
    given(folder, *COMPARE[:-2])
    if (folder / "results" / "compare" / "report.html").read_bytes() != before:
        raise Succeeded("snas compare has replaced the suite's report")
    return refused(folder, *COMPARE[:-1], "results/compare")


LOCKS = {
    "an infinite number": b'{"pid": 1e999, "host": "here", "since": ""}',
    "an endless number": b'{"pid": 1' + b"0" * 400 + b', "host": "here"}',
    "lists in lists": b"[" * 100_000,
    "lists in lists, short": b"[" * 999,
}


def with_lock(content: bytes | None) -> Attack:
    def locked(folder: Path) -> str:
        compared(folder)
        lock = folder / "out" / ".lock"
        if content is None:
            os.mkfifo(lock)
        else:
            lock.write_bytes(content)
        shown(folder)
        if content is not None:
            given(folder, *COMPARE)
        return "shown as if nobody held it"

    return locked


for what, content in {**LOCKS, "a FIFO": None}.items():
    ATTACKS[f"A.5 a lock that holds {what}"] = with_lock(content)


@attack("A.5 what is no file among the tables")
def no_tables(folder: Path) -> str:
    tables = folder / "home" / "tables"
    tables.mkdir(parents=True)
    (tables / "dangling.h5").symlink_to(tables / "nowhere")
    (tables / "folder.h5").mkdir()
    os.mkfifo(tables / "fifo.h5")
    os.mkfifo(tables / "nb201-cifar10.h5")
    for command in (
        ("benchmarks", "--json"),
        ("query", "fashion", 11, "--metric", "valid_loss"),
        ("data", "list"),
    ):
        made = given(folder, *command)
        if made.returncode:
            raise Succeeded(f"snas {command[0]} fails: {said(made)}")
    for name in ("dangling", "folder", "fifo"):
        refused(folder, "query", name, 11, "--metric", "valid_loss")
    refused(folder, "query", tables / "fifo.h5", 11, "--metric", "valid_loss")
    refused(folder, "compare", "fashion", "--with", tables / "fifo.h5", "--runs", 1)
    return "passed over, and refused by name"


@attack("A.5 weights whose sum is no number")
def infinite(folder: Path) -> str:
    objective = "valid_error + 1e308*params + 1e308*macs"
    line = refused(folder, *COMPARE, "--objective", objective)
    if (folder / "out").exists():
        raise Succeeded("something was written")
    refused(folder, "search", "fashion", "--objective", f"{objective}, valid_loss", "--budget", 12)
    made = given(folder, *COMPARE, "--objective", "valid_error subject to params <= 1e-310")
    if "damaged" in made.stderr:
        raise Succeeded(f"a limit of next to nothing: {said(made)}")
    return line


def setting(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for name in path[:-1]:
            content = content[name]
        content[path[-1]] = to

    return change


DESCRIPTIONS = {
    "budget.cells, a text": setting("budget", "cells", to="many"),
    "budget.cells, an endless number": setting("budget", "cells", to=10**400),
    "budget.seconds, a list": setting("budget", "seconds", to=[1]),
    "objective.objectives, a number": setting("objective", "objectives", to=3),
    "objective.seed, a list": setting("objective", "seed", to=[]),
    "objective.seed_policy, a number": setting("objective", "seed_policy", to=7),
    "objective.terms, a text": setting("objective", "terms", to="x"),
    "objective.constraints, null": setting("objective", "constraints", to=None),
    "objective.search_on_final, a number": setting("objective", "search_on_final", to=4),
    "objective.cost, a list": setting("objective", "cost", to=[2]),
    "address, a number": setting("address", to=5),
    "address, null": setting("address", to=None),
    "benchmark, with a line break": setting("benchmark", to="a\nb"),
    "with, files that are not there": setting("with", to=["/nowhere.h5"]),
    "runs, 10**30": setting("runs", to=10**30),
    "runs, 10**7": setting("runs", to=10**7),
    "seed, 10**400": setting("seed", to=10**400),
    "first_cells, 10**30": setting("first_cells", to=10**30),
    "simulated_workers, a text": setting("simulated_workers", to="two"),
    "hidden, a text": setting("hidden", to="no"),
    "target, a text": setting("target", to="best"),
    "target, no number": setting("target", to=float("nan")),
    "strategies, a very long name": setting("strategies", to=["random", "x" * 5000]),
    "provenance, lists in lists": setting("provenance", to={"numpy": [[[[["x"]]]]]}),
    "sources, a text": setting("sources", to="x"),
    "extensions, numbers within": setting("extensions", to=[{"runs": "x", "provenance": 4}]),
    "version, a truth value": setting("version", to=True),
}


def with_description(change: Callable[[dict[str, Any]], None]) -> Attack:
    def described(folder: Path) -> str:
        resealed(compared(folder), change)
        return shown(folder)

    return described


for what, how in DESCRIPTIONS.items():
    ATTACKS[f"A.5 a sealed description of {what}"] = with_description(how)


def in_trials(**values: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(lines: list[dict[str, Any]]) -> None:
        for line in lines[:-1]:
            line.update(values)

    return change


def in_the_end(**values: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda lines: lines[-1].update(values)


def best_by(change: float) -> Callable[[list[dict[str, Any]]], None]:
    def lower(lines: list[dict[str, Any]]) -> None:
        lines[5]["score"] = lines[5]["loss"] = change

    return lower


LINES = {
    "a score of 10**400": in_trials(score=10**400),
    "a score that is a text": in_trials(score="low"),
    "epochs: null in every trial": in_trials(epochs=None),
    "epochs: null at the end": in_the_end(epochs=None),
    "epochs: null everywhere": lambda lines: [line.update(epochs=None) for line in lines],
    "other epochs": lambda lines: [line.update(epochs=1) for line in lines],
    "values: null": in_trials(values=None),
    "values without the objective's": in_trials(values={}),
    "scores of two objectives": in_trials(scores=[1.0, 2.0]),
    "real_seconds of 1e308": in_the_end(real_seconds=1e308, strategy_seconds=1e308),
    "finished of 1e308": in_trials(finished=1e308, cost_seconds=1e308),
    "a diagnosis of lists": in_the_end(diagnosis={"a": [1]}),
    "an end that is no count": in_the_end(end="all"),
}


def with_lines(change: Callable[[list[dict[str, Any]]], None]) -> Attack:
    def lined(folder: Path) -> str:
        rewritten(compared(folder), "random", 0, change)
        return shown(folder)

    return lined


for what, how in LINES.items():
    ATTACKS[f"A.5 a sealed run with {what}"] = with_lines(how)


@attack("A.5 a FIFO in place of a run, a description, a plan")
def fifos(folder: Path) -> str:
    store = compared(folder)
    for path in (store.path("random", 0), store.folder / "experiment.json"):
        path.unlink()
        os.mkfifo(path)
        shown(folder)
    (folder / "suite").mkdir()
    (folder / "suite" / "problems").mkdir()
    os.mkfifo(folder / "suite" / "plan.json")
    shown(folder)
    return "passed over"


@attack("A.5 a plan of 10**30 runs")
def planned(folder: Path) -> str:
    (folder / "own.toml").write_text(SUITE)
    given(folder, "suite", "own.toml", "--out", "out")
    path = folder / "out" / "plan.json"
    plan = json.loads(path.read_text())
    for count in (10**30, 10**9, -3, "two", None, 1.5):
        plan["strategies"][0]["runs"] = count
        path.write_text(json.dumps(plan))
        shown(folder)
    return "passed over"


def contradicted(change: Callable[[list[dict[str, Any]]], None], *options: str) -> Attack:
    def contradicts(folder: Path) -> str:
        rewritten(compared(folder), "random", 0, change)
        return refused(folder, "report", "out", *options)

    return contradicts


def first_raised(lines: list[dict[str, Any]]) -> None:
    worst = max(range(len(lines) - 1), key=lambda i: float(lines[i]["score"]))
    lines[worst]["loss"] += 0.5
    lines[worst]["score"] += 0.5


ATTACKS["A.5 a best score that the table contradicts"] = contradicted(best_by(0.001))
ATTACKS["A.5 another score that the table contradicts, with --verify"] = contradicted(
    first_raised, "--verify"
)


HOSTILE = """
import os, signal, subprocess, sys
import surrogate_nas as sn

class Detaches(sn.Strategy):
    def ask(self, n):
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        with open("left", "a") as file:
            print(subprocess.Popen(sleep, start_new_session=True).pid, file=file)
            if not os.fork():
                os.setsid()
                print(subprocess.Popen(sleep, start_new_session=True).pid, file=file, flush=True)
                os._exit(0)
        return [self.space.sample(self.rng)]

class Stops(sn.Strategy):
    def ask(self, n):
        os.kill(os.getppid(), signal.SIGSTOP)
        return [self.space.sample(self.rng)]

class Prints(sn.Strategy):
    def ask(self, n):
        sys.stderr.write("x" * 3_000_000)
        return [self.space.sample(self.rng)]

class Waits(sn.Strategy):
    def ask(self, n):
        open("asked", "w").close()
        while True:
            signal.pause()
"""


def hosted(folder: Path, name: str, *more: object) -> subprocess.CompletedProcess[str]:
    """A comparison with one of `HOSTILE`."""
    (folder / "hostile.py").write_text(HOSTILE)
    return given(
        folder,
        "compare",
        "fashion",
        "--strategies",
        f"hostile.py:{name},random",
        "--runs",
        2,
        "--budget",
        14,
        "--call-limit",
        8,
        "--out",
        "out",
        *more,
    )


@attack("A.6 a strategy's detached children")
def detached(folder: Path) -> str:
    hosted(folder, "Detaches")
    left = [int(line) for line in (folder / "left").read_text().split()]
    time.sleep(1)
    if alive := [pid for pid in left if _runs(pid)]:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        raise Succeeded(f"{len(alive)} of {len(left)} outlive the command")
    return f"none of {len(left)} outlives the command"


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@attack("A.6 a strategy that stops its parent")
def stops(folder: Path) -> str:
    started = time.monotonic()
    made = hosted(folder, "Stops")
    if made.returncode != 2 or "stopped" not in said(made):
        raise Succeeded(f"no failure is told: {said(made)}")
    return f"{said(made)} After {time.monotonic() - started:.0f} s."


@attack("A.6 megabytes on standard error")
def prints(folder: Path) -> str:
    made = hosted(folder, "Prints")
    if len(made.stderr) > 10**6:
        raise Succeeded(f"{len(made.stderr):,} bytes are passed on")
    return f"{len(made.stderr):,} bytes are passed on"


@attack("A.6 what is no number, name or budget")
def numbers(folder: Path) -> str:
    short = COMPARE[:2]
    for more in (
        ("--strategies", ","),
        ("--strategies", " , ", "--strategies", ""),
        ("--budget-seconds", "1e-300"),
        ("--budget", "9" * 20),
        ("--runs", "9" * 20),
        ("--simulated-workers", "9" * 20),
        ("--budget", "0"),
    ):
        line = refused(folder, *short, *more, "--out", "out")
        if (folder / "out").exists():
            raise Succeeded(f"something is written with {' '.join(more)}")
    return line


@attack("A.6 a FIFO as --with, and as a benchmark")
def fifo_joined(folder: Path) -> str:
    os.mkfifo(folder / "fifo.h5")
    os.mkfifo(folder / "fifo.py")
    os.mkfifo(folder / "fifo.toml")
    refused(folder, "compare", "fifo.h5", "--out", "out")
    refused(folder, "compare", "fifo.py:BENCH", "--out", "out")
    refused(folder, "suite", "fifo.toml", "--out", "out")
    refused(folder, "compare", "fashion", "--strategies", "fifo.py:Mine", "--out", "out")
    return refused(folder, "compare", "fashion", "--with", "fifo.h5", "--out", "out")


@attack("A.6 connections without end")
def connections(folder: Path) -> str:
    with Served(folder) as server:
        before = server.threads()
        held = [server.connected() for _ in range(300)]
        time.sleep(2)
        if (more := server.threads() - before) > 100:
            raise Succeeded(f"{more} threads for 300 connections")
        for one in held:
            one.close()
    return f"{more} threads for 300 connections"


@attack("A.6 a request that drips")
def drips(folder: Path) -> str:
    with Served(folder) as server:
        started = time.monotonic()
        with server.connected() as connection, suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            while (passed := time.monotonic() - started) < 40:
                connection.sendall(b"x")
                time.sleep(0.5)
        if passed > 30:
            raise Succeeded(f"it is kept for {passed:.0f} s")
        return f"it is closed after {passed:.0f} s"


@attack("D.5 half-open connections, and some that drip, shut others out")
def shut_out(folder: Path) -> str:
    with Served(folder) as server:
        held = [server.connected() for _ in range(100)]
        for round_ in range(20):
            for connection in held[::3]:
                with suppress(OSError):
                    connection.sendall(b"x" if round_ else b"GET / HTTP/1.1\r\nX: ")
            server.answered()
        for connection in held:
            connection.close()
    return "20 pages are answered among 100 such connections"


@attack("D.5 two hosts, no host, another host")
def two_hosts(folder: Path) -> str:
    with Served(folder) as server:
        ours = f"127.0.0.1:{server.port}"
        for hosts in (
            [ours, ours],
            [ours, "evil.example"],
            ["evil.example", ours],
            ["evil.example"],
            [ours, ""],
        ):
            for path in ("/", "/state/", "/files/x.html", "http://evil.example/"):
                if (status := server.status(path, hosts=hosts)) not in (400, 421):
                    raise Succeeded(
                        f"{path} is answered with {status} to the hosts {', '.join(hosts)}"
                    )
        if server.status("/") != HTTPStatus.OK:
            raise Succeeded("the right host is refused")
    return "400 and 421"


@attack("D.5 paths that lead outside")
def outside(folder: Path) -> str:
    (folder / "secret.html").write_text("secret")
    (folder / "inside").mkdir()
    (folder / "inside" / "fine.html").write_text("fine")
    (folder / "inside" / "link.html").symlink_to(folder / "secret.html")
    os.mkfifo(folder / "inside" / "fifo.html")
    up = ("..", "%2e%2e", ".%2e", "..%2f", "..%5c", "%252e%252e", "%c0%ae%c0%ae", "....//", "%00..")
    paths = [f"/files/{one}/secret.html" for one in up]
    paths += [f"/files/{one}secret.html" for one in up]
    paths += [
        f"/files/{folder}/secret.html",
        f"/files//{folder}/secret.html",
        "/files/link.html",
        "/files/fifo.html",
    ]
    paths += ["/../secret.html", "//secret.html", "/at/../", "/state/..", "/part/%2e%2e"]
    with Served(folder / "inside") as server:
        for path in paths:
            if (status := server.status(path)) != HTTPStatus.NOT_FOUND:
                raise Succeeded(f"{path} is answered with {status}")
        if server.status("/files/fine.html") != HTTPStatus.OK:
            raise Succeeded("a file inside is refused")
    return f"{len(paths)} are not found"


@attack("D.5 another user of the machine, who does not know the token")
def stranger(folder: Path) -> str:
    (folder / "fine.html").write_text("fine")
    with Served(folder) as server:
        name = f"snas-{server.port}"
        token = server.token
        for cookie in (
            "a=b",
            f"{name}=",
            f"{name}={token[:-1]}",
            f"{name}={token}x",
            f"x{name}={token}",
            f"x={token}",
        ):
            for path in (
                "/",
                "/at/",
                "/part/",
                "/state/",
                "/files/fine.html",
                "/live.js",
                "/?token=",
                "/?token=x",
            ):
                if (status := server.status(path, cookie=cookie)) != HTTPStatus.FORBIDDEN:
                    raise Succeeded(f"{path} is answered with {status} to {cookie}")
        if server.status("/files/fine.html") != HTTPStatus.OK:
            raise Succeeded("the token is refused")
    return "403"


@attack("D.5 a large file is asked for by many at once")
def large(folder: Path) -> str:
    size = 2**28
    many = 20
    with (folder / "large.csv").open("wb") as file:
        file.truncate(size)
    with Served(folder) as server:
        server.answered()
        before = server.most_memory()
        asked = [server.connected() for _ in range(many)]
        head = (
            f"GET /files/large.csv?token={server.token} HTTP/1.1\r\nHost:"
            f" 127.0.0.1:{server.port}\r\n\r\n"
        )
        for connection in asked:
            connection.sendall(head.encode())
        for connection in asked:
            try:
                begun = bool(connection.recv(2**16))
            except OSError:
                begun = False
            if not begun:
                raise Succeeded("a file is not sent")
        server.answered()
        more = server.most_memory() - before
        for connection in asked:
            connection.close()
    if more > size / 4:
        raise Succeeded(f"{more / 1e6:,.0f} MB for {many} times {size / 1e6:,.0f} MB")
    return f"{more / 1e6:,.0f} MB for {many} times {size / 1e6:,.0f} MB"


@attack("A.6 a second and a third Ctrl-C")
def interrupted(folder: Path) -> str:
    (folder / "hostile.py").write_text(HOSTILE)
    command = [
        *SNAS,
        "compare",
        "fashion",
        "--strategies",
        "hostile.py:Waits",
        "--runs",
        "1",
        "--out",
        "out",
    ]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True
    )
    while not (folder / "asked").exists():
        time.sleep(0.05)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, errors = process.communicate()
    if process.returncode != 130 or "Traceback" in errors:
        raise Succeeded(f"exit code {process.returncode}: {errors[-200:]}")
    return f"exit code 130: {errors.strip()}"


@attack("A.6 a parent that is killed while the fork server works")
def killed(folder: Path) -> str:
    (folder / "hostile.py").write_text(HOSTILE)
    command = [
        *SNAS,
        "compare",
        "fashion",
        "--strategies",
        "hostile.py:Waits",
        "--runs",
        "2",
        "--workers",
        "2",
        "--out",
        "out",
    ]
    with open(folder / "said", "wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=file)
        while not (folder / "asked").exists():
            time.sleep(0.05)
        process.kill()
        process.wait()
    time.sleep(3)
    if b"Traceback" in (content := (folder / "said").read_bytes()):
        raise Succeeded(f"a traceback: {content[-200:].decode()}")
    return "nothing is said"


PATIENT = """
import time
from pathlib import Path
import surrogate_nas as sn

class Patient(sn.Strategy):
    def __init__(self, space, *, seed):
        self.space = space
    def ask(self, n):
        Path("asked").touch()
        while not Path("go").exists():
            time.sleep(.05)
        return [self.space[0]]
    def tell(self, trials):
        pass
"""


def imported(folder: Path, shift: float, further: str) -> None:
    """A table of eight cells, with a further column or none."""
    (folder / "space.py").write_text(
        "import surrogate_nas as sn\nSPACE = sn.EnumerableChoiceSpace('own', {'a': (1, 2), 'b': (1,"
        " 2), 'c': (1, 2)})\n"
    )
    cells = [(a, b, c) for a in (1, 2) for b in (1, 2) for c in (1, 2)]
    rows = [f"{a},{b},{c},{10 * a + b + c + shift}{',5' if further else ''}" for a, b, c in cells]
    (folder / "own.csv").write_text("\n".join([f"a,b,c,valid_error{further}", *rows]))
    made = given(
        folder, "data", "import", "csv", "own.csv", "--name", "own", "--space", "space.py:SPACE"
    )
    if made.returncode:
        raise RuntimeError(made.stderr)


def table_replaced(shift: float, further: str, *options: str) -> Attack:
    def attacked(folder: Path) -> str:
        imported(folder, 0.0, "")
        (folder / "patient.py").write_text(PATIENT)
        few = [
            "--strategies",
            "patient.py:Patient",
            "--runs",
            "2",
            "--budget",
            "14",
            "--out",
            "out",
            *options,
        ]
        process = subprocess.Popen(
            [*SNAS, "compare", "own", *few],
            cwd=folder,
            env=environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not (folder / "asked").exists() and process.poll() is None:
            time.sleep(0.05)
        imported(folder, shift, further)
        (folder / "go").touch()
        _, errors = process.communicate()
        if process.returncode or "Traceback" in errors:
            raise Succeeded(f"exit code {process.returncode}: {errors[-200:]}")
        reported = given(folder, "report", "out")
        if reported.returncode:
            raise Succeeded(f"the results cannot be read: {said(reported)}")
        again = given(folder, "compare", "own", *few)
        if again.returncode != (2 if shift else 0):
            raise Succeeded(f"the folder goes on with exit code {again.returncode}: {said(again)}")
        return said(again if shift else reported)

    return attacked


attack("A.3 a table that grows while a study runs")(table_replaced(0.0, ",test_error"))
attack("A.3 a table that grows while two workers run")(
    table_replaced(0.0, ",test_error", "--workers", "2")
)
attack("A.3 a table of other numbers in the place of one in use")(table_replaced(1.0, ""))


ENDINGS = {
    "exit(0)": "exit(0)",
    "sys.exit(3)": "sys.exit(3)",
    "os._exit(0)": "os._exit(0)",
    "SystemExit": "raise SystemExit",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
}
ENDING = """
import os
import sys

import surrogate_nas as sn


def error(cell):
    {how}


SPACE = sn.EnumerableChoiceSpace("ends", {{"a": (1, 2, 3), "b": (1, 2, 3)}})
BENCH = sn.Computed(SPACE, {{"valid_error": error}}, cheap={cheap})
"""


def with_ending(how: str, *options: object) -> Attack:
    def ended(folder: Path) -> str:
        line = ""
        for cheap in (False, True):
            (folder / "ends.py").write_text(ENDING.format(how=how, cheap=cheap))
            if not options:
                line = refused(folder, "search", "ends.py:BENCH", "random", "--budget", 2)
            short = (
                "--strategies",
                "random",
                "--runs",
                2,
                "--budget",
                2,
                *options,
                "--out",
                f"out-{cheap}",
            )
            line = refused(folder, "compare", "ends.py:BENCH", *short)
            if any((folder / f"out-{cheap}").glob("report.html")):
                raise Succeeded("a report of nothing is written")
        return line

    return ended


for what, how in ENDINGS.items():
    ATTACKS[f"A.7 a metric that ends the process by {what}"] = with_ending(how)
    ATTACKS[f"A.7 a metric that ends a worker by {what}"] = with_ending(how, "--workers", 2)


BESIDE = """
import csv
import functools
import importlib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import surrogate_nas as sn

HERE = Path(__file__).parent
SPACE = sn.EnumerableChoiceSpace("net", {"a": (1, 2, 3), "b": (1, 2, 3)})


def outside():
    return float((HERE.parent / "outside.txt").read_text())


<<code>>


def train(cell, trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        trial.report(epoch, valid_error=score(cell) + 1 / epoch)


COMPUTED = sn.Computed(SPACE, {"valid_error": score})
TRAINING = sn.Training(SPACE, train, metrics=["valid_error"], epochs=2)
"""
SCORE = """
def score(cell):
    return {scale} * (1 + sum(cell.choices))
"""
CLOSURE = """
def scaled(config):
    def score(cell):
        return config["scale"] * (1 + sum(cell.choices))
    return score

score = scaled({"scale": outside()})
"""
PARTIAL = """
def plain(config, cell):
    return config["scale"] * (1 + sum(cell.choices))

score = functools.partial(plain, {"scale": outside()})
"""
DEFAULT = """
def score(cell, config=[outside()]):
    return config[0] * (1 + sum(cell.choices))
"""
ATTRIBUTE = """
class Model:
    def __init__(self, scale):
        self.layers = [{"scale": scale}]

    def score(self, cell):
        return self.layers[0]["scale"] * (1 + sum(cell.choices))

score = Model(outside()).score
"""
CLASS = "class Config:\n    scale = outside()\n"
DATA_CLASS = "@dataclass\nclass Config:\n    scale: float\n\nCONFIG = Config(outside())\n"
IN_JSON = 'json.loads((HERE / "conf.json").read_text())["scale"]'
IN_TOML = 'tomllib.loads((HERE / "conf/deep/conf.toml").read_text())["scale"]'
IN_CSV = 'float(list(csv.reader(open(HERE / "conf.csv")))[0][0])'
NAMED = 'importlib.import_module("con" + "fig").SCALE'
CONFIGURATIONS = {
    "a JSON file read at import": f"CONFIG = {IN_JSON}\n" + SCORE.format(scale="CONFIG"),
    "a JSON file read by the function": SCORE.format(scale=IN_JSON),
    "a TOML file in a folder below": SCORE.format(scale=IN_TOML),
    "a CSV file": SCORE.format(scale=IN_CSV),
    "an .npy file": SCORE.format(scale='float(np.load(HERE / "conf.npy"))'),
    "a dictionary in a global": 'CONFIG = {"scale": outside()}\n'
    + SCORE.format(scale='CONFIG["scale"]'),
    "a dictionary in a closure": CLOSURE,
    "an argument of a partial": PARTIAL,
    "a default argument": DEFAULT,
    "an attribute of an object": ATTRIBUTE,
    "an attribute of a class": CLASS + SCORE.format(scale="Config.scale"),
    "a data class": DATA_CLASS + SCORE.format(scale="CONFIG.scale"),
    "a module imported by a name": SCORE.format(scale=NAMED),
    "an environment variable read at import": 'SCALE = [float(os.environ["SCALE"])]\n'
    + SCORE.format(scale="SCALE[0]"),
}
"""Code of a function ``score`` whose scale stands beside it, by where that is."""


def configured(folder: Path, code: str, scale: int) -> Path:
    """Write a user's file and all configurations beside it; returns the file."""
    own = folder / "own"
    (own / "conf/deep").mkdir(parents=True, exist_ok=True)
    (folder / "outside.txt").write_text(str(scale))
    (own / "mine.py").write_text(BESIDE.replace("<<code>>", code))
    for name, text in {
        "conf.json": f'{{"scale": {scale}}}',
        "conf/deep/conf.toml": f"scale = {scale}",
        "conf.csv": f"{scale}",
        "config.py": f"SCALE = {scale}",
    }.items():
        (own / name).write_text(text)
    np.save(own / "conf.npy", float(scale))
    os.environ["SCALE"] = str(scale)
    return own / "mine.py"


def beside(code: str) -> Attack:
    def changed(folder: Path) -> str:
        line = ""
        for name in ("COMPUTED", "TRAINING"):
            search = "search", f"mine.py:{name}", "random", "--out", name
            file = configured(folder, code, scale=1)
            before = given(file.parent, *search, "--budget", 2)
            configured(folder, code, scale=2)
            again = given(file.parent, *search, "--budget", 4)
            line = said(again)
            if before.returncode or again.returncode != 2 or "never mixed" not in line:
                raise Succeeded(f"{name}: {said(before)}, then {line}")
        return line

    return changed


for what, code in CONFIGURATIONS.items():
    ATTACKS[f"A.4 configurations beside code (14 kinds): {what}"] = beside(code)


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """A variable of the environment while the block runs."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


TRAIN = ("train", 11, "--task", "digits", "--epochs", 1)


def kernels_of(folder: Path) -> Path:
    """The file of the compiled kernels in a home of its own."""
    made = given(folder, *TRAIN)
    if made.returncode:
        raise RuntimeError(made.stderr)
    (path,) = (folder / "home" / "compiled").glob("*.o")
    return path


def resealed_kernels(path: Path) -> bytes:
    """Garbage in place of the code, with a checksum that is right."""
    sealed = path.read_bytes().partition(b"\n")[0] + b"\n" + b"\x7fELF" + os.urandom(5000)
    return sealed + sha256(sealed).digest()


def with_kernels(change: Callable[[Path], None]) -> Attack:
    def changed(folder: Path) -> str:
        path = kernels_of(folder)
        change(path)
        made = given(folder, *TRAIN)
        if made.returncode:
            raise Succeeded(f"exit code {made.returncode}: {said(made)}")
        if "Compiling" not in made.stderr:
            raise Succeeded("the file is loaded")
        return "compiled anew"

    return changed


def cut(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def forged(mode: int) -> Callable[[Path], None]:
    def forge(path: Path) -> None:
        path.write_bytes(resealed_kernels(path))
        path.chmod(mode)

    return forge


def replaced_by(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.rename(path.with_suffix(".was"))
        make(path)

    return replace


def anothers(path: Path) -> None:
    forged(0o600)(path)
    with suppress(PermissionError):  # of root alone
        os.chown(path, 12345, 12345)
        return
    path.chmod(0o666)


KERNELS = {
    "nothing": cut(0),
    "half": cut(0.5),
    "all but the last byte": cut(0.9999),
    "garbage": lambda path: path.write_bytes(os.urandom(20_000)),
    "a forgery that others can write": forged(0o666),
    "a forgery that the group can write": forged(0o660),
    "a forgery of another user's": anothers,
    "a FIFO": replaced_by(os.mkfifo),
    "a folder": replaced_by(Path.mkdir),
    "a link": replaced_by(lambda path: path.symlink_to(path.with_suffix(".was"))),
    "a link to what never ends": replaced_by(lambda path: path.symlink_to("/dev/zero")),
}
for what, put in KERNELS.items():
    ATTACKS[f"B.3 kernels: {what}"] = with_kernels(put)


@attack("B.3 the folder of the kernels is everybody's, a file, a FIFO, a link")
def no_folder(folder: Path) -> str:
    kept = kernels_of(folder).parent
    kept.chmod(0o777)
    given(folder, *TRAIN)
    if kept.stat().st_mode & 0o077:
        raise Succeeded("others keep their rights")
    elsewhere = kept.rename(folder / "elsewhere")
    for make in (Path.touch, os.mkfifo, lambda path: path.symlink_to(elsewhere)):
        make(kept)
        made = given(folder, *TRAIN)
        if made.returncode or "Compiling" not in made.stderr:
            raise Succeeded(f"exit code {made.returncode}: {said(made)}")
        kept.unlink()
    return "compiled for each process"


N_CHECKPOINTS = 150
COUNTING = """
import surrogate_nas as sn


def train(cell, trial):
    state = trial.folder / "weights.bin"
    left = int.from_bytes(state.read_bytes()) if trial.start else 2**56
    for epoch in range(trial.start + 1, trial.epochs + 1):
        left -= 2**51
        state.write_bytes(left.to_bytes(8))
        (trial.folder / "optimiser.json").write_text(f'{{"epoch": {epoch}}}')
        trial.report(epoch, valid_error=left / 2**50)


SPACE = sn.ChoiceSpace("net", {"width": (8, 16), "depth": (1, 2)})
BENCH = sn.Training(SPACE, train, metrics=["valid_error"], epochs=9)
"""


def curve(home: Path, file: Path, *epochs: int) -> tuple[list[float], float]:
    """The errors of a training after some epochs in a data folder, and its charge in seconds."""
    with variable("SURROGATE_NAS_HOME", str(home)):
        benchmark = load(f"{file}:BENCH")
        questions = [Question("valid_error", length) for length in epochs]
        values, cost = benchmark.measure([benchmark.space.at((0, 1))], questions)
    return values[0].tolist(), float(cost[0])


@attack(f"A.5 checkpoints flipped and cut ({N_CHECKPOINTS})")
def checkpoints_damaged(folder: Path) -> str:
    file = folder / "counting.py"
    file.write_text(COUNTING)
    expected, _ = curve(folder / "whole", file, *range(1, 10))
    curve(folder / "part", file, 3)
    rng = random.Random(0)
    silent = 0
    for number in range(N_CHECKPOINTS):
        home = shutil.copytree(folder / "part", folder / str(number))
        files = [path for path in (home / "trainings").rglob("*") if path.is_file()]
        path = rng.choice(sorted(path for path in files if path.stat().st_size))
        content = bytearray(path.read_bytes())
        at = rng.randrange(len(content))
        content[at] ^= 1 << rng.randrange(8)
        path.write_bytes(content if number % 2 else content[:at])
        with redirect_stderr(io.StringIO()) as errors:
            values, cost = curve(home, file, *range(1, 10))
        what = f"{path.relative_to(home)}, byte {at}, {'flipped' if number % 2 else 'cut'}"
        if values != expected:
            raise Succeeded(f"{what}: {values} in place of {expected}")
        if not 0 < cost < SECONDS:
            raise Succeeded(f"{what}: {cost} seconds are charged")
        lines = errors.getvalue().splitlines()
        if len(lines) != ("reports.jsonl" not in path.name and "log.txt" not in path.name):
            raise Succeeded(f"{what}: {len(lines)} lines are said")
        silent += not lines
        shutil.rmtree(home)
    return f"{N_CHECKPOINTS - silent} were dropped with one line; {silent} held no weights"


@attack("B.2 what is no processor's name")
def no_processor(folder: Path) -> str:
    for name in ("nosuchcpu", "-", "help", "i386", "-mcpu=haswell", "a b", "../x", "x" * 5000):
        with variable(CPU_VARIABLE, name):
            made = given(folder, *TRAIN)
        if made.returncode != 2 or len(made.stderr.strip().splitlines()) > 1:
            raise Succeeded(f"exit code {made.returncode} for {name:.20}: {said(made)}")
    with variable(CPU_VARIABLE, "native"):
        own = given(folder, *TRAIN)
    if own.returncode:
        raise Succeeded(f"native: {said(own)}")
    return said(made)


@attack("B.1 the same training on other processors")
def other_processors(folder: Path) -> str:
    found = {}
    for name in ("native", "haswell", "x86-64-v3", "x86-64"):
        with variable(CPU_VARIABLE, name):
            made = given(folder, *TRAIN, "--json")
        if made.returncode == 2:  # this machine cannot run it
            continue
        found[name] = json.loads(made.stdout)["metrics"]
    if len({json.dumps(metrics) for metrics in found.values()}) > 1:
        raise Succeeded(f"other numbers: {found}")
    return f"the same by {', '.join(found)}"


def main() -> int:
    """Make the attacks; 1 if one succeeds."""
    # a script's background work ignores Ctrl-C, and what it starts would too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="attacks whose name holds this")
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        help="how many times slower than usual the machine is",
    )
    arguments = parser.parse_args()
    only, PATIENCE[0] = arguments.only, arguments.patience
    succeeded = 0
    for name, function in ATTACKS.items():
        if only not in name:
            continue
        with tempfile.TemporaryDirectory(prefix="attack-") as folder:
            try:
                print(f"{name}: withstood: {function(Path(folder)):.200}", flush=True)
            except Succeeded as error:
                succeeded += 1
                print(f"{name}: SUCCEEDED: {str(error):.300}", flush=True)
    print(f"{succeeded} attacks succeeded.")
    return min(succeeded, 1)


if __name__ == "__main__":
    sys.exit(main())
