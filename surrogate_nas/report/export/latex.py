"""LaTeX tables for papers, in which the best mean is bold and significantly worse strategies are
marked.

Significance is tested as in the verdict (`surrogate_nas.stats.decision`).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from surrogate_nas.core import (
    NOTHING,
    budget_in_words,
    decimals_for,
    fixed,
    plural,
    some_of,
)
from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.reading import (
    Comparison,
    LambdaPath,
    Source,
    StudyResult,
    Values,
    escaped,
    results_of,
    tabular,
)

_WORSE = r"$^{\dagger}$"
_MARKS = (
    rf"Best mean in bold, second underlined; {_WORSE}: significantly worse than the leader (exact"
    r" signed-rank test of "
    r"paired runs under random signs, 5\,\% for all rivals together, and a 95\,\% interval of the"
    r" mean difference "
    r"above 0)."
)
_NO_WIDER_THAN_THE_PAGE = (
    r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
)
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def write_latex(source: Source, out: str | Path) -> list[Path]:
    """Write the results as LaTeX tables. Each file is written atomically.

    Args:
        source: A folder of results, or a comparison. A comparison has one table, ``summary.tex``. A
            suite has one ``summary.tex`` per problem, and a path over λ has one per value of λ.
            Both also have ``regret.tex`` over all problems or all λ.

    Raises:
        UserError: There is nothing to export, or the folder is not writable.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> comparison = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     print((write_latex(comparison, folder)[0]).read_text().splitlines()[-4])
        \\bottomrule
    """
    result = results_of(source)
    out = Path(out)
    texts: dict[str, str] = {}
    if result.problems and not isinstance(result, Comparison):
        texts["regret"] = _regret(result)
    for comparison in result.comparisons.values():
        folder = f"{comparison.problem}/" if comparison.problem else ""
        texts[f"{folder}summary"] = _summary(result, comparison)
    return [write_whole(out / f"{name}.tex", text) for name, text in texts.items()]


def _summary(result: StudyResult, comparison: Comparison) -> str:
    entries = {entry["name"]: entry for entry in comparison.to_json()["strategies"]}
    scores: list[float] = []
    for name in comparison.strategies:
        scores += comparison.scores(name).tolist()
    decimals = decimals_for(scores)
    means = _ranked(
        {name: entry["score"]["mean"] for name, entry in entries.items()}, decimals
    )
    worse = _worse(comparison)
    heads = [
        "Strategy",
        "Runs",
        "Score, mean",
        "Std",
        "IQM",
        r"95\,\% interval of mean",
        "Normalised regret, mean",
    ]
    rows = []
    for name, entry in entries.items():
        spread = [escaped(NOTHING)] * 3
        if entry["feasible_runs"] > 1:
            score = entry["score"]
            values = [score["std"], score["iqm"], *score["ci95"]]
            std, iqm, low, high = (escaped(fixed(value, decimals)) for value in values)
            spread = [std, iqm, f"{low} -- {high}"]
        runs = some_of(entry["feasible_runs"], entry["runs"])
        mean = means[name] + (_WORSE if name in worse else "")
        regret = escaped(fixed(entry["normalised_regret"]["mean"], 3))
        rows.append([escaped(name), runs, mean, *spread, regret])
    score = r"Score: $L + \lambda R$, lower is better."
    if comparison.objective.n_objectives > 1:
        score = "Score: the missed share of the front's hypervolume."
    caption = f"{_what_was_compared(comparison)} {score} {_MARKS}"
    return _whole((result.name, comparison.problem, "summary"), caption, heads, rows)


def _ranked(means: Mapping[str, float | None], decimals: int) -> dict[str, str]:
    """Format means: those equal to the best in bold, the next one underlined."""
    ranked = sorted({round(mean, 12) for mean in means.values() if mean is not None})
    styles: dict[float | None, str] = dict(
        zip(ranked, ("textbf", "underline"), strict=False)
    )
    printed = {}
    for name, mean in means.items():
        style = styles.get(None if mean is None else round(mean, 12))
        text = escaped(fixed(mean, decimals))
        printed[name] = rf"\{style}{{{text}}}" if style else text
    return printed


def _worse(comparison: Comparison) -> set[str]:
    end = comparison.verdict.end
    return set() if end is None else {rival.name for rival in end.worse}


def _regret(result: StudyResult) -> str:
    samples: dict[str, dict[str, Values]] = {}
    if isinstance(result, LambdaPath):
        path = escaped(result.expression)
        caption = rf"Mean normalised regret at every $\lambda$ of {path}."
        for problem, comparison in result.comparisons.items():
            samples[problem] = {
                name: comparison.normalised_regrets(name)
                for name in comparison.strategies
            }
    else:
        caption = (
            "Mean normalised regret (0: the optimum, 1: the expected result of random"
            " sampling)."
        )
        for of_problem in result.problems:
            samples[of_problem.name] = {
                name: of_problem.at(name) for name in of_problem.traces
            }
    names = list(dict.fromkeys(name for sample in samples.values() for name in sample))
    rows = []
    for problem, comparison in result.comparisons.items():
        if problem not in samples:
            continue
        sample = samples[problem]
        decimals = decimals_for(
            [value for values in sample.values() for value in values]
        )
        known = {
            name: float(values.mean()) for name, values in sample.items() if len(values)
        }
        means = _ranked(known, decimals)
        worse = _worse(comparison)
        head = f"{comparison.key:g}" if isinstance(comparison.key, float) else problem
        row = [
            means.get(name, escaped(NOTHING)) + (_WORSE if name in worse else "")
            for name in names
        ]
        rows.append([escaped(head), *row])
    runs = max(len(values) for sample in samples.values() for values in sample.values())
    first = r"$\lambda$" if isinstance(result, LambdaPath) else "Problem"
    caption_with_marks = (
        f"{caption} Up to {plural(runs, 'run')} of each strategy. {_MARKS}"
    )
    heads = [first, *map(escaped, names)]
    return _whole((result.name, "regret"), caption_with_marks, heads, rows)


def _what_was_compared(comparison: Comparison) -> str:
    description = comparison.description
    benchmark = comparison.objective.benchmark
    spent = budget_in_words(description["budget"], benchmark.cost_unit)
    runs = plural(description["runs"], "run")
    text = f"{comparison.objective} on {benchmark.name}, {spent} a run, {runs}."
    return escaped(text.replace("<=", "≤").replace(">=", "≥"))


def _whole(
    label: Sequence[str],
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> str:
    """Return a complete table environment. It needs the packages booktabs and graphicx."""
    columns = f"l{'r' * (len(heads) - 1)}"
    lines = [
        "% \\usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{_UNSAFE.sub('-', '-'.join(filter(None, label))).strip('-')}}}",
        _NO_WIDER_THAN_THE_PAGE,
        *tabular(columns, heads, rows),
        "}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


EXPORT = Format(
    write_latex,
    "latex",
    "The tables need \\usepackage{{booktabs,graphicx}}.",
    "tables for a paper (booktabs, graphicx): the best in bold, marks where a strategy is"
    " significantly worse than the leader",
)
