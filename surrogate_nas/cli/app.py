"""The application: its commands, and how every error becomes one line and an exit code."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from os import _exit as end_process  # also where a user's function runs (`staying`)
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from surrogate_nas.cli import (
    archive,
    compare,
    data,
    export,
    hardware,
    lambda_path,
    listing,
    new,
    plan,
    play,
    query,
    search,
    serve,
    suite,
    surrogates,
    table,
    training,
)
from surrogate_nas.cli.output import note
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import is_optional, missing
from surrogate_nas.core.version import __version__

PANELS = {
    "Compare strategies": (
        "compare",
        "suite",
        "plan",
        "lambda-path",
        "search",
        "play",
    ),
    "Read what was found": ("report", "serve", "export", "archive"),
    "See what there is": ("benchmarks", "strategies", "losses", "query", "data", "path"),
    "Bring your own": ("new", "check", "import"),
    "Train, measure, learn": (
        "train",
        "measure",
        "fit",
        "predict",
        "surrogate",
        "table",
    ),
}
"""Commands by heading; others come last."""

_OTHERS = "More"


class Panels(TyperGroup):
    """Commands under the headings of `PANELS`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        names = self.list_commands(ctx)
        placed = {name for group in PANELS.values() for name in group}
        groups = PANELS | {_OTHERS: tuple(name for name in names if name not in placed)}
        widest = max(map(len, names))
        for title, group in groups.items():
            commands = [(name, self.get_command(ctx, name)) for name in group]
            limit = formatter.width - 6 - widest
            rows = [
                (name.ljust(widest), one.get_short_help_str(limit)) for name, one in commands if one
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


BAD_INPUT = 2
INTERRUPTED = 130
_LONGEST_LINE = 2000
_LONGEST_PATH = 80

_UsageError: type[Exception] = next(
    b for b in typer.BadParameter.__mro__ if b.__name__ == "ClickException"
)

app = typer.Typer(
    name="snas",
    cls=Panels,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.add_typer(archive.app, name="archive")
app.add_typer(new.app, name="new")
app.add_typer(surrogates.app, name="surrogate")
for _command in (
    data.benchmarks,
    listing.strategies,
    listing.losses,
    data.path,
    query.query,
    search.search,
    play.play,
    compare.compare,
    compare.report,
    export.export,
    suite.suite,
    plan.plan,
    lambda_path.lambda_path,
    new.check,
    training.train,
    hardware.measure,
    surrogates.fit,
    surrogates.predict,
    table.table,
    serve.serve,
):
    app.command()(_command)
app.command("import")(data.import_)


def _print_version(as_json: bool) -> None:
    """Print the version; as JSON also those of Python, the system and numerical libraries."""
    if not as_json:
        typer.echo(f"snas {__version__}")
        return
    from surrogate_nas.study.store import provenance

    typer.echo(json.dumps(provenance()))


@app.callback(invoke_without_command=True)
def snas(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="With --version: as JSON, with those of Python and of the libraries."
        ),
    ] = False,
) -> None:
    """Which search strategy finds the best architecture, when all are given the same L + λ·R and
    the same budget?

    \b
    First steps:
      snas compare fashion --out results/first       five strategies, one report
      snas new strategy Mine                         mine.py, a strategy of ten lines
      snas suite starter --strategies mine.py:Mine,evolution,bo --out results/mine

    Every command has examples in its --help, and all but play print JSON with --json.
    """
    if version:
        _print_version(as_json)
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.BadParameter("Missing command", context)


def main() -> NoReturn:
    """Run a command; bad input ends with one line on standard error and exit code 2.

    SIGTERM and SIGHUP end it as Ctrl-C does: workers are gone before it is, and what was finished
    is kept. Its exit code is then 128 and the signal's number.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path can hold bytes that are no text
            stream.reconfigure(errors="backslashreplace")
    received: list[int] = []
    try:
        with ending_signals(received):
            code = _run()
        if code == INTERRUPTED:  # what some versions of typer make of Ctrl-C
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        line, code = farewell(received)
        note(line)
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    sys.exit(code)


def _run() -> int:
    """Run a command and give its exit code."""
    try:
        code = app(prog_name="snas", standalone_mode=False)
    except UserError as error:
        return _refuse(str(error))
    except ModuleNotFoundError as error:
        if not is_optional(error):
            raise
        return _refuse(str(missing("This", error.name or "")))
    except _UsageError as error:
        message: str = getattr(error, "format_message", error.__str__)()
        if type(error).__name__ == "NoArgsIsHelpError":
            note(message)
            return BAD_INPUT
        said = _one_line(message)
        end = "" if said.endswith(("?", "!")) else "."
        return _refuse(f"{said.rstrip('.')}{end} Try snas --help.")
    except BrokenPipeError:
        raise
    except SystemExit as error:
        return _ended(error)
    except OSError as error:
        return _refuse(f"{error.strerror or error}{_where(error)}.")
    except UnicodeError as error:
        return _refuse(f"A text cannot be written: {error}.")
    return code if isinstance(code, int) else 0


def _ended(error: SystemExit) -> int:
    """Refuse that a user's code ends the process; typer may, after a shell's completion, for
    example.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module = str(frames[-1].f_globals.get("__name__", ""))
    if module.partition(".")[0] in ("typer", "click"):
        raise error
    return _refuse(
        f"Your code ended the process (SystemExit: {error.code}{_place(error)}); it must not."
    )


def _refuse(message: str) -> int:
    note(f"snas: {_one_line(message)}")
    return BAD_INPUT


def _one_line(message: str) -> str:
    line = " ".join(message.split())
    line = line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _place(error: BaseException) -> str:
    """Where an exception was raised."""
    frames = list(traceback.extract_tb(error.__traceback__))
    return f", {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _where(error: OSError) -> str:
    if error.filename is None:
        return ""
    name = str(error.filename)
    return f": {name if len(name) <= _LONGEST_PATH else name[:_LONGEST_PATH] + '…'}"


_AGAIN_SECONDS = 0.05
_PATIENCE_SECONDS = 4.0
"""How long a command may tidy up; whatever it holds back then is lost, as in a crash, and nothing
more.
"""


def farewell(received: list[int]) -> tuple[str, int]:
    """What to say at the end of an interrupted command, and its exit code: 128 and the signal's
    number.
    """
    number = received[0] if received else signal.SIGINT
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    return (
        f"snas: {how}. What was finished is kept; the same command goes on from there.",
        128 + number,
    )


@contextmanager
def ending_signals(received: list[int]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt`, unless they are ignored, as nohup
    has it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = _Ending(received)
    numbers = [
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
    ]
    usual = [
        n for n in numbers if signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler)
    ]
    before = {number: signal.signal(number, ending.begin) for number in usual}
    sys.unraisablehook = ending.unraisable
    try:
        yield
    finally:
        ending.over.set()
        sys.unraisablehook = ending.hook
        # what comes while an ended command leaves has been heard before
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if received else handler)


class _Ending:
    """The end of a command, once a signal has come."""

    def __init__(self, received: list[int]) -> None:
        self.received = received
        self.over = threading.Event()
        self.hook = sys.unraisablehook
        self._uncaught = False

    def begin(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        """End the command; a second signal is noted, and must not end the tidying up."""
        is_first = not self.received
        self.received.append(number)
        if is_first:
            threading.Thread(target=self._leave, daemon=True).start()
        if is_first or self._uncaught:
            self._uncaught = False
            raise KeyboardInterrupt

    def _leave(self) -> None:
        if not self.over.wait(_PATIENCE_SECONDS):
            line, code = farewell(self.received)
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            end_process(code)

    def unraisable(self, found: Any) -> None:
        """An interrupt that came while an object was let go, which nothing could catch, comes
        again.
        """
        if self.received and issubclass(found.exc_type, KeyboardInterrupt):
            self._uncaught = True
            threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), self.received[0])).start()
        else:
            self.hook(found)
