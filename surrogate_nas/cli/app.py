"""The application: its commands, and how every error becomes one line and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from surrogate_nas.cli import data, hardware, lab, surrogates, table, training
from surrogate_nas.cli.output import note
from surrogate_nas.cli.signals import ending_signals, farewell
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
    sys.exit(_run())


def _run() -> int:
    """Run a command and make one line and an exit code of whatever ends it."""
    received: list[int] = []
    try:
        with ending_signals(received):
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
        line, code = farewell(received)
        note(line)
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    return code if isinstance(code, int) else 0


def _one_line(message: str) -> str:
    return " ".join(message.split())
