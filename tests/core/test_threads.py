"""One thread inside the block, all of them again after it, whatever happens in between."""

import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from surrogate_nas.core.process import one_thread


def threads():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def test_every_pool_has_one_thread_until_the_block_ends():
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


def test_libraries_that_are_loaded_later_are_held_too():
    code = """
import numpy
from surrogate_nas.core.process import one_thread
with one_thread(): pass
import scipy.linalg, torch
from threadpoolctl import threadpool_info
with one_thread(): print({pool["num_threads"] for pool in threadpool_info()} | {torch.get_num_threads()})
"""  # noqa: E501
    made = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert made.stdout.strip() == "{1}"
