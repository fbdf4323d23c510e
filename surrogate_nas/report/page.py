"""A page of results: what stands at its head, then every section that says something, as one file that holds all."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path

from surrogate_nas.core.numbers import budget_in_words, plural
from surrogate_nas.files import replacing
from surrogate_nas.report import sections
from surrogate_nas.report.markup import SECTIONS, Box, Content, Figures, Listed, Section, Shown, Words, render
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import Study


@dataclass(frozen=True)
class Top:
    """What stands above the sections; the link to the explorer is its words and what stands behind them."""

    name: str
    title: str
    objective: str
    lines: Sequence[Words]
    boxes: Sequence[Box]
    headline: Sequence[str]
    explorer: tuple[str, str]


class Page:
    """The page of a result."""

    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def sections(self) -> list[Section]:
        """Every section that says something, in its order."""
        made = (one.make(self.study) for one in _listed() if one.of == self.study.kind)
        return [section for section in made if section is not None]

    @property
    def pictures(self) -> Iterator[Picture]:
        """Every figure of the page, in its order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Figures):
                    yield from block.pictures
                elif not isinstance(block, str) and block.kind == "cards":
                    yield from (card.graph for card in block.content if card.graph is not None)  # type: ignore[union-attr]

    def html(self) -> str:
        """The whole document."""
        top = _of_suite(self.study) if self.study.kind == "suite" else _of_comparison(self.study)
        return render("page.html", top=top, sections=self.sections, study=self.study)

    def write(self, folder: Path) -> Path:
        """Write ``report.html`` and ``figures/*.png``; each file is whole or as it was before."""
        html = self.html()
        for picture in self.pictures:
            with replacing(folder / "figures" / f"{picture.name}.png") as temporary:
                temporary.write_bytes(picture.png)
        path = folder / "report.html"
        with replacing(path) as temporary:
            temporary.write_text(html, encoding="utf-8", errors="backslashreplace")
        return path


@lru_cache(maxsize=1)
def _listed() -> list[Listed]:
    """All sections, by their places; every file of ``sections/`` is imported."""
    for module in pkgutil.iter_modules(sections.__path__, f"{sections.__name__}."):
        import_module(module.name)
    return sorted(SECTIONS, key=lambda one: one.place)


def _counted(n: int) -> str:
    return f"strateg{'y' if n == 1 else 'ies'}"


def _of_comparison(study: Study) -> Top:
    made, told = study.comparison, study.comparison.description
    objective, benchmark, n = made.objective, made.objective.benchmark, len(told["strategies"])
    asked: list[Content] = [
        f"{plural(told['runs'], 'run')} of each strategy, at most {budget_in_words(told['budget'], benchmark.cost)} a "
        f"run, root seed {told['seed']}, fingerprint ",
        Shown(objective.fingerprint, "code"),
    ]
    boxes = []
    if objective.warning:
        boxes.append(Box("Searched on final metrics.", objective.warning))
    if benchmark.banner:
        boxes.append(Box("Mind the data.", benchmark.banner, bad=False))
    if made.failures:
        boxes.append(Box(f"{plural(len(made.failures), 'run')} failed", "and are in no number below.", made.failures))
    if made.missing > 0:
        missing = f"{plural(made.missing, 'run')} of the comparison have not ended yet; run the command again to go on."
        boxes.append(Box("Unfinished:", missing))
    return Top(
        f"Strategies on {benchmark.name}", f"{n} search {_counted(n)} on {benchmark.name}", str(objective),
        [Words([benchmark.title]), Words(asked)], boxes, made.verdict.sentences[: made.verdict.leading],
        ("Explore every cell", ": hover, filter, play the runs."),
    )  # fmt: skip


def _of_suite(study: Study) -> Top:
    result, n = study.suite, len(study.suite.strategies)
    runs = [entry.runs for entry in result.suite.entries]
    each = plural(max(runs), "run") if len(set(runs)) == 1 else f"{min(runs):,} to {plural(max(runs), 'run')}"
    counts = (
        f"{n} {_counted(n)} on {plural(len(result.problems), 'problem')}, {each} of each a problem, "
        f"root seed {result.suite.seed}"
    )
    boxes = []
    if failures := result.failures:
        boxes.append(Box(f"{plural(len(failures), 'run')} failed", "and count as having found nothing.", failures))
    if result.skipped:
        not_run = [f"{skipped.problem.name}: {skipped.reason}" for skipped in result.skipped]
        boxes.append(Box("Not run:", items=not_run, bad=False))
    said = result.verdict.sentences[: result.verdict.leading]
    return Top(
        result.suite.title, result.suite.title, "", [Words([counts])], boxes, said,
        ("Explore the cells", " of every problem: hover, filter, play the runs."),
    )  # fmt: skip
