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
    return _merged(comparisons, _names({"": comparisons}))


def merged_suites(
    suites: Mapping[Path, SuiteRuns],
) -> tuple[Suite, Mapping[str, Comparison], Sequence[str]]:
    """One suite of the problems that several folders all hold, and lines on whose runs are in it
    and which problems do not count.
    """
    suite, comparisons = next(iter(suites.values()))
    problems = {}
    left_out = []
    for name in [problem.name for problem in suite.problems]:
        shared = {f: runs[name] for f, (_, runs) in suites.items() if name in runs}
        wrong = [f"{f.name} has no run of it" for f in suites if f not in shared] or [
            f"of {folder.name}: {difference}"
            for folder, comparison in shared.items()
            if (difference := _differs(comparisons[name], comparison))
        ]
        if wrong:
            left_out.append(f"{name} does not count, {wrong[0]}.")
        else:
            problems[name] = shared
    if not problems:
        raise UserError(
            f"{' and '.join(map(str, suites))} hold no problem in common: {left_out[0]}"
        )
    names = _names(problems)
    runs: dict[str, int] = {}
    for folder, (asked, _) in suites.items():
        for entry in asked.entries:
            name = names.get((folder, entry.label), "")
            runs[name] = max(entry.runs, runs.get(name, 0))
    suite = replace(
        suite,
        problems=[problem for problem in suite.problems if problem.name in problems],
        entries=[Entry(name, runs[name]) for name in dict.fromkeys(names.values())],
    )
    charged = [line for name, shared in problems.items() for line in _charged(shared, name)]
    merged = {name: _merged(shared, names) for name, shared in problems.items()}
    return suite, merged, [*_origins(names), *charged, *left_out]


def _origins(names: _Names) -> list[str]:
    lines = []
    folders = list(dict.fromkeys(folder for folder, _ in names))
    known = {name for (folder, _), name in names.items() if folder == folders[0]}
    for folder in folders:
        if archive := origin_of(folder):
            own = [name for (f, _), name in names.items() if f == folder]
            new = ", ".join(name for name in own if name not in known)
            lines.append(f"{new or 'Nothing new'}: from {archive.origin}.")
    return lines


def _differs(first: Comparison, second: Comparison) -> str:
    mine, its = (f"{c.objective} on {c.objective.benchmark.name}" for c in (first, second))
    prints = second.objective.fingerprint, first.objective.fingerprint
    in_words = f"(fingerprints {' and '.join(prints)})"
    if mine != its:
        return f"{its} is another question than {mine} {in_words}"
    if prints[0] != prints[1]:
        return f"its data or conventions are others {in_words}"
    options, others = first.description, second.description
    # what an evaluation is charged decides which ones a run makes
    in_time = options["budget"]["seconds"] or options.get("simulated_workers", 1) > 1
    if in_time and (otherwise := _charged_otherwise(first, second)):
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
    lengths = {epochs_text(None), epochs_text(first.objective.epochs)}
    mine, its = (
        {
            name: [recorded[name].get(length) for length in lengths]
            for name in CHARGED
            if lengths & recorded.get(name, {}).keys()
        }
        for comparison in (first, second)
        for recorded in [(comparison.description.get("data") or {}).get("runs", {})]
    )
    if mine and its:
        for name in sorted(mine | its):
            if mine.get(name) != its.get(name):
                how = "with" if name not in mine else "without"
                return f"{how if name not in its or how == 'with' else 'by another'} {name}"
    return ""


def _charged(comparisons: Mapping[Path, Comparison], problem: str = "") -> list[str]:
    first = next(iter(comparisons.values()))
    on = f" on {problem}" if problem else ""
    return [
        f"Evaluations of {folder.name}{on} are charged {otherwise}: compare by evaluations, not by"
        " seconds."
        for folder, comparison in comparisons.items()
        if (otherwise := _charged_otherwise(first, comparison))
    ]


def _in_words(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    amounts = {unit: amount for unit, amount in value.items() if amount is not None}
    return " and ".join(f"{amount:g} {unit}" for unit, amount in amounts.items())


def _names(problems: Mapping[str, Mapping[Path, Comparison]]) -> _Names:
    """What every strategy of every folder is called: with its folder where two differ."""
    folders = list(next(iter(problems.values())))
    is_short = len({folder.name for folder in folders}) == len(folders)
    names: _Names = {}
    trials: dict[tuple[str, str, int], list[tuple[Cell, float]]] = {}
    differing = set()
    for problem, comparisons in problems.items():
        for folder, comparison in comparisons.items():
            for label in comparison.description["strategies"]:
                names[folder, label] = f"{label} of {folder.name if is_short else folder}"
            for run in comparison.runs:
                scores = [(trial.cell, trial.score) for trial in run.trials]
                if trials.setdefault((problem, run.strategy, run.run), scores) != scores:
                    differing.add(run.strategy)
    return {key: name if key[1] in differing else key[1] for key, name in names.items()}


def _merged(comparisons: Mapping[Path, Comparison], names: _Names) -> Comparison:
    runs: dict[tuple[str, int], Run] = {}
    labels = []
    numbers = set[int]()
    for folder, comparison in comparisons.items():
        labels += [names[folder, name] for name in comparison.description["strategies"]]
        numbers.update(numbers_of(comparison.description))
        for run in comparison.runs:
            name = names[folder, run.strategy]
            runs.setdefault((name, run.run), replace(run, strategy=name))
    first = next(iter(comparisons.values()))
    description = {key: value for key, value in first.description.items() if key != NUMBERS}
    description |= {"strategies": list(dict.fromkeys(labels)), **numbered(numbers)}
    description[MERGED] = [*_origins(names), *_charged(comparisons)]
    order = [
        runs[key] for key in sorted(runs, key=lambda key: (labels.index(key[0]), key[1]))
    ]
    return replace(first, description=description, runs=order)
