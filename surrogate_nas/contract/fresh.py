"""A fresh process that repeats a run: it reads what to run from its standard input and prints the cells at the end."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

from surrogate_nas.contract.checks import LIMIT_SECONDS, BrokenContractError
from surrogate_nas.contract.toy import equipped
from surrogate_nas.contract.trying import trajectory
from surrogate_nas.strategies import resolve
from surrogate_nas.study.sandbox.parcel import Parcel, unpack


def repeated(strategy: Parcel, space: Parcel, n: int) -> list[str]:
    """The cells of a run with seed 0 in a fresh process, whose hash seed is another.

    Args:
        strategy: The class.
        space: The space.
        n: How many cells the run has.

    Raises:
        BrokenContractError: The process failed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["PYTHONHASHSEED"] = "7" if environment.get("PYTHONHASHSEED") != "7" else "8"
    made = subprocess.run(
        [sys.executable, "-c", "from surrogate_nas.contract.fresh import main; main()"],
        input=pickle.dumps((strategy, space, n)),
        capture_output=True,
        timeout=LIMIT_SECONDS,
        env=environment,
        check=False,
    )
    if made.returncode:
        lines = made.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise BrokenContractError(f"a fresh process failed: {lines[-1]}")
    cells: list[str] = json.loads(made.stdout.splitlines()[-1])
    return cells


def main() -> None:
    """Repeat the run; the last line of standard output is its cells as JSON."""
    strategy, space, n = pickle.load(sys.stdin.buffer)
    (where,) = unpack(space)
    (found,) = unpack(strategy)
    cells = trajectory(equipped(resolve(found)), where, seed=0, n=n)
    sys.stdout.write("\n" + json.dumps([str(cell) for cell in cells]) + "\n")
