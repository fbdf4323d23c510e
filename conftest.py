"""What tests and the examples in docstrings share: a home of their own."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space import registry

with suppress(
    ImportError
):  # it closes all handlers of logging, and with absl's what pytest reads
    import submitit  # noqa: F401

collect_ignore = ["surrogate_nas/runtime/preload.py"]
"""What makes the process that imports it a fork server."""


def pytest_configure() -> None:
    """Ctrl-C does what it does in a terminal, also in tests that a script runs in the background, which ignore it."""  # noqa: E501
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Tests and libraries stay to the end: to look for garbage among them again and again took a fifth of the time."""  # noqa: E501
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def own_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces that a test opens are forgotten after it."""
    monkeypatch.setattr(registry, "_opened", dict(registry._opened))


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh home for the session (under xdist, for the worker): the user's is never touched."""
    before = os.environ.get(HOME_VARIABLE)
    folder = tmp_path_factory.mktemp("home")
    os.environ[HOME_VARIABLE] = str(folder)
    yield folder
    if before is None:
        del os.environ[HOME_VARIABLE]
    else:
        os.environ[HOME_VARIABLE] = before
