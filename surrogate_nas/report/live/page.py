"""Live pages: progress and curves so far, of the blocks that reports are made of."""

from __future__ import annotations

import math
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from markupsafe import Markup, escape

from surrogate_nas.core.numbers import budget_in_words, clock, fixed, plural
from surrogate_nas.report.curves import Curve, Panel, chart, visible_range
from surrogate_nas.report.live.progress import (
    RUN_STATES,
    FolderProgress,
    ProblemProgress,
    StrategyProgress,
    counts_of,
)
from surrogate_nas.report.live.router import REPORT, Router
from surrogate_nas.report.live.training import failed_trainings, in_training
from surrogate_nas.report.markup import (
    Column,
    Content,
    Figures,
    Notice,
    Paragraph,
    Section,
    Span,
    Table,
    note,
    render,
    strategy,
)
from surrogate_nas.report.picture import HALF, Picture
from surrogate_nas.report.reading import kind_of
from surrogate_nas.report.style import Style, styles

PATIENCE_SECONDS = 1.0
_MOMENT_SECONDS = 5
_SMALL_WIDTH = 400.0
_SMALL_HEIGHT = 230.0
_HEIGHT = 320.0
_ALWAYS_COUNTED = ("done", "running", "failed", "missing")


@dataclass(frozen=True)
class Status:
    """Whether runs are being made, in a word and a sentence, since when, and how many there are."""

    short: str
    sentence: str
    since: str
    counts: Mapping[str, int]

    @property
    def counted(self) -> list[tuple[str, str, int]]:
        """The states of runs to show, each with its word and its number of runs."""
        words = {"halted": "interrupted", "missing": "to do"}
        shown = [state for state in RUN_STATES if self.counts[state] or state in _ALWAYS_COUNTED]
        return [(state, words.get(state, state), self.counts[state]) for state in shown]


@dataclass(frozen=True)
class LivePage:
    """A page.

    Attributes:
        title: Its heading.
        line: Facts and links below the heading.
        boxes: What a reader must see first.
        status: Of a comparison or a suite.
        sections: Curves and tables.
        is_partial: Whether there is more to read, so that the page soon changes.
    """

    title: str
    line: list[Content] = field(default_factory=list)
    boxes: list[Notice] = field(default_factory=list)
    status: Status | None = None
    sections: list[Section] = field(default_factory=list)
    is_partial: bool = False

    def html(self, router: Router, folder: Path) -> str:
        """The whole document."""
        return render("live.html", page=self, is_root=folder == router.root)


class Pages:
    """Pages of a served folder, written again where they are asked for.

    Attributes:
        router: Where everything lies.
        patience_seconds: How long an answer waits until a folder is read; then it shows what is
            known so far, and the reading goes on.
    """

    def __init__(self, router: Router, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Take the folder that is served; nothing is read yet."""
        self.router = router
        self.patience_seconds = patience_seconds
        self._folders: dict[Path, _Folder] = {}
        self._readers: dict[Path, threading.Thread] = {}

    def page(self, path: str) -> str | None:
        """The document of an address; None where there is none."""
        folder = self.router.find(path)
        if folder is None:
            return None
        if kind_of(folder):
            known = self.folder(folder)
            self._read(folder, known.write)
            return known.page
        if not path:
            inside = [self.folder(one) for one in self.router.results]
            self._read(folder, partial(_refresh_all, inside))
            page = _index_page([one.progress for one in inside], self.router)
            return page.html(self.router, folder)
        return None

    def folder(self, folder: Path) -> _Folder:
        """What is known of a folder of results."""
        known = self._folders.get(folder)
        if known is None:
            # Two threads may both make one; all go on with the first.
            known = self._folders.setdefault(folder, _Folder(folder, self.router))
        return known

    def _read(self, folder: Path, read: Callable[[], None]) -> None:
        """Read in a thread, one at a time for each folder, and wait for it for a while."""
        reader = self._readers.get(folder)
        if reader is None or not reader.is_alive():
            reader = threading.Thread(target=read, daemon=True)
            self._readers[folder] = reader
            reader.start()
        reader.join(self.patience_seconds)


class _Folder:
    """A folder of results, and its page, which is written again where the progress changed."""

    def __init__(self, folder: Path, router: Router) -> None:
        self.router = router
        self.lock = threading.Lock()
        self.progress = FolderProgress(folder)
        reading = Notice("Reading this folder.", "Its progress follows.", bad=False)
        self.page = LivePage(folder.name, boxes=[reading], is_partial=True).html(router, folder)
        self._shown: object = None

    def refresh(self) -> None:
        with self.lock:
            self.progress.refresh()

    def write(self) -> None:
        with self.lock:
            progress = self.progress
            progress.refresh()
            links = self.router.links(progress.folder)
            errors = [problem.error for problem in progress.problems.values()]
            training = [problem.training for problem in progress.problems.values()]
            # what trains changes with the time alone
            moment = int(time.time() / _MOMENT_SECONDS) if any(training) else 0
            shown = (
                progress.strategies,
                errors,
                progress.writer,
                progress.plan,
                links,
                training,
                moment,
            )
            if shown != self._shown:
                page = _page_of(progress, self.router)
                self.page = page.html(self.router, progress.folder)
                self._shown = shown


def _refresh_all(folders: list[_Folder]) -> None:
    for folder in folders:
        folder.refresh()


def _index_page(folders: list[FolderProgress], router: Router) -> LivePage:
    title = f"Results in {router.root.name}"
    if not folders:
        waiting = Section("", ["No results yet: this page waits for them."])
        return LivePage(title, sections=[waiting])
    n_unread = sum(not one.is_read for one in folders)
    boxes = []
    if n_unread:
        boxes.append(Notice("Reading:", f"{plural(n_unread, 'folder')} to go.", bad=False))
    heads = [Column("folder"), Column("runs"), Column("state"), Column("what")]
    rows = [_index_row(one, router) for one in folders]
    table = Section("", [Table(heads, rows, texts=4)])
    return LivePage(
        title,
        boxes=boxes,
        sections=[table],
        is_partial=n_unread > 0,
    )


def _index_row(progress: FolderProgress, router: Router) -> list[Content]:
    address = router.page_address(progress.folder)
    link = Span(progress.folder.name, "link", None, address)
    if not progress.is_read:
        return [link, "…", "being read", ""]
    status = _status_of(progress)
    runs = _progress_bar(status.counts)
    if status.counts["failed"]:
        runs += f", {status.counts['failed']} failed"
    what = f"suite of {plural(len(progress.problems), 'problem')}"
    if not progress.is_suite:
        (problem,) = progress.problems.values()
        what = problem.error
        if problem.description:
            objective = problem.description["objective"]["expression"]
            what = f"{objective} on {problem.description['benchmark']}"
    return [link, runs, status.short, what]


def _page_of(progress: FolderProgress, router: Router) -> LivePage:
    if progress.is_suite:
        title = progress.title
        line, sections = _suite_content(progress, router)
    else:
        (problem,) = progress.problems.values()
        if problem.error:
            unreadable = Notice("This folder cannot be read.", problem.error)
            return LivePage(progress.folder.name, boxes=[unreadable])
        n_strategies = len(problem.description["strategies"])
        noun = "strategy" if n_strategies == 1 else "strategies"
        title = f"{n_strategies} search {noun} on {problem.description['benchmark']}"
        line, sections = _comparison_content(problem)
    for text, address in router.links(progress.folder):
        line += [" · ", Span(text, "link", None, address)]
    boxes = []
    failures = _failures(progress, router)
    if failures:
        boxes.append(Notice("What went wrong:", items=failures))
    if progress.is_suite and progress.plan.not_run:
        not_run = [f"{name}: {reason}" for name, reason in progress.plan.not_run]
        boxes.append(Notice("Not run:", items=not_run, bad=False))
    return LivePage(title, line, boxes, _status_of(progress), sections)


def _failures(progress: FolderProgress, router: Router) -> list[str | Paragraph]:
    items: list[str | Paragraph] = []
    for name, problem in progress.problems.items():
        start = f"{name}: " if progress.is_suite else ""
        if problem.error:
            items.append(start + problem.error)
        for text, trace in problem.failures:
            words: list[Content] = [start + text]
            if trace:
                address = router.file_address(problem.folder, trace)
                words += [" ", Span("traceback", "link", None, address)]
            items.append(Paragraph(words))
    return items


def _status_of(progress: FolderProgress) -> Status:
    counts = counts_of(progress.strategies)
    unfinished = counts["runs"] - counts["done"] - counts["failed"]
    writer = progress.writer
    if writer is not None:
        host = "" if writer.host == platform.node() else f" on {writer.host}"
        since = datetime.fromtimestamp(writer.since).astimezone().isoformat(timespec="seconds")
        return Status("running", f"Process {writer.pid}{host} is at work", since, counts)
    if unfinished:
        verb = "is" if unfinished == 1 else "are"
        sentence = (
            f"No process is at work, and {plural(unfinished, 'run')} {verb} not finished: run the"
            " same command again to continue."
        )
        return Status("interrupted", sentence, "", counts)
    sentence = "All runs have ended."
    if not (progress.folder / REPORT).is_file():
        sentence = "All runs have ended; there is no report yet."
    return Status("ended", sentence, "", counts)


def _comparison_content(problem: ProblemProgress) -> tuple[list[Content], list[Section]]:
    description = problem.description
    objective = description["objective"]
    by_name = styles(description["strategies"])
    budget = budget_in_words(description["budget"], objective.get("cost", ""))
    line: list[Content] = [
        "minimise ",
        Span(objective["expression"], "code"),
        f" · at most {budget} per run",
    ]
    sections = []
    training = in_training(problem.training, description["budget"]["cells"])
    if training is not None:
        sections.append(training)
    if problem.n_objectives > 1:
        text = "There are several objectives: the report shows the fronts that the runs found."
        sections.append(Section("", [note(text)]))
    else:
        pictures = _pictures(problem, by_name)
        if pictures:
            caption = note(_CURVES_NOTE)
            if objective.get("seed_policy") == "draw":
                caption = note(f"{_CURVES_NOTE} {_DRAWN_NOTE}")
            sections.append(Section("So far", [Figures(pictures), caption]))
    sections.append(Section("Strategies", [_strategy_table(problem, by_name)]))
    failed = failed_trainings(problem.failed_trainings, problem.n_failed_trainings)
    if failed is not None:
        sections.append(failed)
    return line, sections


_CURVES_NOTE = (
    "Line: the median over runs of the best feasible score so far; band: the quartiles. A finished"
    " run keeps its last value, an unfinished one counts as far as it has come; the steep start is"
    " cut off."
)
_DRAWN_NOTE = (
    "Scores are as the searches saw them, of one random training seed each; the report shows the"
    " means over seeds."
)


def _strategy_table(problem: ProblemProgress, by_name: Mapping[str, Style]) -> Table:
    heads = [
        Column("strategy"),
        Column("runs"),
        Column("at work on"),
        Column("done"),
        Column("running"),
    ]
    heads += [Column("failed"), Column("to do"), Column("evaluations")]
    heads += [Column("best", "of all runs"), Column("median", "of finished runs")]
    rows: list[list[Content]] = []
    for one in problem.strategies:
        running = []
        for i, state in enumerate(one.states):
            if state == "running":
                number = problem.numbers[one.name][i]
                running.append(f"run {number}: {len(problem.runs[one.name][i].best)} cells")
        scores = ["–", "–"]
        if problem.n_objectives == 1:
            scores = [_score(one.best), _score(one.median)]
        rows.append(
            [
                strategy(one.name, by_name[one.name]),
                _run_strip(one),
                "; ".join(running),
                str(one.count("done")),
                str(one.count("running")),
                str(one.count("failed", "damaged")),
                str(one.count("missing", "halted")),
                f"{one.evaluations:,}",
                *scores,
            ]
        )
    return Table(heads, rows, texts=3)


def _score(value: float) -> str:
    return fixed(None if math.isinf(value) else value, 5)


def _suite_content(progress: FolderProgress, router: Router) -> tuple[list[Content], list[Section]]:
    names = dict.fromkeys(progress.plan.n_runs)
    names.update(dict.fromkeys(one.name for one in progress.strategies))
    by_name = styles(names)
    heads = [Column("problem"), Column("all"), *(Column(name) for name in names)]
    rows: list[list[Content]] = []
    pictures = []
    for name, problem in progress.problems.items():
        strategies = {one.name: one for one in problem.strategies}
        address = router.page_address(problem.folder)
        row: list[Content] = [Span(name, "link", None, address)]
        row.append(_progress_bar(counts_of(problem.strategies)))
        row += [_done(strategies.get(strategy)) for strategy in names]
        rows.append(row)
        if problem.description and problem.n_objectives == 1:
            caption = f"{name}: minimise {problem.description['objective']['expression']}"
            n_initial = problem.description["first_cells"]
            curves = problem.curves("cells")
            pictures += _picture(curves, by_name, "cells", n_initial, small=caption)
    noun = "strategy" if len(names) == 1 else "strategies"
    n_problems = plural(len(progress.problems), "problem")
    line: list[Content] = [f"{len(names)} {noun} on {n_problems}"]
    sections = [Section("Runs done", [Table(heads, rows, texts=2)])]
    if pictures:
        key: list[Content] = []
        for name, style in by_name.items():
            key += [strategy(name, style), "  "]
        figures = Figures(pictures)
        sections.append(Section("So far", [Paragraph(key), figures, note(_CURVES_NOTE)]))
    return line, sections


def _done(strategy: StrategyProgress | None) -> str:
    if strategy is None:
        return ""
    n_failed = strategy.count("failed")
    failed = f" ({n_failed} failed)" if n_failed else ""
    return f"{strategy.count('done')}{failed}"


def _pictures(problem: ProblemProgress, by_name: Mapping[str, Style]) -> list[Picture]:
    """Curves over evaluated cells and, where evaluations cost time, over simulated seconds."""
    n_initial = problem.description["first_cells"]
    over_cells = problem.curves("cells")
    if not over_cells:
        return []
    pictures = _picture(over_cells, by_name, "cells", n_initial)
    if problem.description["objective"].get("cost") != "queries":
        over_seconds = problem.curves("seconds")
        seconds = _last(over_seconds)
        divisor, unit = clock(seconds)
        scaled = {}
        for name, curve in over_seconds.items():
            scaled[name] = replace(curve, x=curve.x / divisor)
        steep_until = n_initial / _last(over_cells) * seconds / divisor
        pictures += _picture(scaled, by_name, unit, steep_until)
    return pictures


def _last(curves: Mapping[str, Curve]) -> float:
    return max(float(curve.x[-1]) for curve in curves.values())


def _picture(
    curves: Mapping[str, Curve],
    by_name: Mapping[str, Style],
    unit: str,
    steep_until: float,
    small: str = "",
) -> list[Picture]:
    """A chart without the steep start; none while no run has a feasible cell.

    Args:
        curves: By strategy.
        by_name: The style of every strategy.
        unit: Of the horizontal axis.
        steep_until: Where the steep start ends.
        small: The caption of a small chart without names, or empty.
    """
    limits = visible_range(curves.values(), steep_until)
    if limits is None:
        return []
    caption = small or f"Best score so far over {unit}"
    panel = Panel(unit, "score", False, ends=limits)
    height = _SMALL_HEIGHT if small else _HEIGHT
    draw = partial(
        chart,
        curves,
        by_name,
        panel,
        height=height,
        named=not small,
    )
    return [Picture(unit, caption, draw, _SMALL_WIDTH if small else HALF)]


def _progress_bar(counts: Mapping[str, int]) -> Markup:
    ended = counts["done"] + counts["failed"]
    bar = f'<progress max="{counts["runs"] or 1}" value="{ended}"></progress>'
    return Markup(f"{bar} {counts['done']} of {counts['runs']}")


def _run_strip(one: StrategyProgress) -> Markup:
    """A rectangle for every run, in the colour of its state."""
    width = 5 * len(one.states)
    parts = []
    for i, state in enumerate(one.states):
        parts.append(f'<rect x="{5 * i}" y="1" width="4" height="10" class="{state}"/>')
    label = f"runs of {escape(one.name)} by number"
    return Markup(
        f'<svg class="runs" width="{width}" viewBox="0 0 {width} 12" role="img"'
        f' aria-label="{label}">{"".join(parts)}</svg>'
    )
