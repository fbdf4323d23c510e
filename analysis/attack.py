"""Repeats attacks on the command line, on folders of results, on the server and on whatever runs
users' code.

Each prints a line that says what happened; the exit code is 1 if one succeeds.

.venv/bin/python analysis/attack.py [--only WORD] [--patience 1]
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the tests of this clone
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
    return os.environ | {
        "SURROGATE_NAS_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
    }


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
        raise Succeeded(
            f"exit code {made.returncode}: snas {' '.join(map(str, arguments))}"
        )
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


EDITED = (
    "import surrogate_nas as sn\nclass Mine(sn.Strategy):\n    def ask(self, n):\n        return"
    " [self.space[{}]]\n"
)


SUITE = """
budget = 12
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
    names = (
        "live:tiny.py:TINY",
        "live:./tiny.py:TINY",
        "live:tiny.py:TINY?loss=mine.py:Mine",
    )
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


HOSTILE = """
import signal
import surrogate_nas as sn

class Waits(sn.Strategy):
    def ask(self, n):
        open("asked", "w").close()
        while True:
            signal.pause()
"""


@attack("A.6 a FIFO as --with, and as a benchmark")
def fifo_joined(folder: Path) -> str:
    os.mkfifo(folder / "fifo.h5")
    os.mkfifo(folder / "fifo.py")
    os.mkfifo(folder / "fifo.toml")
    refused(folder, "compare", "fifo.h5", "--out", "out")
    refused(folder, "compare", "fifo.py:BENCH", "--out", "out")
    refused(folder, "suite", "fifo.toml", "--out", "out")
    refused(
        folder, "compare", "fashion", "--strategies", "fifo.py:Mine", "--out", "out"
    )
    return refused(folder, "compare", "fashion", "--with", "fifo.h5", "--out", "out")


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
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stderr=file
        )
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
        "import surrogate_nas as sn\nSPACE = sn.ChoiceSpace('own', {'a': (1, 2), 'b': (1,"
        " 2), 'c': (1, 2)})\n"
    )
    cells = [(a, b, c) for a in (1, 2) for b in (1, 2) for c in (1, 2)]
    rows = [
        f"{a},{b},{c},{10 * a + b + c + shift}{',5' if further else ''}"
        for a, b, c in cells
    ]
    (folder / "own.csv").write_text("\n".join([f"a,b,c,valid_error{further}", *rows]))
    made = given(
        folder,
        "data",
        "import",
        "csv",
        "own.csv",
        "--name",
        "own",
        "--space",
        "space.py:SPACE",
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
            raise Succeeded(
                f"the folder goes on with exit code {again.returncode}: {said(again)}"
            )
        return said(again if shift else reported)

    return attacked


attack("A.3 a table that grows while a study runs")(table_replaced(0.0, ",test_error"))
attack("A.3 a table that grows while two workers run")(
    table_replaced(0.0, ",test_error", "--workers", "2")
)
attack("A.3 a table of other numbers in the place of one in use")(
    table_replaced(1.0, "")
)


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


@attack("A.3 archives with flags that do not fit (all fields of a stored experiment)")
def flags(folder: Path) -> str:
    from tests.forging import unfit_flags

    with variable("SURROGATE_NAS_HOME", str(folder / "home")):
        return unfit_flags(folder)


@attack("A.4 configurations beside code (14 kinds)")
def beside(folder: Path) -> str:
    from tests.configurations import CONFIGURATIONS, configured

    for kind, code in CONFIGURATIONS.items():
        (folder / kind).mkdir()
        for name in ("COMPUTED", "TRAINING"):
            search = "search", f"mine.py:{name}", "random", "--out", name
            file = configured(folder / kind, code, scale=1)
            before = given(file.parent, *search, "--budget", 2)
            configured(folder / kind, code, scale=2)
            again = given(file.parent, *search, "--budget", 4)
            if (
                before.returncode
                or again.returncode != 2
                or "never mixed" not in said(again)
            ):
                raise Succeeded(f"{kind}, {name}: {said(before)}, then {said(again)}")
    return f"{len(CONFIGURATIONS)} kinds are noticed, of Computed and of Training: {said(again)}"


@attack("A.5 checkpoints flipped and cut (150)")
def damages(folder: Path) -> str:
    from tests.damaging import flipped_and_cut

    return flipped_and_cut(folder, 150)


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
            except (Succeeded, AssertionError) as error:  # the tests raise the second
                succeeded += 1
                print(f"{name}: SUCCEEDED: {str(error):.300}", flush=True)
    print(f"{succeeded} attacks succeeded.")
    return min(succeeded, 1)


if __name__ == "__main__":
    sys.exit(main())
