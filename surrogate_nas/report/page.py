"""The HTML page of a result in one file: the verdict, its robustness, and the sections."""

import base64
import hashlib
import pkgutil
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import chain
from typing import Any

from surrogate_nas.core import budget_in_words, plural
from surrogate_nas.report import sections
from surrogate_nas.report.markup import (
    SECTIONS,
    Block,
    Content,
    Figures,
    Notice,
    Paragraph,
    Section,
    Span,
    Table,
    render,
    with_marks,
)
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import Study

# Questions that do not begin with “with”.
_QUESTIONS = {
    "cells trained again": "if cells were retrained?",
    "other problems": "on other problems?",
}


@dataclass(frozen=True)
class Header:
    """The top of a report page: title, a line of facts and links, notices, the verdict, and the
    verdict's robustness.
    """

    name: str
    title: str
    line: Sequence[Content]
    boxes: Sequence[Notice]
    sentences: Sequence[Paragraph]
    holds: Table | None


class Page:
    """The report page of a result."""

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def sections(self) -> list[Section]:
        """Return the sections of the page that are not empty, in order. All modules in
        ``sections/`` are imported first, which registers their sections.
        """
        for module in pkgutil.iter_modules(sections.__path__, f"{sections.__name__}."):
            import_module(module.name)
        kind = self.study.result.kind
        own = sorted(
            (entry for entry in SECTIONS if kind in entry[1]), key=lambda e: e[0]
        )
        created = [make(self.study) for *_, make in own]
        return [section for section in created if section is not None]

    @property
    def pictures(self) -> Iterator[Picture]:
        """Yield every picture of the page in order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Figures):
                    yield from block.pictures
                elif isinstance(block, Block) and block.kind == "cards":
                    cards = block.content
                    yield from (card.graph for card in cards if card.graph is not None)

    def html(self) -> str:
        """Return the HTML document."""
        header_of = _of_suite if self.study.result.kind == "suite" else _of_comparison
        return document(header_of(self.study), self.sections)


def document(top: Header, sections: Sequence[Section], *, live: bool = False) -> str:
    """Render a page as one HTML document.

    Args:
        top: The top of the page.
        sections: The sections in order. Two half-width sections share a row, and folded sections
            come last.
        live: Whether the page is served and updates its content every two seconds. A page that is
            not live fetches nothing from the network.
    """
    script = render("live.js" if live else "page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return render(
        "page.html",
        top=top,
        sections=sections,
        live=live,
        script=script,
        digest=digest,
    )


def _links(study: Study, *further: tuple[str, str]) -> list[Content]:
    content: list[Content] = []
    for text, address in (("Explore the cells", study.explorer), *further):
        if address:
            content += [" · ", Span(text, "link", None, address)]
    return content


def _verdict_content(study: Study) -> tuple[list[Paragraph], Table | None]:
    verdict = study.result.verdict
    if verdict is None:
        return [], None
    leading = verdict.sentences[: verdict.leading]
    sentences = [with_marks(sentence, study.styles) for sentence in leading]
    rows: list[list[Content]] = []
    for hold in verdict.holds:
        question = _QUESTIONS.get(hold["question"], f"with {hold['question']}?")
        rows.append([question, Span(hold["answer"], "strong"), hold["why"]])
    return sentences, Table(
        ("Would it hold …", "", ""), rows, texts=3
    ) if rows else None


def _notices(*known: tuple[Any, Notice]) -> list[Notice]:
    return [notice for condition, notice in known if condition]


def _of_comparison(study: Study) -> Header:
    comparison = study.comparison
    description = comparison.description
    objective = comparison.objective
    benchmark = objective.benchmark
    budget = budget_in_words(description["budget"], benchmark.cost_unit)
    line: list[Content] = [
        "minimise ",
        Span(str(objective), "code"),
        f" · {plural(description['runs'], 'run')} × {budget}",
        *_links(study, ("Numbers as JSON", study.numbers)),
    ]
    failures = comparison.failures
    failed = f"{plural(len(failures), 'run')} failed"
    missing = (
        f"{plural(comparison.missing, 'run')} of the comparison have not ended yet. Repeat the"
        " command to resume."
    )
    boxes = _notices(
        (
            comparison.merged,
            Notice("Merged results:", items=comparison.merged, bad=False),
        ),
        (objective.warning, Notice("Searched by final metrics.", objective.warning)),
        (benchmark.banner, Notice("Note on the data.", benchmark.banner, bad=False)),
        (
            failures,
            Notice(failed, "and are excluded from all numbers below.", failures),
        ),
        (comparison.missing > 0, Notice("Unfinished:", missing)),
    )
    title = f"{_counted(description['strategies'], ' search')} on {benchmark.name}"
    sentences, holds = _verdict_content(study)
    texts = chain(*(confirmed.sentences for _, confirmed in comparison.confirmed_runs))
    confirmed = [Paragraph([sentence]) for sentence in texts]
    name = f"Strategies on {benchmark.name}"
    return Header(name, title, line, boxes, [*confirmed, *sentences], holds)


def _counted(strategies: Sized, kind: str = "") -> str:
    n = len(strategies)
    return f"{n}{kind} {'strategy' if n == 1 else 'strategies'}"


def _of_suite(study: Study) -> Header:
    result = study.suite
    title = result.suite.title
    runs = [entry.runs for entry in result.suite.entries]
    runs_text = plural(max(runs), "run")
    if min(runs) < max(runs):
        runs_text = f"{min(runs):,} to {runs_text}"
    n_problems = plural(len(result.problems), "problem")
    counts = f"{_counted(result.strategies)} × {n_problems} × {runs_text}"
    budgets = {(problem.checkpoints[-1], problem.unit) for problem in result.problems}
    if len(budgets) == 1:
        ((budget, unit),) = budgets
        counts += f" × {budget:,g} {unit}"
    failures = result.failures
    failed = f"{plural(len(failures), 'run')} failed"
    not_run = [f"{name}: {reason}" for name, reason in result.suite.not_run.items()]
    boxes = _notices(
        (result.merged, Notice("Merged results:", items=result.merged, bad=False)),
        (failures, Notice(failed, "and count as having found nothing.", failures)),
        (not_run, Notice("Not run:", items=not_run, bad=False)),
    )
    line = [counts, *_links(study, ("Tables as CSV", "tables/strategies.csv"))]
    return Header(title, title, line, boxes, *_verdict_content(study))
