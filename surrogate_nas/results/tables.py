"""The tables of a suite: their columns, each declared once for every place where it is shown, and
all of them as CSV and LaTeX.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.core.numbers import NOTHING, p_value, quantity
from surrogate_nas.files import write_whole
from surrogate_nas.results.columns import (
    EACH,
    Column,
    Rows,
    digits,
    shown_in,
    texts,
)
from surrogate_nas.results.curves import MARKED, ProblemResult, expected_runtime
from surrogate_nas.results.suite import STRATEGIES, SuiteResult


class Table(NamedTuple):
    """A table of a suite: its columns, and a function that makes its rows."""

    make: Callable[[SuiteResult], Rows]
    columns: Sequence[Column]

    def shown(self, where: str, strategies: Sequence[str]) -> list[Column]:
        """The columns that are shown somewhere, with one for each strategy."""
        return shown_in(where, self.columns, strategies)

    def texts(self, result: SuiteResult, where: str) -> tuple[list[str], list[list[str]]]:
        """The heads and the rows as they are shown somewhere."""
        return texts(self.shown(where, result.strategies), self.make(result))

    def rows(self, result: SuiteResult) -> Rows:
        """The rows of the table's files."""
        keys = [column.key for column in self.shown("file", result.strategies)]
        return [{key: row[key] for key in keys} for row in self.make(result)]

    def best(self, rows: Rows) -> set[tuple[int, str]]:
        """The best entries by row and column, wherever strategies are compared and differ."""
        by_key = {column.key: column for column in self.columns}
        if EACH in by_key:
            compared = [
                (by_key[EACH], [(i, key) for key in row if key not in by_key])
                for i, row in enumerate(rows)
            ]
        else:
            compared = [
                (column, [(i, column.key) for i in range(len(rows))])
                for column in self.shown("file", ())
            ]
        best: set[tuple[int, str]] = set()
        for column, entries in compared:
            if column.best is not None:
                values = {(i, key): rows[i][key] for i, key in entries}
                finite = {v for v in values.values() if v is not None and np.isfinite(v)}
                if len(finite) > 1:
                    end = column.best(finite)
                    best |= {entry for entry, value in values.items() if value == end}
        return best

    def latex(self, result: SuiteResult) -> str:
        """The table as a ``tabular`` with the best entries in bold; numbers with four digits, a
        dash where there is no value.
        """
        rows = self.rows(result)
        best = self.best(rows)
        columns = self.shown("file", result.strategies) if rows else []
        numeric = [
            all(r[c.key] is None or isinstance(r[c.key], Real) for r in rows)
            for c in columns
        ]
        lines = [
            [
                rf"\textbf{{{_rounded(value)}}}" if (i, key) in best else _rounded(value)
                for key, value in row.items()
            ]
            for i, row in enumerate(rows)
        ]
        titles = [escaped(column.title) for column in columns]
        kinds = "".join("lr"[is_number] for is_number in numeric)
        return "\n".join([*tabular(kinds, titles, lines), ""])


def effect_in_words(effect: float) -> str:
    """A correlation with its sign."""
    return NOTHING if np.isnan(effect) else f"{effect:+.2f}".replace("-", "−")


def _problems(result: SuiteResult) -> Rows:
    return [
        {
            "problem": p.name,
            "benchmark": p.problem.benchmark,
            "objective": p.objective,
            "budget": p.checkpoints[-1],
            "unit": p.unit,
            "seeds": p.problem.seed_policy or "mean",
            "optimum": p.reference.optimum,
            "random": p.reference.optimum + p.reference.scale,
            "exact": p.reference.exact,
            "seed noise": p.noise,
            "fingerprint": p.fingerprint,
        }
        for p in result.problems
    ]


def _regret(result: SuiteResult) -> Rows:
    rows = zip(result.problems, result.means().tolist(), strict=True)
    return [
        {
            "problem": p.name,
            **dict(zip(result.strategies, row, strict=True)),
            "seed noise": p.noise,
        }
        for p, row in rows
    ]


def _by_target(
    result: SuiteResult, value: Callable[[ProblemResult, str, float], float]
) -> Rows:
    return [
        {"problem": p.name, "unit": p.unit, "target": target}
        | {name: value(p, name, target) for name in result.strategies}
        for p in result.problems
        for target in MARKED
    ]


def _pairs(result: SuiteResult) -> Rows:
    rows = []
    for pair in result.pairs:
        low, high = pair["probability_ci95"] or (None, None)
        ends = {"probability of improvement": pair["probability"], "low": low, "high": high}
        rows.append(pair | ends)
    return rows


TABLES: dict[str, Table] = {
    "problems": Table(
        _problems,
        (
            Column("problem"),
            Column("benchmark"),
            Column("objective"),
            Column("budget", show="{:,g}".format),
            Column("unit"),
            Column("seeds", where="page"),
            Column("optimum", show="{:.5g}".format),
            Column("random", "random sampling", "expected", "{:.5g}".format),
            Column("exact", "scale", "of a table", lambda value: "yes" if value else "no"),
            Column("seed noise", "seed noise", "as regret", digits(3)),
            Column("fingerprint", where="page"),
        ),
    ),
    "strategies": Table(
        SuiteResult.strategy_rows,
        STRATEGIES,
    ),
    "regret": Table(
        _regret,
        (
            Column("problem"),
            Column(EACH, show=digits(2), best=min),
            Column("seed noise", show=digits(2), where="page"),
        ),
    ),
    "runtime": Table(
        partial(_by_target, value=expected_runtime),
        (
            Column("problem"),
            Column("unit"),
            Column(
                "target",
                "regret",
                "at most",
                lambda at: f"{at:g}" if at else "0, the optimum",
            ),
            Column(
                EACH, show=lambda n: quantity(n) if np.isfinite(n) else "never", best=min
            ),
        ),
    ),
    "reached": Table(
        partial(
            _by_target, value=lambda p, *at: float(np.isfinite(p.runtimes(*at)).mean())
        ),
        (Column("problem"), Column("target"), Column(EACH, best=max)),
    ),
    "pairs": Table(
        _pairs,
        (
            Column("first"),
            Column("second"),
            Column("wins", "problems", "better"),
            Column("ties", "problems", "equal"),
            Column("losses", "problems", "worse"),
            Column("effect", "effect", "rank-biserial", effect_in_words),
            Column("p", "p", "Wilcoxon", p_value),
            Column("p_holm", "p", "after Holm", p_value),
            Column("difference", "difference", "mean regret", digits(3)),
            Column(
                "probability of improvement", "probability", "of improvement", digits(2)
            ),
            Column("low", "95 %", "from", digits(2)),
            Column("high", "95 %", "to", digits(2)),
        ),
    ),
    "accounts": Table(
        lambda result: result.accounts,
        (
            Column("strategy"),
            Column("runs"),
            Column("failures", where="file"),
            Column("empty", where="file"),
            Column("evaluations", "cells", "evaluated", "{:,}".format),
            Column("duplicates", "duplicates", "asked for again", "{:,}".format),
            Column("duplicate share", "duplicates", "share", "{:.1%}".format, where="page"),
            Column("queries", show=quantity),
            Column("simulated_seconds", "time", "simulated, s", quantity),
            Column("real_seconds", "time", "in all, s", quantity),
            Column("strategy_seconds", "time", "strategy, s", quantity),
            Column("milliseconds", "time", "strategy, ms a cell", quantity, where="page"),
        ),
    ),
}
"""The tables of a suite by the names of their files. Accounts tell what a strategy spent, pairs
describe and decide nothing, and running times are infinite where no run reached the target.
"""

# Between two hyphens, which LaTeX would set as a dash
_KEPT_APART = "\u200b"
_ESCAPED = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {letter: f"${letter}$" for letter in "<>|"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        '"': r"\textquotedbl{}",
    }
    | {
        "[": "{[}",
        "]": "{]}",
    }  # a row that begins with one would lend it to the line break before
    | {
        "−": r"$-$",
        "–": "--",
        "…": r"\dots{}",
        "λ": r"$\lambda$",
        "×": r"$\times$",
        "≤": r"$\leq$",
    }
    | {"≥": r"$\geq$", "±": r"$\pm$", "→": r"$\to$", "∞": r"$\infty$", "—": "---"}
    | {"‘": "`", "’": "'", "“": "``", "”": "''", _KEPT_APART: "{}"}
)
# Beyond Latin-1, what the fonts of LaTeX's encoding T1 have
_LETTERS = "ĂăĄąĆćČčĎďĐđĘęĚěĞğİıĹĺĽľŁłŃńŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž"
_SIGNS = "".join(chr(code) for code in _ESCAPED if code > 255)
_UNSET = re.compile(f"[^ -~¡-ÿ{_LETTERS}{_SIGNS}]")


def write_tables(result: SuiteResult, folder: Path) -> None:
    """Write every table as ``NAME.csv`` and ``NAME.tex``; each file is whole or as it was
    before.
    """
    for name, table in TABLES.items():
        write_whole(folder / f"{name}.csv", as_csv(table.rows(result)))
        write_whole(folder / f"{name}.tex", table.latex(result))


def as_csv(rows: Rows) -> str:
    """A table as CSV: numbers with all their digits, nothing where there is no value."""
    written = io.StringIO()
    writer = csv.DictWriter(written, rows[0] if rows else (), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _exact(value) for key, value in row.items()} for row in rows)
    return written.getvalue()


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


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(float(value))
    return "" if value is None else value


def _rounded(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return escaped(NOTHING)
    return f"{value:.4g}" if isinstance(value, float) else escaped(str(value))
