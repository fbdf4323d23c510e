"""A page of results: the verdict and what it rests on, then every section that says something, as
one file.
"""

from __future__ import annotations

import base64
import hashlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path

from surrogate_nas.core.numbers import budget_in_words, plural
from surrogate_nas.files import write_whole
from surrogate_nas.report import sections
from surrogate_nas.report.markup import (
    SECTIONS,
    Box,
    Content,
    Figures,
    Head,
    Listed,
    Section,
    Shown,
    Table,
    Words,
    render,
    with_marks,
)
from surrogate_nas.report.picture import WIDE, Picture
from surrogate_nas.report.reading import Study

_QUESTIONS = {
    "cells trained again": "if cells were retrained?",
    "other problems": "on other problems?",
}
"""What would be other, as a question, where that does not begin with “with”."""


@dataclass(frozen=True)
class Top:
    """What is seen first: title, a line of facts and links, what must be known, the verdict, what
    would change it.
    """

    name: str
    title: str
    line: Sequence[Content]
    boxes: Sequence[Box]
    said: Sequence[Words]
    holds: Table | None


class Page:
    """The page of a result."""

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def sections(self) -> list[Section]:
        """Every section that says something, in its order."""
        made = (one.make(self.study) for one in _listed() if self.study.kind in one.kinds)
        return [section for section in made if section is not None]

    @property
    def pictures(self) -> Iterator[Picture]:
        """Every picture of the page, in its order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Figures):
                    yield from block.pictures
                elif not isinstance(block, str) and block.kind == "cards":
                    yield from (card.graph for card in block.content if card.graph is not None)  # type: ignore[union-attr]

    def html(self) -> str:
        """The whole document."""
        top = _of_suite(self.study) if self.study.kind == "suite" else _of_comparison(self.study)
        script = render("page.js")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return render(
            "page.html",
            top=top,
            rows=list(_rows([one for one in self.sections if not one.folded])),
            folded=[one for one in self.sections if one.folded],
            script=script,
            digest=digest,
        )

    def write(self, folder: Path) -> Path:
        """Write ``report.html``; it is whole or as it was before."""
        return write_whole(folder / "report.html", self.html())


def _rows(shown: Sequence[Section]) -> Iterator[list[Section]]:
    """What stands side by side: halves in pairs; one that is left over has the whole width."""
    row: list[Section] = []
    for section in [*shown, None]:
        if row and (section is None or not section.half):
            yield [_whole(row[0])]
            row = []
        if section is None:
            return
        row.append(section)
        if not section.half or len(row) == 2:
            yield row
            row = []


def _whole(section: Section) -> Section:
    blocks = [
        (
            Figures([replace(picture, width=WIDE) for picture in block.pictures], block.below)
            if isinstance(block, Figures)
            else block
        )
        for block in section.blocks
    ]
    return section._replace(blocks=blocks, half=False)


@lru_cache(maxsize=1)
def _listed() -> list[Listed]:
    """All sections, by their places; every file of ``sections/`` is imported."""
    for module in pkgutil.iter_modules(sections.__path__, f"{sections.__name__}."):
        import_module(module.name)
    return sorted(SECTIONS, key=lambda one: one.place)


def _strategies(n: int) -> str:
    return f"{n} strateg{'y' if n == 1 else 'ies'}"


def _links(study: Study, *further: tuple[str, str]) -> list[Content]:
    """Links to what lies beside the page."""
    links = [("Explore the cells", study.explorer), *further]
    return [
        part
        for said, address in links
        if address
        for part in (" · ", Shown(said, "link", None, address))
    ]


def _judged(study: Study) -> tuple[list[Words], Table | None]:
    """The verdict's leading sentences with the marks of strategies, and what would change it."""
    verdict = study.verdict
    if verdict is None:
        return [], None
    said = [with_marks(sentence, study.looks) for sentence in verdict.sentences[: verdict.leading]]
    rows: list[list[Content]] = [
        [
            _QUESTIONS.get(one.question, f"with {one.question}?"),
            Shown(one.answer, "strong"),
            one.why,
        ]
        for one in verdict.holds
    ]
    return said, (
        Table([Head("Would it hold …"), Head(""), Head("")], rows, texts=3) if rows else None
    )


def _of_comparison(study: Study) -> Top:
    made = study.comparison
    told = study.comparison.description
    objective, benchmark, n = made.objective, made.objective.benchmark, len(told["strategies"])
    line: list[Content] = [
        "minimise ",
        Shown(str(objective), "code"),
        f" · {plural(told['runs'], 'run')} × {budget_in_words(told['budget'], benchmark.cost)}",
        *_links(study, ("Numbers as JSON", study.numbers)),
    ]
    boxes = []
    if objective.warning:
        boxes.append(Box("Searched on final metrics.", objective.warning))
    if benchmark.banner:
        boxes.append(Box("Mind the data.", benchmark.banner, bad=False))
    if made.failures:
        boxes.append(
            Box(
                f"{plural(len(made.failures), 'run')} failed",
                "and are in no number below.",
                made.failures,
            )
        )
    if made.missing > 0:
        missing = (
            f"{plural(made.missing, 'run')} of the comparison have not ended yet; run the command"
            " again to go on."
        )
        boxes.append(Box("Unfinished:", missing))
    title = f"{_strategies(n).replace('strateg', 'search strateg')} on {benchmark.name}"
    return Top(f"Strategies on {benchmark.name}", title, line, boxes, *_judged(study))


def _of_suite(study: Study) -> Top:
    result = study.suite
    n = len(study.suite.strategies)
    runs = [entry.runs for entry in result.suite.entries]
    each = (
        plural(max(runs), "run")
        if len(set(runs)) == 1
        else f"{min(runs):,} to {plural(max(runs), 'run')}"
    )
    budgets = {(problem.checkpoints[-1], problem.unit) for problem in result.problems}
    counts = f"{_strategies(n)} × {plural(len(result.problems), 'problem')} × {each}"
    if len(budgets) == 1:
        ((budget, unit),) = budgets
        counts += f" × {budget:,g} {unit}"
    boxes = []
    if failures := result.failures:
        boxes.append(
            Box(
                f"{plural(len(failures), 'run')} failed",
                "and count as having found nothing.",
                failures,
            )
        )
    if result.skipped:
        not_run = [f"{skipped.problem.name}: {skipped.reason}" for skipped in result.skipped]
        boxes.append(Box("Not run:", items=not_run, bad=False))
    if remarks := [
        f"{problem.name}: {problem.remark}" for problem in result.problems if problem.remark
    ]:
        boxes.append(Box("Mind the data.", items=remarks, bad=False))
    line = [counts, *_links(study, ("Tables as CSV", "tables/strategies.csv"))]
    return Top(result.suite.title, result.suite.title, line, boxes, *_judged(study))
