"""The promises of the contract that a thing breaks, checked in this process."""

import json
import os
import subprocess
import sys
from pathlib import Path

from surrogate_nas.contract import Check, contract_of, outcome

FRESH = "in a new process"
"""In the promise that every strategy would start three processes for."""


def checks_of(spec, space=None, without="!"):
    """The outcomes of all checks whose promises lack a text."""
    checks = contract_of(spec, space).checks()
    return [Check(said, *outcome(make)) for said, make in checks if without not in said]


def shorten(monkeypatch):
    """Check shorter runs: ten of the cells are told first, and a tiny space is still exhausted."""
    for name, cells in (("_SHORT", 13), ("_WHOLE", 26)):
        monkeypatch.setattr(f"surrogate_nas.contract.strategies.{name}", cells)


def broken(checks):
    """A line for each that failed."""
    return [f"{check.name}: {check.detail}" for check in checks if not check.passed]


def elsewhere(function, *arguments):
    """What a function of a test gives in a new process with another hash seed."""
    call = f"made.{function.__name__}(*{arguments!r})"
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import json, {function.__module__} as made; print(json.dumps({call}))",
        ],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
    )
    return json.loads(child.stdout.splitlines()[-1])
