"""The command-line application: its commands, and the conversion of errors to a one-line message
and an exit code.

A command's module is imported when the command is called, so ``snas --help`` starts quickly.
"""

import inspect
import io
import json
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import groupby
from os import _exit as end_process
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from surrogate_nas.cli.output import in_a_line, note
from surrogate_nas.core import UserError, is_optional, missing
from surrogate_nas.version import __version__

PANELS = {
    "Compare strategies": {
        "compare": (
            "studies:compare",
            "Compare strategies under one objective and write a report.",
        ),
        "suite": (
            "studies:suite",
            "Compare strategies over many problems, with one verdict and one report.",
        ),
        "plan": ("studies:plan", "Estimate how many runs a study needs."),
        "lambda-path": (
            "studies:lambda_path",
            "Compare strategies at every λ of a grid.",
        ),
        "search": ("search:search", "Run one strategy once."),
        "play": ("play:play", "Run one search with an external optimiser in the loop."),
    },
    "Read results": {
        "report": (
            "studies:report",
            "Rebuild the report pages of a stored comparison or suite.",
        ),
        "serve": (
            "stored:serve",
            "Show comparisons and suites in a browser while they run.",
        ),
        "export": (
            "stored:export",
            "Export results for dashboards, trackers and papers.",
        ),
        "archive": ("stored:app", "Pack results into one file, or verify such a file."),
    },
    "See what is available": {
        "benchmarks": (
            "data:benchmarks",
            "List the benchmarks that are available or can be fetched.",
        ),
        "strategies": (
            "data:strategies",
            "List the search strategies with their descriptions and papers.",
        ),
        "losses": (
            "data:losses",
            "List the training losses with their units, tasks and papers.",
        ),
        "query": ("data:query", "Look up metrics of cells."),
        "data": ("data:app", "Fetch, import and verify benchmark data."),
        "path": ("data:path", "Print the path of the data directory."),
    },
    "Bring your own": {
        "new": (
            "new:new",
            "Write a template of a strategy, task, loss, space, training or package.",
        ),
        "check": (
            "new:check",
            "Check the contract of a strategy, a space or a surrogate.",
        ),
        "import": (
            "data:import_",
            "Import official benchmark files or a CSV file.",
        ),
    },
    "Train, measure, learn": {
        "train": (
            "training:train",
            "Train one cell on a task and print its learning curve.",
        ),
        "measure": (
            "training:measure",
            "Measure latency, memory and energy of cells on this machine.",
        ),
        "fit": (
            "surrogates:fit",
            "Fit a surrogate on some cells, test it on other cells, and store it.",
        ),
        "predict": (
            "surrogates:predict",
            "Predict a metric of cells with a stored model.",
        ),
        "surrogate": ("surrogates:app", "Compare surrogates under one protocol."),
        "table": (
            "training:table",
            "Train every cell of a space to build a benchmark.",
        ),
    },
}
"""The commands by heading, with the module and function of each and the first line of its help."""
_COMMANDS = {
    name: command for panel in PANELS.values() for name, command in panel.items()
}


class Panelled(TyperCommand):
    """A command whose help lists its parameters under headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the parameters to the help text."""
        from surrogate_nas.cli.options import heading

        for title, own in groupby(sorted(self.get_params(ctx), key=heading), heading):
            with formatter.section(title):
                formatter.write_dl(
                    [*filter(None, (p.get_help_record(ctx) for p in own))]
                )


class Panels(TyperGroup):
    """A command group whose help lists commands under the headings of `PANELS`."""

    def __init__(self, **settings: Any) -> None:
        """Register the commands without importing their modules."""
        super().__init__(**settings)
        self.commands: dict[str, Any] = dict.fromkeys(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the command with the given name, or return None if there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(f"surrogate_nas.cli.{module}"), attribute)
        group = command
        if not isinstance(command, typer.Typer):
            group = typer.Typer(add_completion=False)
            group.command(cmd_name, cls=Panelled)(command)
        group.rich_markup_mode = None
        for info in group.registered_commands:
            _explain(info.callback)
        make = typer.main.get_group if group is command else typer.main.get_command
        made = make(group)
        made.name = cmd_name
        return made

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands to the help text."""
        widest = max(map(len, _COMMANDS))
        for title, panel in PANELS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(widest), text) for name, (_, text) in panel.items()]
                )


def _explain(command: Any) -> None:
    """Use the text in a parameter's annotation as the help of an option, or of an argument if the
    parameter has no default.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters = []
    for parameter in signature.parameters.values():
        kind = parameter.annotation
        *_, text = getattr(kind, "__metadata__", [None])
        if isinstance(text, str):
            name = parameter.name.rstrip("_").replace("_", "-")
            is_argument = parameter.default is parameter.empty
            flag = typer.Argument() if is_argument else typer.Option(f"--{name}")
            flag.help = text
            kind = Annotated[kind.__origin__, flag]
        parameters.append(parameter.replace(annotation=kind))
    command.__signature__ = signature.replace(parameters=parameters)


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
"""The command ``snas``."""


@app.callback(invoke_without_command=True)
def snas(
    context: typer.Context,
    version: Annotated[bool, "Print the version and exit."] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="With --version: print JSON, including the versions of Python and libraries.",
        ),
    ] = False,
) -> None:
    """Compare neural architecture search strategies under one objective L + λ·R and one budget.

    \b
    First steps:
      snas compare fashion --out results/first       five strategies, one report
      snas new strategy Mine                         mine.py, a strategy of ten lines
      snas suite starter --strategies mine.py:Mine,evolution,bo --out results/mine

    Every command has examples in its --help. Every command except play prints JSON with --json.
    """
    if version and as_json:
        from surrogate_nas.runs.store import provenance

        typer.echo(json.dumps(provenance()))
    elif version:
        typer.echo(f"snas {__version__}")
    if version:
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.BadParameter("Missing command", context)


def main() -> NoReturn:
    """Run a command. Invalid input ends the command with a one-line message on standard error and
    exit code 2.

    SIGTERM and SIGHUP end the command like Ctrl-C: worker processes are stopped first, and finished
    results are kept. After a signal, the exit code is 128 plus the signal number.
    """
    for stream in (sys.stdout, sys.stderr):
        # a path can hold bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
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


def _note_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
) -> None:
    """Print a warning in one line. A `UserWarning` is about the input and is printed without its
    location.
    """
    place = f"{filename}:{lineno}: {category.__name__}: "
    note(in_a_line(f"{'' if category is UserWarning else place}{message}"))


def _run() -> int:
    warnings.showwarning = _note_warning  # type: ignore[assignment]
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
        sentence = in_a_line(message)
        end = "" if sentence.endswith(("?", "!")) else "."
        return _refuse(f"{sentence.rstrip('.')}{end} Try snas --help.")
    except BrokenPipeError:
        raise
    except SystemExit as error:
        return _ended(error)
    except OSError as error:
        return _refuse(f"{error.strerror or error}{_where(error)}.")
    except UnicodeError as error:
        return _refuse(f"The output cannot be encoded as text: {error}.")
    return code if isinstance(code, int) else 0


def _ended(error: SystemExit) -> int:
    """Report user code that ends the process. The shell completion of typer may also end it."""
    frame, line = [*traceback.walk_tb(error.__traceback__)][-1]
    module = str(frame.f_globals.get("__name__", ""))
    if module.partition(".")[0] in ("typer", "click"):
        raise error
    return _refuse(
        f"Your code ended the process (SystemExit: {error.code},"
        f" {frame.f_code.co_filename}:{line}); it must not."
    )


def _refuse(message: str) -> int:
    line = in_a_line(message)
    note(f"snas: {line if len(line) <= _LONGEST_LINE else f'{line[:_LONGEST_LINE]}…'}")
    return BAD_INPUT


def _where(error: OSError) -> str:
    if error.filename is None:
        return ""
    name = str(error.filename)
    return f": {name if len(name) <= _LONGEST_PATH else name[:_LONGEST_PATH] + '…'}"


# How long a command may tidy up; whatever it holds back then is lost, as in a crash, and nothing
# more
_PATIENCE_SECONDS = 4.0


def farewell(received: list[int]) -> tuple[str, int]:
    """Return the message at the end of an interrupted command, and its exit code (128 plus the
    signal number).
    """
    number = received[0] if received else signal.SIGINT
    how = (
        "interrupted"
        if number == signal.SIGINT
        else f"ended by {signal.Signals(number).name}"
    )
    return (
        f"snas: {how}. Finished results are kept. Repeat the command to resume.",
        128 + number,
    )


@contextmanager
def ending_signals(received: list[int]) -> Iterator[None]:
    """Make SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt`, except signals that are ignored
    (for example under nohup).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over = threading.Event()

    def leave() -> None:
        if not over.wait(_PATIENCE_SECONDS):
            line, code = farewell(received)
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            end_process(code)

    def begin(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:  # a second signal must not end the tidying up
            threading.Thread(target=leave, daemon=True).start()
            raise KeyboardInterrupt

    usual = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    ]
    before = {number: signal.signal(number, begin) for number in usual}
    try:
        yield
    finally:
        over.set()
        # what comes while an ended command leaves has been heard before
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if received else handler)
