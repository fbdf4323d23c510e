"""Every table of a suite as rows, and all of them as CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.core.numbers import NOTHING
from surrogate_nas.files import write_whole
from surrogate_nas.study.curves import MARKED, expected_runtime
from surrogate_nas.study.suite import SuiteResult

Rows = list[dict[str, Any]]
"""One by one, each from column to value; None where there is none."""


def problems(result: SuiteResult) -> Rows:
    """One row a problem: what was asked, and what regret is measured in."""
    return [
        {
            "problem": p.name,
            "benchmark": p.problem.benchmark,
            "objective": p.objective,
            "budget": p.checkpoints[-1],
            "unit": p.unit,
            "optimum": p.reference.optimum,
            "random": p.reference.optimum + p.reference.scale,
            "exact": p.reference.exact,
            "seed noise": p.noise,
        }
        for p in result.problems
    ]


def strategies(result: SuiteResult) -> Rows:
    """One row a strategy, the best rank first."""
    keys = (
        "name",
        "rank_mean",
        "solved",
        "regret_iqm",
        "regret_mean",
        "regret_median",
        "probability_best_here",
        "probability_best",
        "failures",
    )
    return [{key: entry[key] for key in keys} for entry in result.summary["strategies"]]


def regret(result: SuiteResult) -> Rows:
    """Mean normalised regret, problem × strategy: 0 the optimum, 1 random sampling."""
    rows = zip(result.problems, result.means().tolist(), strict=True)
    return [{"problem": p.name} | dict(zip(result.strategies, row, strict=True)) for p, row in rows]


def runtime(result: SuiteResult) -> Rows:
    """Expected running time until three targets, in the unit of the budget; infinite where no run
    got there.
    """
    return [
        {
            "problem": p.name,
            "unit": p.unit,
            "target": target,
            **{name: expected_runtime(p, name, target) for name in result.strategies},
        }
        for p in result.problems
        for target in MARKED
    ]


def reached(result: SuiteResult) -> Rows:
    """The share of runs that reached three targets, problem × strategy."""
    return [
        {
            "problem": p.name,
            "target": target,
            **{
                name: float(np.isfinite(p.runtimes(name, target)).mean())
                for name in result.strategies
            },
        }
        for p in result.problems
        for target in MARKED
    ]


def pairs(result: SuiteResult) -> Rows:
    """One row a pair: a test over problems, and the probability of improvement; they describe."""
    return [
        {
            **asdict(pair.test),
            "difference": pair.difference,
            "probability of improvement": improved.probability,
            "low": None if improved.ci95 is None else improved.ci95[0],
            "high": None if improved.ci95 is None else improved.ci95[1],
        }
        for pair, improved in zip(result.pairs, result.improvements, strict=True)
    ]


def accounts(result: SuiteResult) -> Rows:
    """One row a strategy: what it spent."""
    return [asdict(account) for account in result.accounts]


TABLES: dict[str, Callable[[SuiteResult], Rows]] = {
    "problems": problems,
    "strategies": strategies,
    "regret": regret,
    "runtime": runtime,
    "reached": reached,
    "pairs": pairs,
    "accounts": accounts,
}
"""All tables by the names of their files."""

_HEADS = {
    "name": "strategy",
    "rank_mean": "mean rank",
    "solved": "optimum found",
    "regret_iqm": "regret, IQM",
    "regret_mean": "regret, mean",
    "regret_median": "regret, median",
    "probability_best": "probability best, other problems",
    "probability_best_here": "probability best, here",
}
"""What a column is called where its name in JSON and CSV is none that a reader of a paper knows."""
_LARGER = {"solved", "probability_best", "probability_best_here"}
_SMALLER = {"rank_mean", "regret_iqm", "regret_mean", "regret_median"}
_OF_STRATEGIES: dict[str, Callable[[Iterable[float]], float]] = {
    "regret": min,
    "runtime": min,
    "reached": max,
}
"""Tables with a column a strategy, and what is best in a row of them."""
_KEYS = {"problem", "unit", "target"}

_KEPT_APART = "\u200b"
"""Between two hyphens, which LaTeX would set as a dash."""
_ESCAPED = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {letter: f"${letter}$" for letter in "<>|"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        '"': r"\textquotedbl{}",
    }
    | {"[": "{[}", "]": "{]}"}  # a row that begins with one would lend it to the line break before
    | {"−": r"$-$", "–": "--", "…": r"\dots{}", "λ": r"$\lambda$", "×": r"$\times$", "≤": r"$\leq$"}
    | {"≥": r"$\geq$", "±": r"$\pm$", "→": r"$\to$", "∞": r"$\infty$", "—": "---"}
    | {"‘": "`", "’": "'", "“": "``", "”": "''", _KEPT_APART: "{}"}
)
_LETTERS = "ĂăĄąĆćČčĎďĐđĘęĚěĞğİıĹĺĽľŁłŃńŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž"
"""Beyond Latin-1, what the fonts of LaTeX's encoding T1 have."""
_SIGNS = "".join(chr(code) for code in _ESCAPED if code > 255)
_UNSET = re.compile(f"[^ -~¡-ÿ{_LETTERS}{_SIGNS}]")


def write_tables(result: SuiteResult, folder: Path) -> None:
    """Write every table as ``NAME.csv`` and ``NAME.tex``; each file is whole or as it was before.

    Raises:
        UserError: The folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.study.problem import read_suite
        >>> from surrogate_nas.study.api import run_suite
        >>> result = run_suite(
        ...     read_suite("starter").only(["fashion"]).entered(["random", "evolution"], runs=2)
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     write_tables(result, Path(folder))
        ...     len(list(Path(folder).glob("*.csv"))) == len(list(Path(folder).glob("*.tex"))) > 0
        True
    """
    for name, table in TABLES.items():
        rows = table(result)
        for suffix, text in (("csv", as_csv(rows)), ("tex", as_latex(rows, best_of(name, rows)))):
            write_whole(folder / f"{name}.{suffix}", text)


def as_csv(rows: Rows) -> str:
    """A table as CSV: numbers with all their digits, nothing where there is no value."""
    written = io.StringIO()
    writer = csv.DictWriter(written, rows[0] if rows else (), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _exact(value) for key, value in row.items()} for row in rows)
    return written.getvalue()


def best_of(name: str, rows: Rows) -> set[tuple[int, str]]:
    """The best entries of one of `TABLES`, by row and column, wherever strategies are compared."""
    if name in _OF_STRATEGIES:
        lists = [[(i, c) for c in row if c not in _KEYS] for i, row in enumerate(rows)]
        choose = dict.fromkeys(range(len(lists)), _OF_STRATEGIES[name])
    else:
        compared = [
            c for c in (rows[0] if rows and name == "strategies" else ()) if c in _LARGER | _SMALLER
        ]
        lists = [[(i, c) for i in range(len(rows))] for c in compared]
        choose = {place: max if c in _LARGER else min for place, c in enumerate(compared)}
    best_entries: set[tuple[int, str]] = set()
    for place, entries in enumerate(lists):
        values = {entry: rows[entry[0]][entry[1]] for entry in entries}
        finite = [value for value in values.values() if value is not None and np.isfinite(value)]
        if len(set(finite)) > 1:
            best = choose[place](finite)
            best_entries |= {entry for entry, value in values.items() if value == best}
    return best_entries


def as_latex(rows: Rows, best: Collection[tuple[int, str]] = ()) -> str:
    """A table as a ``tabular`` of the package booktabs: numbers with four digits, a dash where
    there is no value.

    Entries of `best`, by row and column, are bold.
    """
    columns = list(rows[0]) if rows else []
    numeric = [all(row[c] is None or isinstance(row[c], Real) for row in rows) for c in columns]
    lines = [
        [bold(_rounded(v)) if (i, c) in best else _rounded(v) for c, v in row.items()]
        for i, row in enumerate(rows)
    ]
    heads = [_rounded(_HEADS.get(column, column.replace("_", " "))) for column in columns]
    return "\n".join(
        [*tabular("".join("lr"[is_number] for is_number in numeric), heads, lines), ""]
    )


def tabular(
    columns: str,
    heads: Iterable[str],
    rows: Iterable[Iterable[str]],
) -> list[str]:
    """The lines of a ``tabular`` of the package booktabs; all is escaped already."""
    top, *lines = (" & ".join(cells) + r" \\" for cells in (heads, *rows))
    return [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        top,
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
    ]


def escaped(text: str) -> str:
    """A text as LaTeX sets it, on one line; a letter that it has no font for by its number.

    Example:
        >>> escaped("bo_epochs(n=5) & 100 % --x 字")
        'bo\\\\_epochs(n=5) \\\\& 100 \\\\% -{}-x {[}U+5B57{]}'
    """
    line = re.sub("-(?=-)", f"-{_KEPT_APART}", " ".join(text.split()))
    return _UNSET.sub(lambda letter: f"[U+{ord(letter[0]):04X}]", line).translate(_ESCAPED)


def bold(content: str) -> str:
    """Set in bold."""
    return rf"\textbf{{{content}}}"


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(float(value))
    return "" if value is None else value


def _rounded(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return escaped(NOTHING)
    return f"{value:.4g}" if isinstance(value, float) else escaped(str(value))
