"""The output of commands: results on standard output, progress and messages on standard error."""

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from surrogate_nas.core import plural
from surrogate_nas.files.progress import LINE_SECONDS, ProgressLines

if TYPE_CHECKING:
    from rich.table import Table

    from surrogate_nas.results.comparison import Comparison
    from surrogate_nas.results.suite import SuiteResult
    from surrogate_nas.runs.events import Event

_PIPED_WIDTH = 200
_TERMINAL_SECONDS = 0.25
# of the line in which a terminal shows progress
_ERASE = "\r\x1b[2K"
# A first column of longer texts, such as cells, may be folded
_LONGEST_NAME = 40
# A further column of longer texts may be folded
_LONGEST_WORDS = 24


JsonOption = Annotated[bool, "Print one JSON document on standard output."]


def emit(content: Any, as_json: bool, show: Callable[[], None]) -> None:
    """Print a result as JSON, with null for numbers that are not finite, or as text."""
    if as_json:
        finite = json.loads(json.dumps(content), parse_constant=lambda _: None)
        sys.stdout.write(f"{json.dumps(finite)}\n")
    else:
        show()


def note(message: str) -> None:
    """Print a message on standard error."""
    start = _ERASE if sys.stderr.isatty() else ""
    sys.stderr.write(f"{start}{_wrapped(message, sys.stderr)}\n")


def in_a_line(text: str) -> str:
    r"""Return a text from user code as one line without control characters.

    Example:
        >>> in_a_line("no\nspace \x1b[2J")
        'no space \\x1b[2J'
    """
    line = " ".join(text.split())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in line
    )


def say(message: str) -> None:
    """Print one sentence about a result on standard output."""
    sys.stdout.write(f"{_wrapped(message, sys.stdout)}\n")


def _wrapped(message: str, stream: TextIO) -> str:
    """Wrap a message at the width of the terminal; return one line if there is no terminal."""
    if not stream.isatty():
        return message
    width = shutil.get_terminal_size().columns
    whole = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(whole.fill, message.split("\n")))


def seconds(value: float) -> str:
    """Format a duration (or a number of queries) as an integer if it is whole or at least 100,
    otherwise with three significant digits.
    """
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def show_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    title: str | None = None,
    spare: Sequence[str] = (),
    cut: str = "",
) -> None:
    """Print a table as text. Numbers are right-aligned, and only long texts are wrapped.

    Columns in `spare` are left out if the terminal is narrow. If `cut` names a column, no text is
    wrapped, and long texts in that column are truncated with an ellipsis.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(markup=False, emoji=False, highlight=False, width=width)
    for missing in range(len(spare) + 1):
        shown = [i for i, name in enumerate(columns) if name not in spare[:missing]]
        table = _table(columns, rows, shown, title, cut, console.width)
        unlimited = console.options.update(max_width=10_000)
        if console.measure(table, options=unlimited).minimum <= console.width:
            break
    console.print(table)


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    shown: Sequence[int],
    title: str | None,
    cut: str,
    width: int,
) -> "Table":
    from rich.table import Table

    texts = {i: [_text(row[i]) for row in rows] for i in shown}
    longest = {i: max(map(len, [columns[i], *texts[i]])) for i in shown}
    others = sum(longest[i] + 3 for i in shown if columns[i] != cut)
    room = max(36, width - others - 4)
    table = Table(title=title, title_justify="left")
    for i in shown:
        is_number = bool(rows) and all(_is_number(row[i]) for row in rows)
        is_long = longest[i] > (_LONGEST_WORDS if table.columns else _LONGEST_NAME)
        table.add_column(
            columns[i],
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=bool(cut) or not is_long,
        )
        if columns[i] == cut:
            texts[i] = [
                t if len(t) <= room else f"{t[: room - 1].rstrip()}…" for t in texts[i]
            ]
    for row in zip(*texts.values(), strict=True):
        table.add_row(*row)
    return table


def _is_number(value: object) -> bool:
    """Return whether a value is a number, or a text that represents a number."""
    if isinstance(value, str):
        return (
            value.lstrip("−-").replace(",", "").replace(".", "", 1).isdigit()
            or value == "–"
        )
    return isinstance(value, int | float)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@contextmanager
def progress_bar(what: str, every: float = LINE_SECONDS) -> Iterator[ProgressLines]:
    """Show progress on standard error. On a terminal, one line is overwritten. If the output is not
    a terminal, a new line is printed every 30 seconds.
    """
    is_terminal = sys.stderr.isatty()
    if is_terminal:
        every = _TERMINAL_SECONDS
    with ProgressLines(what, every, _write_over if is_terminal else note) as lines:
        yield lines
    if is_terminal:
        lines.say()
        _write_over("")


def runs_shown(bar: ProgressLines) -> "Callable[[Event], None]":
    """Return a callback that shows the number of finished runs and the progress of the current
    run.
    """
    return lambda event: bar(
        event.done,
        event.total,
        f"{event.strategy}, run {event.run}: {event.trials[-1].index + 1} cells"
        if event.trials
        else "",
    )


def _write_over(line: str) -> None:
    sys.stderr.write(f"{_ERASE}{line[: shutil.get_terminal_size().columns - 1]}")
    sys.stderr.flush()


def present(
    result: "Comparison | SuiteResult",
    content: dict[str, Any],
    folder: Path,
    as_json: bool,
    *,
    show: Callable[[], None],
    remark: Callable[[], None],
) -> None:
    """Write the result of a study to its folder as JSON, text and HTML pages. Then print the JSON,
    or a table (with `show`) and the verdict. The function `remark` prints additional notes.
    """
    from surrogate_nas.report import write_explorer, write_report
    from surrogate_nas.runs.store import VERDICT, Store

    verdict, sentences = result.verdict, result.sentences
    store = Store(folder)
    store.write_json(
        "suite.json" if result.kind == "suite" else "summary.json", content
    )
    store.write_text(VERDICT, "\n".join([*sentences, ""]))
    explorer = write_explorer(result, folder)
    page = write_report(result, folder, command=shlex.join(["snas", *sys.argv[1:]]))

    def whole() -> None:
        show()
        further = sentences[len(verdict.sentences) :]
        for sentence in (*verdict.sentences[: verdict.leading], *further):
            say(sentence)

    emit(content, as_json, whole)
    for line in result.merged:
        note(in_a_line(line))
    remark()
    if result.missing:
        verb = "has" if result.missing == 1 else "have"
        note(
            f"{plural(result.missing, 'run')} {verb} not finished, so the verdict excludes them."
            " Repeat the command to resume."
        )
    if len(verdict.sentences) > verdict.leading:
        note(f"Full verdict: {folder / VERDICT}")
    note(f"Report: {page}")
    if explorer is not None:
        note(f"Explorer: {explorer}")
