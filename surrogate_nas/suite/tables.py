"""Every table of a suite as a data frame, and all of them as CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.files import replacing
from surrogate_nas.suite.profile import MARKED, expected_runtime
from surrogate_nas.suite.result import SuiteResult

if TYPE_CHECKING:
    import pandas

_DIGITS = "%.4g"


def problems(result: SuiteResult) -> pandas.DataFrame:
    """One row a problem: what was asked, and what regret is measured in.

    Args:
        result: What the suite has found.
    """
    return _frame(
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
    )


def strategies(result: SuiteResult) -> pandas.DataFrame:
    """One row a strategy, the best rank first.

    Args:
        result: What the suite has found.
    """
    keys = ("name", "rank_mean", "solved", "regret_iqm", "regret_mean", "regret_median", "probability_best_here",
            "probability_best", "failures")  # fmt: skip
    return _frame({key: told[key] for key in keys} for told in result.summary["strategies"])


def regret(result: SuiteResult) -> pandas.DataFrame:
    """Mean normalised regret, problem × strategy: 0 the optimum, 1 random sampling.

    Args:
        result: What the suite has found.
    """
    rows = zip(result.problems, result.means().tolist(), strict=True)
    return _frame({"problem": p.name} | dict(zip(result.strategies, row, strict=True)) for p, row in rows)


def runtime(result: SuiteResult) -> pandas.DataFrame:
    """Expected running time until three targets, in the unit of each problem's budget; infinite where no run got there.

    Args:
        result: What the suite has found.
    """
    return _frame(
        {
            "problem": p.name,
            "unit": p.unit,
            "target": target,
            **{name: expected_runtime(p, name, target) for name in result.strategies},
        }
        for p in result.problems
        for target in MARKED
    )


def reached(result: SuiteResult) -> pandas.DataFrame:
    """The share of runs that reached three targets, problem × strategy.

    Args:
        result: What the suite has found.
    """
    return _frame(
        {
            "problem": p.name,
            "target": target,
            **{name: float(np.isfinite(p.runtimes(name, target)).mean()) for name in result.strategies},
        }
        for p in result.problems
        for target in MARKED
    )


def pairs(result: SuiteResult) -> pandas.DataFrame:
    """One row a pair: tests over problems and over runs, and the probability of improvement.

    Args:
        result: What the suite has found.
    """
    return _frame(
        {
            **asdict(pair.test),
            "difference": pair.difference,
            "detectable": pair.detectable,
            "detectable here": pair.detectable_here,
            "significantly better on": len(pair.better),
            "significantly worse on": len(pair.worse),
            "probability of improvement": improved.probability,
            "low": improved.low,
            "high": improved.high,
        }
        for pair, improved in zip(result.pairs, result.improvements, strict=True)
    )


def critical(result: SuiteResult) -> pandas.DataFrame:
    """Average ranks at the shares of the budget, with Friedman's p and Nemenyi's critical difference.

    Args:
        result: What the suite has found.
    """
    return _frame(
        {"budget": one.fraction, "p": one.p, "critical difference": one.distance}
        | dict(zip(result.strategies, one.ranks.tolist(), strict=True))
        for one in result.critical
    )


def accounts(result: SuiteResult) -> pandas.DataFrame:
    """One row a strategy: what it spent.

    Args:
        result: What the suite has found.
    """
    return _frame(asdict(account) for account in result.accounts)


TABLES: dict[str, Callable[[SuiteResult], pandas.DataFrame]] = {
    "problems": problems,
    "strategies": strategies,
    "regret": regret,
    "runtime": runtime,
    "reached": reached,
    "pairs": pairs,
    "critical": critical,
    "accounts": accounts,
}
"""All tables by the names of their files."""


def write_tables(result: SuiteResult, folder: Path) -> None:
    """Write every table as ``NAME.csv`` and ``NAME.tex``; each file is whole or as it was before.

    Args:
        result: What the suite has found.
        folder: Where to write; made if it is missing.

    Raises:
        UserError: The folder cannot be written.
    """
    for name, table in TABLES.items():
        frame = table(result)
        for suffix, text in (("csv", frame.to_csv(index=False)), ("tex", as_latex(frame))):
            with replacing(folder / f"{name}.{suffix}") as temporary:
                temporary.write_text(text, encoding="utf-8")


def as_latex(frame: pandas.DataFrame) -> str:
    """A table as LaTeX, with booktabs.

    Args:
        frame: Of this file.
    """
    return str(frame.to_latex(index=False, escape=True, na_rep="–", float_format=_DIGITS.__mod__))


def _frame(rows: Any) -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame(list(rows))
