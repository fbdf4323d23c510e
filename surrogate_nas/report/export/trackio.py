"""A folder that Trackio opens: a project a comparison, a run a run, its metrics by step; nothing
leaves the machine.

Trackio learns where to write when it is imported, so a process of its own does that.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.exporting import clock, named, tracked_runs
from surrogate_nas.report.reading import Comparison, Source, StudyResult, results_of

_CHILD = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage

for line in sys.stdin:
    SQLiteStorage.bulk_log(**json.loads(line))
"""
"""Writes the runs on standard input, a JSON document a line."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LOCAL = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRACKIO_SPACE_ID": "",
    "TRACKIO_SERVER_URL": "",
}


def write_trackio(source: Source, out: str | Path) -> list[Path]:
    """Write every run into new projects; each project's file is whole or as it was before.

    Returns:
        The files, which ``TRACKIO_DIR=FOLDER trackio show`` opens.

    Raises:
        UserError: There is nothing to export, Trackio is not installed or fails, or the folder
            cannot be written.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.core.extras import is_installed
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     files = (
        ...         write_trackio(made, folder) if is_installed("trackio") else [Path("fashion.db")]
        ...     )
        >>> [file.name for file in files]
        ['fashion.db']
    """
    result = results_of(source)
    out = Path(out)
    lines = []
    for name, comparison in zip(_names(result), result.comparisons.values(), strict=True):
        lines += [json.dumps(run) + "\n" for run in _runs(name, comparison)]
    with TemporaryDirectory(prefix="snas-trackio-") as folder:
        process = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD],
            input="".join(lines),
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, **_LOCAL, "TRACKIO_DIR": folder},
            check=False,
        )
        if process.returncode:
            messages = process.stderr.strip() or "no message"
            raise UserError(f"Trackio failed: {messages.splitlines()[-1]:.300}.")
        files = sorted(Path(folder).glob("*.db"))
        return [write_whole(out / file.name, file.read_bytes()) for file in files]


def _names(result: StudyResult) -> list[str]:
    """A project's name for each comparison; the names differ as file names too."""
    names: list[str] = []
    for comparison in result.comparisons.values():
        name = _UNSAFE.sub("-", named(result, comparison))
        taken = sum(one.casefold() == name.casefold() for one in names)
        names.append(f"{name}-{taken + 1}" if taken else name)
    return names


def _runs(project: str, comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Every run as the child logs it."""
    for run in tracked_runs(comparison):
        config = {"_Group": run.strategy, "_Created": clock(0.0).isoformat()}
        yield {
            "project": project,
            "run": run.name,
            "config": {**run.parameters, **run.facts, **config},
            "steps": [point.step for point in run.points],
            "timestamps": [clock(point.seconds).isoformat() for point in run.points],
            "metrics_list": [dict(point.values) for point in run.points],
        }


EXPORT = Format(
    write_trackio, "trackio", "Open it: TRACKIO_DIR={out} trackio show", needs=("trackio",)
)
