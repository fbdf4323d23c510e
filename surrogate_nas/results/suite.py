"""The result of a suite (a study of several problems): a summary of each run, and the tables of the
report. Every column of a table is declared once and used for pages, terminals and files. All tables
can be written as CSV and LaTeX.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from surrogate_nas.core import NOTHING, fixed, p_value, quantity, share
from surrogate_nas.files import write_whole
from surrogate_nas.results.comparison import MERGED, Comparison, StudyResult
from surrogate_nas.results.curves import (
    MARKED,
    ProblemResult,
    accounts_of,
    expected_runtime,
)
from surrogate_nas.results.verdict import Verdict, ends_of, means_of, verdict_of
from surrogate_nas.runs.problem import Suite
from surrogate_nas.runs.run import rows_frame, stacked
from surrogate_nas.runs.sources import most_versions
from surrogate_nas.stats.decision import decide
from surrogate_nas.stats.summaries import (
    Ranks,
    Row,
    Rows,
    Values,
    aggregates,
    improvements,
    paired_tests,
    ranks,
)

if TYPE_CHECKING:
    import pandas

_STEPS = 50
_EACH = "*"  # the key of a column that every strategy has
_EVERYWHERE = "page terminal file"


@dataclass(frozen=True)
class SuiteResult(StudyResult):
    """The result of a suite: all runs on all its problems.

    Attributes:
        suite: The definition of the suite.
        problems: The results on the problems that were run, in the order of the suite.
        versions: Number of edited versions of each user-defined strategy that were run on these
            problems and seeds.
        comparisons: The comparison of each problem with all trials, if the trials were read from a
            folder.
        missing: Number of runs that have not ended yet.
        merged: Notes on a result that was merged from several folders: the origin of runs, and
            problems that do not count.
        folder: The folder of the results, or None.

    Example:
        >>> import surrogate_nas as sn
        >>> problems = [sn.Problem("fashion", budget=40)]
        >>> result = sn.run_suite(problems, ["random", "evolution"], runs=2)
        >>> result.strategies, result.means().shape, result.failures
        (['random', 'evolution'], (1, 2), [])
    """

    kind = "suite"
    suite: Suite
    problems: Sequence[ProblemResult] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict, repr=False)
    missing: int = 0
    merged: Sequence[str] = ()
    folder: Path | None = None

    @property
    def title(self) -> str:
        """The suite's title."""
        return self.suite.title

    def __repr__(self) -> str:
        return (
            f"<SuiteResult of {self.suite.name}: {len(self.strategies)} strategies on"
            f" {len(self.problems)} problems>"
        )

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        return TABLES["strategies"].texts(self, "terminal")

    def strategy_rows(self) -> Rows:
        """Return the rows of the summary table, one per strategy, the lowest mean rank first."""
        here, elsewhere = self.chances
        spent = "evaluations duplicates queries simulated_seconds real_seconds".split()
        rows = [
            {
                "name": name,
                "runs": account["runs"],
                "rank_mean": float(rank),
                "solved": solved,
                "probability_best": elsewhere[name],
                "probability_best_here": here[name],
                **aggregate,
                "failures": account["failures"],
                "no_feasible_cell": account["empty"],
                **{column: account[column] for column in spent},
            }
            for name, rank, solved, aggregate, account in zip(
                self.strategies,
                self.ranks.mean[:, -1],
                self.solved,
                self.aggregates,
                self.accounts,
                strict=True,
            )
        ]
        return sorted(rows, key=lambda row: float(row["rank_mean"]))

    @property
    def strategies(self) -> list[str]:
        """The names of the strategies, in the order of the suite."""
        return self.suite.labels

    def means(self, fraction: float = 1.0) -> "pandas.DataFrame":
        """Return a data frame of the mean normalised regrets after a fraction of the budget, with
        one row per problem and one column per strategy.
        """
        import pandas

        values = means_of(self.strategies, self.problems, fraction)
        names = [problem.name for problem in self.problems]
        return pandas.DataFrame(values, names, self.strategies)

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame with one row per run, including failed runs. Its columns are the
        problem, the strategy, the run, the final score, the final normalised regret, and costs. If
        a run found no feasible cell, its score is NaN and its regret is the largest possible one.
        Single trials are available in `comparisons`, if they were read from a folder.
        """
        return rows_frame(
            {
                "problem": p.name,
                "strategy": name,
                "run": trace.run,
                "score": np.nan if trace.found_nothing else trace.score[-1],
                "normalised_regret": regret,
                "evaluations": trace.evaluations,
                "distinct": trace.distinct,
                "cost": trace.simulated,
                "strategy_seconds": trace.strategy_seconds,
                "real_seconds": trace.real_seconds,
                "failure": trace.failure,
            }
            for p in self.problems
            for name in self.strategies
            for trace, regret in zip(p.traces[name], p.at(name), strict=True)
        )

    def summary_frame(self) -> "pandas.DataFrame":
        """Return the rows of `strategy_rows` as a data frame: one row per strategy, the lowest mean
        rank first.
        """
        ends = ("regret_ci95_low", "regret_ci95_high")
        return rows_frame(
            {"strategy": row.pop("name")}
            | dict(zip(ends, row.pop("regret_ci95") or (None, None), strict=True))
            | row
            for row in self.strategy_rows()
        )

    def curves(self) -> "pandas.DataFrame":
        """Return a data frame with the best result of every run, including failed runs, at each
        checkpoint of the budget.

        Returns:
            A data frame with the column ``problem``, followed by the columns of
            `surrogate_nas.runs.run.Run.curves`. If the budget is in evaluations, ``cost`` is NaN.
            For other budgets, ``evaluations`` is NaN. If the optimum is not available, ``regret``
            is NaN, and ``normalised_regret`` is relative to the runs on the problem: 0 is the best
            result of all runs, and 1 is the mean result.
        """
        return stacked(
            {
                "problem": p.name,
                "strategy": name,
                "run": trace.run,
                "evaluations": p.checkpoints if p.unit == "cells" else np.nan,
                "cost": np.nan if p.unit == "cells" else p.checkpoints,
                "best_score": (
                    best := np.where(np.isfinite(trace.score), trace.score, np.nan)
                ),
                "regret": best - (p.reference.optimum if p.reference.exact else np.nan),
                "normalised_regret": regret,
            }
            for p in self.problems
            for name in self.strategies
            for trace, regret in zip(p.traces[name], p.regrets(name), strict=True)
        )

    @cached_property
    def ranks(self) -> Ranks:
        """The average ranks of the strategies over the budget, from the first checkpoint after the
        shared initial cells.
        """
        steps = np.arange(1, _STEPS + 1) / _STEPS
        counted = [problem for problem in self.problems if problem.unit == "cells"]
        shared = max(
            (p.problem.n_random / p.checkpoints[-1] for p in counted), default=0.0
        )
        fractions = steps[steps > shared] if steps[-1] > shared else steps[-1:]
        names, problems = self.strategies, self.problems
        means = np.array([means_of(names, problems, f) for f in fractions])
        return Ranks(fractions, ranks(means.transpose(2, 1, 0)).mean(axis=1))

    @property
    def _ends(self) -> list[dict[str, Values]]:
        return [{name: p.at(name) for name in self.strategies} for p in self.problems]

    @cached_property
    def solved(self) -> list[float | None]:
        """The share of runs of each strategy that ended with the optimum, averaged over the
        problems whose optimum is available; None if no problem has one.
        """
        shares = [
            [
                np.isfinite(problem.runtimes(name, 0.0)).mean()
                for name in self.strategies
            ]
            for problem in self.problems
            if problem.reference.exact
        ]
        return (
            np.mean(shares, axis=0).tolist()
            if shares
            else [None] * len(self.strategies)
        )

    @cached_property
    def aggregates(self) -> Rows:
        """Statistics of the normalised regret over all problems, one row per strategy in the order
        of `strategies`.
        """
        return aggregates(self._ends)

    @cached_property
    def pairs(self) -> Rows:
        """Compare every pair of strategies over all problems by a paired test, the difference of
        the mean regrets, and the probability that a run of the first strategy ends better. This
        comparison is descriptive and does not enter the verdict.
        """
        ends = self._ends
        means = {
            name: np.array([runs[name].mean() for runs in ends]).round(12)
            for name in (self.strategies if self.problems else ())
        }
        return [
            {
                **asdict(test),
                "difference": float((means[test.first] - means[test.second]).mean()),
                "probability": probability,
                "probability_ci95": ci95,
            }
            for test, (probability, ci95) in zip(
                paired_tests(means), improvements(ends) if ends else (), strict=True
            )
        ]

    @cached_property
    def accounts(self) -> Rows:
        """The total cost of each strategy, one row per strategy in the order of `strategies`."""
        return accounts_of(self.strategies, self.problems)

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict: which strategy leads, and whether its lead is significant."""
        return verdict_of(
            self.strategies,
            self.problems,
            skipped=len(self.suite.not_run),
            versions=self.versions,
            seed=self.suite.seed,
        )

    @cached_property
    def chances(self) -> tuple[dict[str, float], dict[str, float]]:
        """The probability that each strategy is the best on these problems, and on similar
        problems. Strategies that tie for the best share the probability.
        """
        names = self.strategies
        if self.verdict.end is None:
            equal = dict.fromkeys(names, 1 / len(names))
            return equal, equal
        elsewhere = decide(
            ends_of(names, self.problems), [p.space for p in self.problems]
        )
        return self.verdict.end.chances, elsewhere.chances

    @cached_property
    def summary(self) -> Row:
        """Return the whole result as an object that can be written as JSON."""
        return {
            "suite": self.suite.name,
            "problems": [
                {
                    **p.described,
                    "name": p.name,
                    "seed_policy": p.problem.seed_policy,
                    "budget": {
                        "cells": p.problem.budget,
                        "seconds": p.problem.budget_seconds,
                    },
                    "noise": p.noise,
                    "overtuning": {
                        name: {
                            "share": overtuned[0],
                            "mean_regret_lost": overtuned[1] / p.reference.scale,
                        }
                        for name in self.strategies
                        if (overtuned := p.overtuning(name)) is not None
                    }
                    or None,
                }
                for p in self.problems
            ],
            "not_run": self.suite.not_run_rows,
            "strategies": self.strategy_rows(),
            "tests": {"pairs": self.pairs},
            "verdict": self.verdict.to_json(),
            "failures": self.failures,
            **({MERGED: list(self.merged)} if self.merged else {}),
        }

    @property
    def failures(self) -> list[str]:
        """The error messages of all failed runs, with the names of their problems."""
        return [
            f"{p.name}: {trace.failure}"
            for p in self.problems
            for traces in p.traces.values()
            for trace in traces
            if trace.failure
        ]


def suite_of(
    suite: Suite, comparisons: Mapping[str, Comparison], folder: Path | None = None
) -> SuiteResult:
    """Build the result of a finished or unfinished suite. `comparisons` maps the name of each
    problem that has a run to its comparison.

    A problem counts if every strategy that has a run on any problem has a run on this problem.
    """
    runs = [run for comparison in comparisons.values() for run in comparison.runs]
    begun = {run.strategy for run in runs}
    n_asked = len(suite.problems) * sum(entry.runs for entry in suite.entries)
    suite = replace(
        suite, entries=[entry for entry in suite.entries if entry.label in begun]
    )
    results = []
    not_run = {}
    for problem in suite.problems:
        comparison = comparisons.get(problem.name)
        if comparison is None or {run.strategy for run in comparison.runs} != begun:
            not_run[problem.name] = "Not every strategy has a run on it."
            continue
        traces = comparison.traces(problem.run_budget)
        results.append(
            ProblemResult.of(
                problem,
                comparison.objective,
                suite.labels,
                traces,
                comparison.description,
            )
        )
    versions = [study.description.get("versions", {}) for study in comparisons.values()]
    return SuiteResult(
        suite=replace(suite, not_run=not_run),
        problems=results,
        versions=most_versions(versions),
        comparisons={
            name: study for name, study in comparisons.items() if study.strategies
        },
        missing=n_asked - len(runs),
        folder=folder,
    )


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        key: The name of the column in JSON and CSV.
        head: The heading of the column; `key` by default.
        small: The second line of the heading.
        show: The function that formats a value for a page or a terminal. The value None is shown as
            a dash.
        best: The function `min` or `max`, if the column compares strategies; otherwise None.
        where: Where the column is shown, as words: ``page``, ``terminal`` (which includes
            notebooks) and ``file``.
    """

    key: str
    head: str = ""
    small: str = ""
    show: Callable[[Any], str] = str
    best: Callable[[Iterable[float]], float] | None = None
    where: str = "page file"

    @property
    def title(self) -> str:
        """The heading of the column on one line."""
        head = self.head or self.key.replace("_", " ")
        return f"{head}, {self.small}" if self.small else head

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the formatted value of this column in a row."""
        return NOTHING if row[self.key] is None else self.show(row[self.key])


class Table(NamedTuple):
    """A table of a suite: a function that returns its rows, and its columns."""

    make: Callable[[SuiteResult], Rows]
    columns: Sequence[Column]

    def shown(self, where: str, strategies: Sequence[str]) -> list[Column]:
        """Return the columns that are shown on a page, on a terminal or in a file. A column that
        stands for all strategies is replaced by one column per strategy.
        """
        shown = []
        for column in self.columns:
            if where in column.where.split():
                names = strategies if column.key == _EACH else ()
                shown += [column._replace(key=name, head=name) for name in names] or [
                    column
                ]
        return shown

    def texts(
        self, result: SuiteResult, where: str
    ) -> tuple[list[str], list[list[str]]]:
        """Return the headings and the formatted rows as shown on a page, on a terminal or in a
        file.
        """
        columns = self.shown(where, result.strategies)
        rows = [[column.text(row) for column in columns] for row in self.make(result)]
        return [column.title for column in columns], rows

    def rows(self, result: SuiteResult) -> Rows:
        """Return the rows of the table as written to CSV files."""
        keys = [column.key for column in self.shown("file", result.strategies)]
        return [{key: row[key] for key in keys} for row in self.make(result)]

    def best(self, rows: Rows) -> set[tuple[int, str]]:
        """Return the positions (row, column) of the best entries, where strategies are compared and
        differ.
        """
        own = {column.key for column in self.columns}
        best: set[tuple[int, str]] = set()
        for column in self.columns:
            if column.best is None or "file" not in column.where:
                continue
            lines = [[(i, column.key) for i in range(len(rows))]]
            if column.key == _EACH:
                lines = [
                    [(i, key) for key in rows[i] if key not in own] for i, _ in lines[0]
                ]
            for line in lines:
                values = {(i, key): rows[i][key] for i, key in line}
                finite = {
                    v for v in values.values() if v is not None and np.isfinite(v)
                }
                if len(finite) > 1:
                    end = column.best(finite)
                    best |= {entry for entry, value in values.items() if value == end}
        return best

    def latex(self, result: SuiteResult) -> str:
        """Return the table as a ``tabular`` with the best entries in bold, four digits, and a dash
        for missing values.
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
                rf"\textbf{{{_rounded(value)}}}"
                if (i, key) in best
                else _rounded(value)
                for key, value in row.items()
            ]
            for i, row in enumerate(rows)
        ]
        titles = [escaped(column.title) for column in columns]
        kinds = "".join("lr"[is_number] for is_number in numeric)
        return "\n".join([*tabular(kinds, titles, lines), ""])


def digits(n: int) -> Callable[[Any], str]:
    """Return a function that formats a number with `n` decimals."""
    return partial(fixed, decimals=n)


def _problems(result: SuiteResult) -> Rows:
    return [
        {
            **p.described,
            "problem": p.name,
            "budget": p.checkpoints[-1],
            "unit": p.unit,
            "seeds": p.problem.seed_policy or "mean",
            "seed noise": p.noise,
        }
        for p in result.problems
    ]


def _regret(result: SuiteResult) -> Rows:
    rows = zip(result.problems, result.means().to_numpy().tolist(), strict=True)
    return [
        {
            "problem": p.name,
            **dict(zip(result.strategies, row, strict=True)),
            "seed noise": p.noise,
        }
        for p, row in rows
    ]


def _runtime(result: SuiteResult) -> Rows:
    return [
        {"problem": p.name, "unit": p.unit, "target": target}
        | {name: expected_runtime(p, name, target) for name in result.strategies}
        for p in result.problems
        for target in MARKED
    ]


def _pairs(result: SuiteResult) -> Rows:
    rows = []
    for pair in result.pairs:
        low, high = pair["probability_ci95"] or (None, None)
        ends = {
            "probability of improvement": pair["probability"],
            "low": low,
            "high": high,
        }
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
            Column(
                "exact", "scale", "of a table", lambda value: "yes" if value else "no"
            ),
            Column("seed noise", "seed noise", "as regret", digits(3)),
            Column("fingerprint", where="page"),
        ),
    ),
    "strategies": Table(
        SuiteResult.strategy_rows,
        (
            Column("name", "strategy", where=_EVERYWHERE),
            Column("rank_mean", "mean rank", "", digits(2), min, _EVERYWHERE),
            Column("solved", "optimum found", "", share, max, _EVERYWHERE),
            Column("regret_iqm", "regret", "IQM", digits(3), min, _EVERYWHERE),
            Column(
                "regret_ci95",
                "regret",
                "95 % interval",
                lambda ends: " – ".join(fixed(end, 3) for end in ends) or NOTHING,
                where="page",
            ),
            Column("regret_mean", "regret", "mean", digits(3), min),
            Column("regret_median", "regret", "median", digits(3), min),
            Column(
                "probability_best_here",
                "probability best",
                "here",
                digits(2),
                max,
                _EVERYWHERE,
            ),
            Column(
                "probability_best", "probability best", "other problems", digits(2), max
            ),
            Column("failures", "failed runs", where=_EVERYWHERE),
            Column("no_feasible_cell", "no feasible cell", "runs", where="page"),
            Column("real_seconds", "real seconds", "", quantity, where="terminal"),
        ),
    ),
    "regret": Table(
        _regret,
        (
            Column("problem"),
            Column(_EACH, show=digits(2), best=min),
            Column("seed noise", show=digits(2), where="page"),
        ),
    ),
    "runtime": Table(
        _runtime,
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
                _EACH,
                show=lambda n: quantity(n) if np.isfinite(n) else "never",
                best=min,
            ),
        ),
    ),
    "pairs": Table(
        _pairs,
        (
            Column("first"),
            Column("second"),
            Column("wins", "problems", "better"),
            Column("ties", "problems", "equal"),
            Column("losses", "problems", "worse"),
            Column(
                "effect",
                "effect",
                "rank-biserial",
                lambda e: f"{e:+.2f}".replace("-", "−"),
            ),
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
            Column("queries", show=quantity),
            Column("simulated_seconds", "time", "simulated, s", quantity),
            Column("real_seconds", "time", "in all, s", quantity),
            Column("strategy_seconds", "time", "strategy, s", quantity),
        ),
    ),
}
"""The tables of a suite by the names of their files. Accounts list the cost of a strategy. Pairs
only describe. Running times are infinite if no run reached the target.
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
    # a row that begins with one would lend it to the line break before
    | {
        "[": "{[}",
        "]": "{]}",
    }
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
    """Write every table atomically as ``NAME.csv`` and ``NAME.tex``."""
    for name, table in TABLES.items():
        write_whole(folder / f"{name}.csv", as_csv(table.rows(result)))
        write_whole(folder / f"{name}.tex", table.latex(result))


def as_csv(rows: Rows) -> str:
    """Return a table as CSV, with all digits and empty fields for missing values."""
    from pandas import DataFrame

    text: str = DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n")
    return text


def tabular(
    columns: str,
    heads: Iterable[str],
    rows: Iterable[Iterable[str]],
) -> list[str]:
    """Return the lines of a ``tabular`` for the package booktabs. The texts must be escaped."""
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
    """Escape a text for LaTeX, on one line. A letter that LaTeX's fonts lack is replaced by its
    Unicode code point.

    Example:
        >>> escaped("bo_epochs(n=5) & 100 % --x 字")
        'bo\\\\_epochs(n=5) \\\\& 100 \\\\% -{}-x {[}U+5B57{]}'
    """
    line = re.sub("-(?=-)", f"-{_KEPT_APART}", " ".join(text.split()))
    return _UNSET.sub(lambda letter: f"[U+{ord(letter[0]):04X}]", line).translate(
        _ESCAPED
    )


def _rounded(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return escaped(NOTHING)
    return f"{value:.4g}" if isinstance(value, float) else escaped(str(value))
