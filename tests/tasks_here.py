"""Tests of tasks whose data are not on this machine are skipped, and say what they need."""

import pytest

from surrogate_nas.training import TASKS


def tasks_here(*names):
    """Tasks as parameters of a test, each skipped where its data are not here."""
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                not TASKS[name].is_here(), reason=f"{TASKS[name].source} is not here"
            ),
        )
        for name in names
    ]
