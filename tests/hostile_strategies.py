"""Strategies that damage the process they run in, each in its own way; tests name them as
``FILE:Class``.

`HARMFUL` must fail with a line that says what they did; `HARMLESS` must run as `Quiet` does, for
all their noise.
"""

# ruff: noqa: NPY002, T201, BLE001 - strategies that do what none should are the point

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

import surrogate_nas as sn


class Quiet(sn.Strategy):
    """Random; what the harmless ones are compared with."""

    def ask(self, n):
        return [self.space.sample(self.rng)]


class ExitsAtOnce(Quiet):
    def ask(self, n):
        os._exit(7)


class ExitsWell(Quiet):
    def ask(self, n):
        os._exit(0)


class KillsItself(Quiet):
    def tell(self, trials):
        os.kill(os.getpid(), signal.SIGKILL)


class KillsItsParent(Quiet):
    def ask(self, n):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


class KillsItsGroup(Quiet):
    def ask(self, n):
        os.killpg(0, signal.SIGTERM)
        time.sleep(60)


class Crashes(Quiet):
    def ask(self, n):
        ctypes.string_at(0)  # line of the crash


class Unheard(BaseException):
    """No Exception."""


class RaisesABaseException(Quiet):
    def ask(self, n):
        raise Unheard("deep inside")


class _Mute(Exception):
    def __str__(self):
        raise RuntimeError("cannot be printed")


class RaisesTheUnprintable(Quiet):
    def ask(self, n):
        raise _Mute


class RaisesALongStory(Quiet):
    def ask(self, n):
        raise ValueError("a\nlong\nstory " * 10**6)


class HangsForEver(Quiet):
    def ask(self, n):
        while True:
            try:
                while True:
                    time.sleep(0.01)  # line of the hang
            except BaseException:
                pass


class HangsWhenMade(Quiet):
    def __init__(self, space, *, seed):
        time.sleep(60)


class HangsWhenTold(Quiet):
    def tell(self, trials):
        time.sleep(60)


class ClosesEverything(Quiet):
    def ask(self, n):
        os.closerange(0, 4096)
        return super().ask(n)


class RecursesWithoutEnd(Quiet):
    def ask(self, n):
        return self.ask(n)  # line of the recursion


class _Liar(list):
    def __len__(self):
        return 1


class LiesAboutItsLength(Quiet):
    def ask(self, n):
        return _Liar(super().ask(n) * 1000)


class _Touchy:
    def _refuse(self, *_):
        raise RuntimeError("do not touch")

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = _refuse
    __class__ = property(_refuse)


class ReturnsTheUntouchable(Quiet):
    def ask(self, n):
        return _Touchy()


class ReturnsTheUntouchableInAList(Quiet):
    def ask(self, n):
        return [_Touchy()]


class MutatesItsCells(Quiet):
    def ask(self, n):
        cell = super().ask(n)[0]
        object.__setattr__(cell, "text", "another")
        return [cell]


HARMFUL = {
    ExitsAtOnce: "its process ended with exit code 7",
    ExitsWell: "its process ended with exit code 0",
    KillsItself: "killed by SIGKILL (9)",
    KillsItsParent: "its process ended",
    KillsItsGroup: "killed by SIGTERM (15)",
    Crashes: "SIGSEGV (11) when it was asked for cells",
    RaisesABaseException: "Unheard when it was asked for cells: deep inside",
    RaisesTheUnprintable: "_Mute when it was asked for cells: it cannot be printed",
    RaisesALongStory: "ValueError when it was asked for cells: a long story",
    HangsForEver: "more than 0.4 s when it was asked for cells",
    HangsWhenTold: "more than 0.4 s when it received trials",
    HangsWhenMade: "more than 0.4 s when it was created",
    ClosesEverything: "its process ended",
    RecursesWithoutEnd: "RecursionError when it was asked for cells",
    LiesAboutItsLength: "more than 1",
    ReturnsTheUntouchable: "do not touch",
    ReturnsTheUntouchableInAList: "do not touch",
    MutatesItsCells: "not a cell of nb201",
}
"""By strategy what its failure says."""
PLACED = {
    "Crashes": "line of the crash",
    "HangsForEver": "line of the hang",
    "RecursesWithoutEnd": "line of the recursion",
    "RaisesABaseException": 'raise Unheard("deep inside")',
}
"""By strategy what stands in the line that its failure names."""


class PrintsALot(Quiet):
    def ask(self, n):
        print('{"strategies": []}', flush=True)
        os.write(1, b"[]\n")
        sys.__stdout__.write("{}\n")
        return super().ask(n)


class ClosesItsStreams(Quiet):
    def ask(self, n):
        sys.stdout.close()
        for number in range(3):
            os.close(number)
        return super().ask(n)

    def tell(self, trials):
        ClosesItsStreams.ask = Quiet.ask


class ForksAndReturnsTwice(Quiet):
    def ask(self, n):
        os.fork()
        return super().ask(n)


class LeavesAThread(Quiet):
    def ask(self, n):
        threading.Thread(target=time.sleep, args=(10**6,)).start()
        return super().ask(n)


class LeavesAProcess(Quiet):
    """Its process number is kept in the file that the environment names."""

    def ask(self, n):
        if os.fork() == 0:
            with open(os.environ["LEFT_BEHIND"], "a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(10**6)
        return super().ask(n)


class LeavesADetachedProcess(Quiet):
    """In a session of its own, and one that is forked twice, as daemons are."""

    def ask(self, n):
        sleep = [sys.executable, "-c", "import time; time.sleep(10**6)"]
        with open(os.environ["LEFT_BEHIND"], "a") as file:
            print(subprocess.Popen(sleep, start_new_session=True).pid, file=file)
            if not (child := os.fork()):
                os.setsid()
                print(
                    subprocess.Popen(sleep, start_new_session=True).pid,
                    file=file,
                    flush=True,
                )
                os._exit(0)
            os.waitpid(child, 0)
        return super().ask(n)


class ChangesItsFolder(Quiet):
    def ask(self, n):
        os.chdir("/")
        os.environ.clear()
        os.umask(0o777)
        return super().ask(n)


class PatchesModules(Quiet):
    def ask(self, n):
        asked = super().ask(n)
        json.dumps = json.loads = np.array = np.isfinite = None
        sn.Space.sample = sn.Space.cell = None
        np.random.seed(0)
        np.seterr(all="raise")
        sys.path.clear()
        return asked

    def tell(self, trials):
        PatchesModules.ask = Quiet.ask


class SetsAlarms(Quiet):
    def ask(self, n):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return super().ask(n)


class ForgesItsCells(Quiet):
    """Right by text and choices, with the place of another cell."""

    def ask(self, n):
        (cell,) = super().ask(n)
        return [sn.Cell(cell.choices, cell.text, 10**9)]


class MutatesItsSpace(Quiet):
    """Only what it was told, and cells that it does not ask for."""

    def tell(self, trials):
        for trial in trials:
            for name, value in (("text", "spoilt"), ("choices", ()), ("index", 0)):
                object.__setattr__(trial.cell, name, value)
            object.__setattr__(trial, "score", -1.0)


HARMLESS = [
    PrintsALot,
    ClosesItsStreams,
    ForksAndReturnsTwice,
    LeavesAThread,
    ChangesItsFolder,
    PatchesModules,
    SetsAlarms,
    ForgesItsCells,
    MutatesItsSpace,
]
