"""Pages of studies while their runs are made, read from their folders.

Nothing is locked, and each line of a run's file is read once. Anybody may have written the files,
so their types are checked.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import budget_in_words, fixed, plural
from surrogate_nas.files import Holder, holder
from surrogate_nas.files.progress import duration
from surrogate_nas.report.curves import Curve, Panel, chart
from surrogate_nas.report.markup import (
    Content,
    Figures,
    Notice,
    Paragraph,
    Section,
    Span,
    Table,
    note,
    strategy,
)
from surrogate_nas.report.page import Header, document
from surrogate_nas.report.picture import HALF, Picture
from surrogate_nas.report.reading import (
    PLAN,
    PROBLEMS,
    Options,
    RunWatch,
    Store,
    ended_by,
    kind_of,
    numbers_of,
    read_plan,
)
from surrogate_nas.report.style import styles

_STATES = ("done", "running", "failed", "to do")
_LINKS = {"report.html": "report", "explore.html": "explorer", "verdict.txt": "verdict"}
_MOST_RUNS = 100_000
_MOST_FAILED = 50


@dataclass
class _Problem:
    """What the folder of a comparison says by now; the description is empty where it is damaged."""

    folder: Path
    writer: Holder | None
    description: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    runs: dict[str, dict[int, RunWatch]] = field(default_factory=dict)

    def state(self, run: RunWatch) -> str:
        if run.damage or (run.end and run.end.failure):
            return "failed"
        if run.end is None:
            return "running" if self.writer and holder(run.path) else "to do"
        budget = self.description["budget"]
        is_spent = (run.end.budget_cells, run.end.budget_seconds) == (
            budget["cells"],
            budget["seconds"],
        )
        is_over = is_spent or ended_by(
            run.trials, run.epochs, Options.read(self.description)
        )
        return "done" if is_over else "to do"

    def counts(self, name: str) -> Counter[str]:
        return Counter(self.state(run) for run in self.runs.get(name, {}).values())


class Pages:
    """Makes the pages of a folder and of those in it.

    Attributes:
        root: The folder, resolved.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     "No results yet" in Pages(Path(folder)).page(Path(folder))
        True
    """

    def __init__(self, root: Path) -> None:
        """Take the outermost folder."""
        self.root = root

    def page(self, folder: Path) -> str | None:
        """The page of a folder of results, or of the root; None for another folder."""
        kind = kind_of(folder)
        if not (kind or folder == self.root):
            return None
        if kind == "comparison":
            problems = [self._problem(folder)]
            title, line, sections = _comparison(problems[0])
        else:
            groups = {
                path: [self._problem(inner) for inner in _inside(path) or [path]]
                for path in _inside(folder)
            }
            problems = [problem for group in groups.values() for problem in group]
            title, line = folder.name, []
            rows: list[list[Content]] = []
            for child, inner in groups.items():
                address = f"{child.relative_to(folder).as_posix()}/"
                link = Span(child.name, "link", None, address)
                rows.append([link, _bar(inner), _status(inner)])
            heads = ["folder", "runs", "state"]
            table = Table(heads, rows, texts=3) if rows else "No results yet."
            sections = [Section("", [table])]
        for file, text in _LINKS.items():
            if (folder / file).is_file():
                line += [" · ", Span(text, "link", None, file)]
        boxes = (
            [Notice("What went wrong:", items=items)] if (items := _wrong(problems)) else []
        )
        status = [Paragraph([_status(problems)]), Paragraph([_bar(problems)])]
        if folder != self.root:
            status.append(Paragraph([Span("all results", "link", None, "/")], note=True))
        return document(
            Header(title, title, line, boxes, status, None), sections, live=True
        )

    def _problem(self, folder: Path) -> _Problem:
        store = Store(folder)
        problem = _Problem(folder, holder(folder))
        try:
            suite = read_plan(folder.parent.parent / PLAN)
            n_runs = {entry.label: entry.runs for entry in suite.entries}
        except UserError:  # it is no problem of a suite
            n_runs = {}
        try:
            description = store.read()
            for name in description["strategies"]:
                numbers = range(n_runs[name]) if name in n_runs else numbers_of(description)
                if numbers[_MOST_RUNS : _MOST_RUNS + 1]:
                    raise UserError(f"{folder} has more than {_MOST_RUNS:,} runs.")
                runs = problem.runs[name] = {}
                for number in numbers:
                    runs[number] = store.watch(name, number)
            problem.description = description
        except UserError as error:
            problem.error = str(error)
        return problem


def _inside(folder: Path) -> list[Path]:
    inside = folder / PROBLEMS if kind_of(folder) else folder
    children = sorted(inside.iterdir()) if inside.is_dir() else []
    return [
        child
        for child in children
        if child.name[0] != "." and not child.is_symlink() and kind_of(child)
    ]


def _bar(problems: Sequence[_Problem]) -> Markup:
    counts = sum(
        (problem.counts(name) for problem in problems for name in problem.runs),
        Counter[str](),
    )
    ended = counts["done"] + counts["failed"]
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    bar = f'<progress max="{counts.total() or 1}" value="{ended}"></progress>'
    return Markup(f"{bar} {counts['done']} of {counts.total()} runs done{failed}")


def _status(problems: Sequence[_Problem]) -> str:
    for writer in (problem.writer for problem in problems if problem.writer):
        since = datetime.fromtimestamp(writer.since)
        passed = duration(max(time.time() - writer.since, 0.0))
        return f"Process {writer.pid} on {writer.host} works since {since:%H:%M}, for {passed}."
    left = sum(
        problem.counts(name)["to do"] for problem in problems for name in problem.runs
    )
    if left:
        return f"No process is at work, and {plural(left, 'run')} did not end. Repeat the command."
    return "All runs have ended."


def _wrong(problems: Sequence[_Problem]) -> list[str]:
    items = []
    for problem in problems:
        items += [problem.error] if problem.error else []
        for name, runs in problem.runs.items():
            for number, run in runs.items():
                if run.damage:
                    items.append(
                        f"{run.path} is damaged: {run.damage}. Delete it and run again."
                    )
                elif run.end and run.end.failure:
                    items.append(run.end.failure)
                for cell, reason in run.failed[: -_MOST_FAILED - 1 : -1]:
                    items.append(
                        f"{name}, run {number}: training {cell:.120}: {reason:.120}"
                    )
    return items


def _comparison(problem: _Problem) -> tuple[str, list[Content], list[Section]]:
    description = problem.description
    if not description:
        return problem.folder.name, [], []
    objective = description["objective"]
    noun = "strategy" if len(problem.runs) == 1 else "strategies"
    title = f"{len(problem.runs)} search {noun} on {description['benchmark']}"
    budget = budget_in_words(description["budget"], objective.get("cost", ""))
    line: list[Content] = ["minimise ", Span(objective["expression"], "code")]
    line.append(f" · at most {budget} per run")
    curves = {}
    if len(objective.get("objectives", ())) < 2:
        curves = {name: _curve(list(runs.values())) for name, runs in problem.runs.items()}
    shown = {name: curve for name, curve in curves.items() if curve is not None}
    sections = []
    if shown:
        panel = Panel("cells", "score", False, shared_until=description["first_cells"])
        draw = partial(chart, shown, styles(problem.runs), panel)
        picture = Picture("cells", "Best score so far over cells", draw, HALF)
        sections.append(Section("So far", [Figures([picture]), note(_CURVES_NOTE)]))
    sections.append(_strategies(problem, list(curves)))
    return title, line, sections


_CURVES_NOTE = (
    "Line: the median over runs of the best feasible score so far, as the searches observed it."
    " Band: the quartiles. The steep start is cut off."
)


def _curve(runs: Sequence[RunWatch]) -> Curve | None:
    """The best scores so far over cells; a finished run keeps its last value."""
    used = [
        run
        for run in runs
        if run.trials and not (run.damage or (run.end and run.end.failure))
    ]
    longest = max((len(run.trials) for run in used), default=0)
    best = np.full((len(used), longest), np.nan)
    for row, run in zip(best, used, strict=True):
        row[: len(run.trials)] = run.best
        if run.end is not None:
            row[len(run.trials) :] = row[len(run.trials) - 1]
    best[np.isinf(best)] = np.nan
    known = np.isfinite(best).any(axis=0)
    if not known.any():
        return None
    ends = np.nanquantile(best[:, known], (0.25, 0.5, 0.75), axis=0).astype(np.float64)
    return Curve(np.flatnonzero(known).astype(np.float64) + 1, ends[1], ends[0], ends[2])


def _strategies(problem: _Problem, with_scores: Sequence[str]) -> Section:
    scored = ("best", "of all runs"), ("median", "of finished runs")
    heads = ["strategy", *_STATES, "evaluations", *scored]
    by_name = styles(problem.runs)
    rows: list[list[Content]] = []
    for name, runs in problem.runs.items():
        counts = problem.counts(name)
        last = {
            run: run.best[-1] for run in runs.values() if run.trials and name in with_scores
        }
        finished = [score for run, score in last.items() if problem.state(run) == "done"]
        scores = [
            min(last.values(), default=np.nan),
            np.median(finished) if finished else np.nan,
        ]
        evaluations = sum(len(run.trials) for run in runs.values())
        row: list[Content] = [strategy(name, by_name[name])]
        row += [str(counts[state]) for state in _STATES]
        row += [f"{evaluations:,}", *(fixed(score, 5) for score in scores)]
        rows.append(row)
    return Section("Strategies", [Table(heads, rows)])
