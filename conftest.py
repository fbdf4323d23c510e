"""What tests and the examples in docstrings share: a home of their own."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from filelock import FileLock

from surrogate_nas.files import HOME_VARIABLE, home
from surrogate_nas.space import registry

with suppress(
    ImportError
):  # it closes all handlers of logging, and with absl's what pytest reads
    import submitit  # noqa: F401

TOP = Path(__file__).parent
collect_ignore = ["surrogate_nas/runtime/preload.py"]
"""What makes the process that imports it a fork server."""


def pytest_configure() -> None:
    """Ctrl-C does what it does in a terminal, also in tests that a script runs in the background, which ignore it."""  # noqa: E501
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Workers begin with different modules: of what is compiled first, each compiles a share."""
    if of_xdist := getattr(session.config, "workerinput", None):
        files = sorted((TOP / "tests").rglob("test_*.py"))
        share = len(files) * int(of_xdist["workerid"][2:]) // of_xdist["workercount"]
        for file in files[share:] + files[:share]:
            # collecting says what is wrong
            with suppress(Exception, pytest.skip.Exception):
                import_module(".".join(file.relative_to(TOP).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Tests and libraries stay to the end: to look for garbage among them again and again took a fifth of the time."""  # noqa: E501
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def own_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces that a test opens are forgotten after it."""
    monkeypatch.setattr(registry, "_opened", dict(registry._opened))


Once = Callable[..., None]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Put something into the home by a function; under xdist one worker does, the others copy."""
    folder = tmp_path_factory.getbasetemp().parent / "shared"

    def fill(make: Callable[[], object], *names: str) -> None:
        if "PYTEST_XDIST_WORKER" not in os.environ:
            make()
            return
        with FileLock(f"{folder}.lock"):
            source, target = folder, home()
            if not (folder / names[0]).exists():
                make()
                source, target = target, source
            for name in names:
                copy = shutil.copytree if (source / name).is_dir() else shutil.copy2
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                copy(source / name, target / name)

    return fill


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, once: Once) -> Iterator[Path]:
    """A fresh home for the session (under xdist, for the worker): the user's is never touched."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv(HOME_VARIABLE, str(folder))
        if "PYTEST_XDIST_WORKER" in os.environ:
            once(_learn, "listed.json", "compiled")
        yield folder


def _learn() -> None:
    """What lists remember of tables, and compiled kernels, which take seconds."""
    from surrogate_nas.benchmarks import available
    from surrogate_nas.training.fast.compiled import kernels

    available()
    kernels()
