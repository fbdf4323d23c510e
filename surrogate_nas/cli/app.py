"""The application: its commands, and how every error becomes one line and an exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer

from surrogate_nas.cli import data, hardware, lab, surrogates, table, training
from surrogate_nas.cli.output import note
from surrogate_nas.errors import UserError

BAD_INPUT, INTERRUPTED = 2, 130

_UsageError: type[Exception] = next(b for b in typer.BadParameter.__mro__ if b.__name__ == "ClickException")

app = typer.Typer(
    name="snas",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Compare neural-architecture-search strategies on identical regularised objectives.",
)
app.add_typer(data.app, name="data")
app.add_typer(lab.new_app, name="new")
for _command in (
    data.benchmarks, data.path, lab.query, lab.search, lab.compare, lab.report, lab.check, lab.paper, training.train,
    hardware.measure, surrogates.fit, surrogates.predict, table.table,
):  # fmt: skip
    app.command()(_command)


def main() -> NoReturn:
    """Run a command; bad input ends with one line on standard error and exit code 2.

    SIGTERM and SIGHUP end it as Ctrl-C does: workers are gone before it is, and what was finished is kept. Its exit
    code is then 128 and the signal's number.
    """
    with _ending_signals() as received:
        code = _run(received)
    sys.exit(code)


def _run(received: list[int]) -> int:
    """Run a command and make one line and an exit code of whatever ends it."""
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # what some versions of typer make of Ctrl-C
            raise KeyboardInterrupt
    except UserError as error:
        note(f"snas: {_one_line(str(error))}")
        code = BAD_INPUT
    except _UsageError as error:
        message: str = getattr(error, "format_message", error.__str__)()
        note(f"snas: {_one_line(message).rstrip('.')}. Try snas --help.")
        code = BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        how = f"ended by {signal.Signals(received[0]).name}" if received else "interrupted"
        note(f"snas: {how}. What was finished is kept; the same command goes on from there.")
        code = 128 + received[0] if received else INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    return code if isinstance(code, int) else 0


@contextmanager
def _ending_signals() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP raise `KeyboardInterrupt`, unless they are ignored, as nohup has it.

    Yields:
        The numbers of those that came.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a handler
        received.append(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one_line(message: str) -> str:
    return " ".join(message.split())
