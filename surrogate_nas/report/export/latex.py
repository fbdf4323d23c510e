"""Tables as papers print them: the best in bold, significantly worse strategies marked.

Significance is the verdict's (`surrogate_nas.study.decision`); the table of pairs is descriptive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surrogate_nas.core.numbers import (
    NOTHING,
    budget_in_words,
    decimals_for,
    fixed,
    p_value,
    plural,
    some_of,
)
from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.reading import (
    TABLES,
    Comparison,
    LambdaPath,
    Source,
    StudyResult,
    SuiteResult,
    Values,
    as_latex,
    best_of,
    bold,
    escaped,
    results_of,
    tabular,
)

_WORSE = r"$^{\dagger}$"
_NOWHERE = -1.0
"""The rank key of a strategy without a mean."""
_MARKS = (
    rf"Best mean in bold, second underlined; {_WORSE}: significantly worse than the leader (exact"
    r" signed-rank test of "
    r"paired runs under random signs, 5\,\% for all rivals together, and a 95\,\% interval of the"
    r" mean difference "
    r"above 0)."
)
_NO_WIDER_THAN_THE_PAGE = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def write_latex(source: Source, out: str | Path) -> list[Path]:
    """Write the tables; each file is whole or as it was before.

    Args:
        source: A results folder, or a comparison. Of a comparison ``summary.tex`` and
            ``tests.tex``; of a suite or a path over λ these of each part, and ``regret.tex`` over
            all of them; of a suite the tables of its report too, as ``suite-NAME.tex``.

    Raises:
        UserError: There is nothing to export, or the folder cannot be written.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     print((write_latex(made, folder)[0]).read_text().splitlines()[-4])
        \\bottomrule
    """
    result = results_of(source)
    out = Path(out)
    texts: dict[str, str] = {}
    if result.problems and not isinstance(result, Comparison):
        texts["regret"] = str(_regret(result))
    for comparison in result.comparisons.values():
        folder = f"{comparison.problem}/" if comparison.problem else ""
        texts[f"{folder}summary"] = str(_summary(result, comparison))
        if comparison.tests:
            texts[f"{folder}tests"] = str(_tests(result, comparison))
    if isinstance(result, SuiteResult) and result.problems:
        for name, table in TABLES.items():
            rows = table(result)
            texts[f"suite-{name}"] = as_latex(rows, best_of(name, rows))
    return [write_whole(out / f"{name}.tex", text) for name, text in texts.items()]


def _summary(result: StudyResult, comparison: Comparison) -> _Tabular:
    """One row per strategy."""
    entries = {entry["name"]: entry for entry in comparison.to_json()["strategies"]}
    scores: list[float] = []
    for name in comparison.strategies:
        scores += comparison.scores(name).tolist()
    decimals = decimals_for(scores)
    means = _ranked({name: entry["score"]["mean"] for name, entry in entries.items()}, decimals)
    worse = _worse(comparison)
    heads = [
        "Strategy",
        "Runs",
        "Score, mean",
        "Std",
        "IQM",
        r"95\,\% interval of mean",
        "Regret, mean",
    ]
    rows = [
        [
            escaped(name),
            some_of(entry["feasible_runs"], entry["runs"]),
            means[name] + (_WORSE if name in worse else ""),
            *_spread(entry, decimals),
            escaped(fixed(entry["regret"]["mean"], decimals)),
        ]
        for name, entry in entries.items()
    ]
    caption = f"{_what_was_compared(comparison)} {_what_score_is(comparison)} {_MARKS}"
    return _Tabular(_label(result, comparison.problem, "summary"), caption, heads, rows)


def _spread(entry: Mapping[str, Any], decimals: int) -> list[str]:
    """Deviation, interquartile mean and interval; dashes where one run has none of them."""
    if entry["feasible_runs"] < 2:
        return [escaped(NOTHING)] * 3
    score = entry["score"]
    values = [score["std"], score["iqm"], *score["ci95"]]
    std, iqm, low, high = (escaped(fixed(value, decimals)) for value in values)
    return [std, iqm, f"{low} -- {high}"]


def _ranked(means: Mapping[str, float | None], decimals: int) -> dict[str, str]:
    """The printed means: those equal to the best in bold, the next underlined."""
    places = sorted({round(mean, 12) for mean in means.values() if mean is not None})
    styles = dict(zip(places, (bold, underlined), strict=False))
    return {
        name: styles.get(_NOWHERE if mean is None else round(mean, 12), str)(
            escaped(fixed(mean, decimals))
        )
        for name, mean in means.items()
    }


def _worse(comparison: Comparison) -> set[str]:
    """The strategies that are significantly worse than the leader."""
    end = comparison.verdict.end
    return set() if end is None else {rival.name for rival in end.worse}


def _tests(result: StudyResult, comparison: Comparison) -> _Tabular:
    """One row per pair."""
    heads = ["First", "Second", "Better", "Equal", "Worse", "Effect", "$p$", "$p$, Holm"]
    rows = [
        [
            escaped(test.first),
            escaped(test.second),
            *map(str, (test.wins, test.ties, test.losses)),
            escaped(fixed(test.effect, 2)),
            escaped(p_value(test.p)),
            escaped(p_value(test.p_holm)),
        ]
        for test in comparison.tests
    ]
    caption = (
        f"{_what_was_compared(comparison)} Paired runs in which the first is better, equal and"
        " worse; effect: matched-pairs rank-biserial correlation; Wilcoxon's signed-rank test,"
        " two-sided, and after Holm's correction over all pairs. Descriptive only; see the verdict"
        " for significance."
    )
    return _Tabular(_label(result, comparison.problem, "tests"), caption, heads, rows, texts=2)


def _regret(result: StudyResult) -> _Tabular:
    """A row per problem or λ and a column per strategy."""
    is_path = isinstance(result, LambdaPath)
    samples = _of_steps(result) if is_path else _of_problems(result)
    rows = []
    names = list(dict.fromkeys(name for sample in samples.values() for name in sample))
    for problem, comparison in result.comparisons.items():
        if problem in samples:
            key = comparison.key
            head = f"{key:g}" if isinstance(key, float) else problem
            row = _row(names, samples[problem], _worse(comparison))
            rows.append([escaped(head), *row])
    if not isinstance(result, LambdaPath):
        caption = (
            "Mean normalised regret (0: the optimum, 1: what random sampling is expected to reach)."
        )
    else:
        caption = rf"Mean regret at every $\lambda$ of {escaped(result.expression)}."
    runs = max(len(sample) for of_part in samples.values() for sample in of_part.values())
    heads = [r"$\lambda$" if is_path else "Problem", *map(escaped, names)]
    caption_with_marks = f"{caption} Up to {plural(runs, 'run')} of each strategy. {_MARKS}"
    return _Tabular(_label(result, "", "regret"), caption_with_marks, heads, rows)


def _row(
    names: Sequence[str],
    samples: Mapping[str, Values],
    worse: set[str],
) -> list[str]:
    decimals = decimals_for([value for sample in samples.values() for value in sample])
    means = _ranked(
        {name: float(sample.mean()) for name, sample in samples.items() if len(sample)}, decimals
    )
    return [means.get(name, escaped(NOTHING)) + (_WORSE if name in worse else "") for name in names]


def _of_problems(result: StudyResult) -> dict[str, dict[str, Values]]:
    """By problem and strategy the normalised regret of each run."""
    samples = {}
    for problem in result.problems:
        samples[problem.name] = {name: problem.at(name) for name in problem.traces}
    return samples


def _of_steps(result: StudyResult) -> dict[str, dict[str, Values]]:
    """By λ and strategy the regret of each run."""
    samples = {}
    for problem, comparison in result.comparisons.items():
        optimum = comparison.optimum or 0.0
        samples[problem] = {
            name: comparison.scores(name) - optimum for name in comparison.strategies
        }
    return samples


def _what_was_compared(comparison: Comparison) -> str:
    """What was compared: the objective, the benchmark, the budget and the runs."""
    description = comparison.description
    benchmark = comparison.objective.benchmark
    spent = budget_in_words(description["budget"], benchmark.cost)
    runs = plural(description["runs"], "run")
    text = f"{comparison.objective} on {benchmark.name}, {spent} a run, {runs}."
    return escaped(text.replace("<=", "≤").replace(">=", "≥"))


def _what_score_is(comparison: Comparison) -> str:
    if comparison.objective.parts > 1:
        return "Score: the share of the front's hypervolume that is missed."
    return r"Score: $L + \lambda R$, lower is better."


def _label(result: StudyResult, problem: str, table: str) -> str:
    words = [result.name, problem, table] if problem else [result.name, table]
    return _UNSAFE.sub("-", "-".join(words)).strip("-")


def underlined(content: str) -> str:
    """Set with a line below."""
    return rf"\underline{{{content}}}"


@dataclass(frozen=True)
class _Tabular:
    """A table with its caption, all of it escaped."""

    label: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1

    def __str__(self) -> str:
        """The whole table environment; it needs the packages booktabs and graphicx."""
        columns = "l" * self.texts + "r" * (len(self.heads) - self.texts)
        return "\n".join(
            [
                "% \\usepackage{booktabs,graphicx}",
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{self.caption}}}",
                rf"\label{{tab:{self.label}}}",
                _NO_WIDER_THAN_THE_PAGE,
                *tabular(columns, self.heads, self.rows),
                "}",
                r"\end{table}",
                "",
            ]
        )


EXPORT = Format(write_latex, "latex", "The tables need \\usepackage{{booktabs,graphicx}}.")
