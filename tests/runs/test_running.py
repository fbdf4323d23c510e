"""What a run trains now is told to its watcher while it does."""

from __future__ import annotations

import pytest

import surrogate_nas as sn
from tests.runs.delayed import Delayed

TABLE = "fashion"
OBJECTIVE = "valid_error + 0.1*params"


def first():
    """The first cell of run 0."""
    return sn.search(TABLE, "random", OBJECTIVE, budget=1).trials[0].cell.text


class Seen:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.failures: list[tuple[str, str]] = []

    def running(self, running):
        self.told.append(running)

    def failed(self, cell, reason):
        self.failures.append((cell, reason))


def test_what_runs_and_what_has_failed_is_told_at_once(tmp_path):
    cell = first()
    seen = Seen()
    bench = Delayed(TABLE, jitter=0.05, folder=tmp_path, trouble={cell: "memory"})
    run = sn.search(bench, "evolution", OBJECTIVE, budget=6, parallel=2, watcher=seen)
    assert max(seen.told) == 2
    assert all(
        one != other for one, other in zip(seen.told, seen.told[1:], strict=False)
    )
    assert seen.failures == [(cell, "MemoryError")]
    assert sum(bool(trial.failure) for trial in run.trials) == 1


def test_what_a_stored_run_knows_is_not_told_as_trained_again(tmp_path):
    bench = Delayed(TABLE, trouble={first(): "broken"})
    options = {"parallel": 2, "order": "clock", "folder": tmp_path, "budget": 9}
    n_told = 0

    def stop(trials):
        nonlocal n_told
        n_told += len(trials)
        if n_told >= 6:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        sn.search(bench, "evolution", OBJECTIVE, callback=stop, **options)
    seen = Seen()
    sn.search(bench, "evolution", OBJECTIVE, watcher=seen, **options)
    assert seen.told and not seen.failures
