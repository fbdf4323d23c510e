"""Studies of several folders as one: what all of them hold of one problem, judged together.

Runs of one number start from the same cells in every folder, so they pair as in one study; what was
made of another problem, or with other options, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from surrogate_nas.benchmarks.table import CHARGED
from surrogate_nas.core.errors import UserError
from surrogate_nas.results.archive import origin_of
from surrogate_nas.results.comparison import MERGED, Comparison
from surrogate_nas.runs.beginning import BEGINNING
from surrogate_nas.runs.options import USUAL
from surrogate_nas.runs.problem import Entry, Suite
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.store import NUMBERS, numbered, numbers_of
from surrogate_nas.space import Cell
from surrogate_nas.tables.table import epochs_text

_Names = dict[tuple[Path, str], str]
SuiteRuns = tuple[Suite, Mapping[str, Comparison]]
"""A suite with the runs of each of its problems that has one."""


def merged_comparisons(comparisons: Mapping[Path, Comparison]) -> Comparison:
    """One comparison of what several folders hold."""
    first = next(iter(comparisons))
    for folder, comparison in comparisons.items():
        if differs := _differs(comparisons[first], comparison):
            raise UserError(f"{folder} cannot stand beside {first}: {differs}.")
    return _merged(comparisons, _names([comparisons]))


def merged_suites(
    suites: Mapping[Path, SuiteRuns],
) -> tuple[Suite, Mapping[str, Comparison], Sequence[str]]:
    """One suite of the problems that several folders all hold, and lines on whose runs are in it
    and which problems do not count.
    """
    first, (suite, comparisons) = next(iter(suites.items()))
    problems = []
    left_out = []
    for problem in suite.problems:
        shared = {
            f: runs[problem.name] for f, (_, runs) in suites.items() if problem.name in runs
        }
        wrong = [
            f"{folder.name} has no run of it" for folder in suites if folder not in shared
        ]
        wrong += [
            f"of {folder.name}: {difference}"
            for folder, comparison in shared.items()
            if first in shared
            and (difference := _differs(comparisons[problem.name], comparison))
        ]
        if wrong:
            left_out.append(f"{problem.name} does not count, {wrong[0]}.")
        else:
            problems.append((problem, shared))
    if not problems:
        raise UserError(
            f"{' and '.join(map(str, suites))} hold no problem in common: {left_out[0]}"
        )
    names = _names([by_folder for _, by_folder in problems])
    runs: dict[str, int] = {}
    for folder, (asked, _) in suites.items():
        for entry in asked.entries:
            name = names.get((folder, entry.label), "")
            runs[name] = max(entry.runs, runs.get(name, 0))
    suite = replace(
        suite,
        problems=[problem for problem, _ in problems],
        entries=[Entry(name, runs[name]) for name in dict.fromkeys(names.values())],
    )
    merged = {problem.name: _merged(by_folder, names) for problem, by_folder in problems}
    charged = [
        line
        for problem, by_folder in problems
        for line in _charge_lines(by_folder, problem.name)
    ]
    return suite, merged, [*_origins(names), *charged, *left_out]


def _origins(names: _Names) -> list[str]:
    lines = []
    folders = list(dict.fromkeys(folder for folder, _ in names))
    first = {name for (path, _), name in names.items() if path == folders[0]}
    for folder in folders:
        if (archive := origin_of(folder)) is not None:
            own = [
                name
                for (path, _), name in names.items()
                if path == folder and name not in first
            ]
            lines.append(f"{', '.join(own) or 'Nothing new'}: from {archive.origin}.")
    return lines


def _differs(first: Comparison, second: Comparison) -> str:
    mine, its = (
        f"{comparison.objective} on {comparison.objective.benchmark.name}"
        for comparison in (first, second)
    )
    if mine != its or first.objective.fingerprint != second.objective.fingerprint:
        asked = (
            f"{its} is another question than {mine}"
            if mine != its
            else "its data or conventions are others"
        )
        prints = f"{second.objective.fingerprint} and {first.objective.fingerprint}"
        return f"{asked} (fingerprints {prints})"
    # what an evaluation is charged decides which ones a run makes
    options, others = first.description, second.description
    counts = (
        options["budget"]["seconds"] is not None or options.get("simulated_workers", 1) > 1
    )
    if counts and (otherwise := _charged_otherwise(first, second)):
        return f"its evaluations are charged {otherwise}"
    if options.get(BEGINNING) != others.get(BEGINNING):
        return "it begins with other first or known cells"
    for name in ("budget", *USUAL):
        if options.get(name) != others.get(name):
            its, mine = (_in_words(described.get(name)) for described in (others, options))
            return f"it was made with {name.replace('_', ' ')} {its}, the other with {mine}"
    return ""


def _charged_otherwise(first: Comparison, second: Comparison) -> str:
    """How the second one's evaluations are charged, where that is otherwise and both record it."""
    mine, its = (_charges(comparison) for comparison in (first, second))
    if not mine or not its or mine == its:
        return ""
    if only := sorted({*its} ^ {*mine}):
        return f"{'with' if only[0] in its else 'without'} {only[0]}"
    return f"by another {next(name for name in its if its[name] != mine[name])}"


def _charges(comparison: Comparison) -> dict[str, str]:
    recorded = (comparison.description.get("data") or {}).get("runs", {})
    lengths = (epochs_text(None), epochs_text(comparison.objective.epochs))
    return {
        name: recorded[name][length]
        for name in CHARGED
        for length in lengths
        if length in recorded.get(name, {})
    }


def _charge_lines(comparisons: Mapping[Path, Comparison], problem: str = "") -> list[str]:
    first = next(iter(comparisons.values()))
    on = f" on {problem}" if problem else ""
    return [
        f"Evaluations of {folder.name}{on} are charged {otherwise}: compare by evaluations, not by"
        " seconds."
        for folder, comparison in comparisons.items()
        if (otherwise := _charged_otherwise(first, comparison))
    ]


def _in_words(value: object) -> str:
    if isinstance(value, Mapping):
        return " and ".join(
            f"{amount:g} {unit}" for unit, amount in value.items() if amount is not None
        )
    return str(value)


def _names(problems: Sequence[Mapping[Path, Comparison]]) -> _Names:
    """What every strategy of every folder is called: with its folder where two differ."""
    names: _Names = {}
    folders = list(problems[0])
    is_short = len({folder.name for folder in folders}) == len(folders)
    labels = [
        label
        for folder in folders
        for comparisons in problems
        for label in comparisons[folder].description["strategies"]
    ]
    for label in dict.fromkeys(labels):
        scores = {
            folder: _scores([comparisons[folder] for comparisons in problems], label)
            for folder in folders
            if any(
                label in comparisons[folder].description["strategies"]
                for comparisons in problems
            )
        }
        first, *others = scores.values()
        is_one = all(
            first[key] == other[key] for other in others for key in first.keys() & other
        )
        for folder in scores:
            short = folder.name if is_short else str(folder)
            names[folder, label] = label if is_one else f"{label} of {short}"
    return names


def _scores(
    comparisons: Sequence[Comparison], label: str
) -> dict[tuple[int, int], list[tuple[Cell, float]]]:
    """The cells and scores of a strategy's runs, by problem and number."""
    return {
        (index, run.run): [(trial.cell, trial.score) for trial in run.trials]
        for index, comparison in enumerate(comparisons)
        for run in comparison.runs
        if run.strategy == label
    }


def _merged(comparisons: Mapping[Path, Comparison], names: _Names) -> Comparison:
    runs: dict[tuple[str, int], Run] = {}
    for folder, comparison in comparisons.items():
        for run in comparison.runs:
            name = names[folder, run.strategy]
            runs.setdefault((name, run.run), replace(run, strategy=name))
    first = next(iter(comparisons.values()))
    labels = list(
        dict.fromkeys(
            names[folder, name]
            for folder, part in comparisons.items()
            for name in part.description["strategies"]
        )
    )
    growing = {
        "strategies": labels,
        **numbered(
            {n for part in comparisons.values() for n in numbers_of(part.description)}
        ),
        MERGED: [*_origins(names), *_charge_lines(comparisons)],
    }
    description = {key: value for key, value in first.description.items() if key != NUMBERS}
    return Comparison(
        first.objective,
        description | growing,
        [runs[key] for key in sorted(runs, key=lambda key: (labels.index(key[0]), key[1]))],
        key=first.key,
    )
