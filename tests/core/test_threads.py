"""One thread inside the block, all of them again after it, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from surrogate_nas.core.threads import one_thread
from surrogate_nas.space import nb201
from surrogate_nas.surrogates.base import Prediction
from surrogate_nas.surrogates.ridge import Ridge


def threads() -> dict[str, int]:
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def test_every_pool_has_one_thread_until_the_block_ends() -> None:
    with threadpool_limits(3):
        torch.set_num_threads(3)
        before = threads()
        assert max(before.values()) > 1
        with one_thread(), one_thread():
            assert set(threads().values()) == {1} and torch.get_num_threads() == 1
        assert threads() == before and torch.get_num_threads() == 3
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert threads() == before and torch.get_num_threads() == 3
    torch.set_num_threads(1)


def test_libraries_that_are_loaded_later_are_held_too() -> None:
    code = """
import numpy
from surrogate_nas.core.threads import one_thread
with one_thread(): pass
import sklearn.ensemble, torch
from threadpoolctl import threadpool_info
with one_thread(): print({pool["num_threads"] for pool in threadpool_info()} | {torch.get_num_threads()})
"""  # noqa: E501
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert made.stdout.strip() == "{1}"


def test_a_surrogate_learns_and_predicts_on_one_thread() -> None:
    """Whatever the model, no variable need be set for it."""
    seen: list[set[int]] = []

    class Watched(Ridge):
        """Notes the threads that it has."""

        def _learn(self, cells, target):  # type: ignore[no-untyped-def]
            seen.append({*threads().values(), torch.get_num_threads()})
            super()._learn(cells, target)

        def _predict(self, cells) -> Prediction:  # type: ignore[no-untyped-def]
            seen.append({*threads().values(), torch.get_num_threads()})
            return super()._predict(cells)

    cells = nb201()[:5]
    with threadpool_limits(3):
        Watched(calibrate=False).fit(cells, [1.0, 2.0, 3.0, 4.0, 6.0]).predict(cells)
        assert seen == [{1}, {1}] and max(threads().values()) > 1
