"""The report as one HTML page that carries its style and its figures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import Any

from surrogate_nas.comparison import Comparison
from surrogate_nas.comparison.diagnosis import diagnose
from surrogate_nas.report.cards import card
from surrogate_nas.report.conventions import conventions, provenance_rows
from surrogate_nas.report.figures import Figures
from surrogate_nas.report.findings import best_cells
from surrogate_nas.report.headline import headline
from surrogate_nas.report.look import Look, looks
from surrogate_nas.report.numbers import fixed, plural
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.stylesheet import CSS
from surrogate_nas.report.tables import constants_table, summary_notes, summary_table, table, tests_table
from surrogate_nas.space import Cell

_BEST_CELLS = 5
_MOST_FAILURES = 20


class Page:
    """Builds a page section by section and keeps the pictures that it shows.

    Attributes:
        pictures: Every figure of the page, in its order.
    """

    def __init__(self, comparison: Comparison, command: str) -> None:
        """Take what is reported.

        Args:
            comparison: The comparison.
            command: The command that made it, or empty.
        """
        self.comparison = comparison
        self.command = command
        self.pictures: list[Picture] = []
        self._looks: dict[str, Look] = looks(comparison.description["strategies"])

    def html(self) -> str:
        """The whole document."""
        benchmark = self.comparison.objective.benchmark
        sections = [self._head(), self._warnings(), self._headline()]
        if self.comparison.strategies:
            sections += [self._summary(), *self._results()]
        sections += [self._constants(), self._conventions(), self._provenance()]
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>Strategies on {escape(benchmark.name)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
            + "\n".join(sections)
            + "\n</main>\n</body>\n</html>\n"
        )

    def _head(self) -> str:
        objective, description = self.comparison.objective, self.comparison.description
        names = description["strategies"]
        budget = " and ".join(_budget(description, objective.benchmark.cost))
        return (
            f"<header><h1>{len(names)} search strateg{'y' if len(names) == 1 else 'ies'} on "
            f'{escape(objective.benchmark.name)}</h1>\n<p class="quiet">{escape(objective.benchmark.title)}</p>\n'
            f'<p class="objective">minimise <code>{escape(str(objective))}</code></p>\n'
            f'<p class="quiet">{plural(description["runs"], "run")} of each strategy, at most {budget} a run, '
            f"root seed {description['seed']}, fingerprint <code>{objective.fingerprint}</code></p></header>"
        )

    def _warnings(self) -> str:
        boxes = []
        banner = self.comparison.objective.benchmark.banner
        if banner:
            boxes.append(f'<div class="box" role="note"><p><strong>Mind the data.</strong> {escape(banner)}</p></div>')
        failures = self.comparison.failures
        if failures:
            shown = [f"<li>{escape(failure)}</li>" for failure in failures[:_MOST_FAILURES]]
            if len(failures) > _MOST_FAILURES:
                shown.append(f"<li>and {len(failures) - _MOST_FAILURES} more</li>")
            verb = "run" if len(failures) == 1 else "runs"
            boxes.append(
                f'<div class="box bad" role="alert"><p><strong>{len(failures)} {verb} failed</strong> and are in no '
                f"number below.</p><ul>{''.join(shown)}</ul></div>"
            )
        description = self.comparison.description
        missing = len(description["strategies"]) * description["runs"] - len(self.comparison.runs)
        if missing > 0:
            boxes.append(
                f'<div class="box bad" role="alert"><p><strong>Unfinished:</strong> {plural(missing, "run")} of the '
                "comparison have not ended yet; run the command again to go on.</p></div>"
            )
        return "\n".join(boxes)

    def _headline(self) -> str:
        return f'<section class="headline">{_paragraphs(headline(self.comparison))}</section>'

    def _summary(self) -> str:
        notes = " ".join(summary_notes(self.comparison))
        return (
            f"<section><h2>Summary</h2>{summary_table(self.comparison, self._looks)}"
            f'<p class="note">{escape(notes)}</p></section>'
        )

    def _results(self) -> Iterable[str]:
        figures = Figures(self.comparison, self._looks)
        yield _section("Anytime performance", self._shown(figures.score()))
        yield _section("Test of the best-scoring cell", self._shown(figures.test()))
        yield _section("Final scores", self._shown([figures.distribution()]))
        yield _section("L against R", self._shown(figures.front()))
        yield _section("What λ does", _paragraphs(self._diagnosis()))
        yield self._tests()
        yield self._cells(figures)

    def _diagnosis(self) -> list[str]:
        objective = self.comparison.objective
        found = diagnose(objective)
        if found is None:
            return ["Not known: it takes a table with feasible cells whose scores do not depend on a run's history."]
        if all(term.is_loss for term in objective.terms):
            return [*found.sentences(), "The objective has no regulariser: the score is L."]
        (alone, with_r) = (self._place(cell) for cell in (found.best_by_loss, found.best_by_score))
        return [*found.sentences(), f"The optimum of L alone has {alone}; that of L + λR has {with_r}."]

    def _place(self, cell: Cell) -> str:
        """Where a cell lies in the plane of L and λR, in words."""
        scores = self.comparison.objective.look_up([cell])[1]
        return f"L = {fixed(float(scores.loss[0]), 5)} and λR = {fixed(float(scores.penalty[0]), 5)}"

    def _tests(self) -> str:
        if not self.comparison.tests:
            return _section("Pairwise tests", _paragraphs(["No two strategies finished the same runs."]))
        note = (
            "Runs are paired by number: run k of every strategy starts from the same cells. Effect: matched-pairs "
            "rank-biserial correlation, +1 where the first is always better, −1 where the second is. p: Wilcoxon's "
            "signed-rank test, two-sided, then corrected by Holm over all pairs; bold below 0.05."
        )
        return _section(
            "Pairwise tests", f'{tests_table(self.comparison, self._looks)}<p class="note">{escape(note)}</p>'
        )

    def _cells(self, figures: Figures) -> str:
        drawn = self.comparison.objective.benchmark.space.drawing_size is not None
        cards = []
        for found in best_cells(self.comparison, _BEST_CELLS):
            graph = ""
            if drawn:
                made = figures.cell(found.trial.cell, found.rank)
                self.pictures.append(made)
                graph = _image(made)
            cards.append(card(self.comparison, found, self._looks, graph))
        note = "The distinct cells of lowest score that any strategy evaluated, and in how many runs each did so."
        if drawn:
            note += (
                " An edge carries an operation, a node sums what enters it. Dotted: none; grey and dashed: dead, on no "
                "path from input to output, yet built and counted."
            )
        if self.comparison.objective.has_history:
            note += " A cell's score depends on the run's history; its lowest is shown."
        return _section("Best cells", f'<p class="note">{escape(note)}</p><div class="cells">{"".join(cards)}</div>')

    def _constants(self) -> str:
        objective = self.comparison.objective
        limits = "; ".join(f"<code>{escape(str(limit))}</code>" for limit in objective.describe()["constraints"])
        return _section(
            "Constants of the objective",
            constants_table(self.comparison)
            + (f"<p>Subject to {limits}.</p>" if limits else "")
            + '<p class="note">Frozen from the space before any run, never from the runs. Results of two fingerprints '
            f"are never mixed; this one is <code>{objective.fingerprint}</code>.</p>",
        )

    def _conventions(self) -> str:
        items = "".join(f"<li>{escape(item)}</li>" for item in conventions(self.comparison))
        return _section("Conventions", f"<ul>{items}</ul>")

    def _provenance(self) -> str:
        rows = [[escape(name), f"<code>{escape(value)}</code>"] for name, value in provenance_rows(self.comparison)]
        content = f'<div class="facts">{table(["", ""], rows, texts=2)}</div>'
        if self.command:
            content += f"<p>Made by</p><pre>{escape(self.command)}</pre>"
        return _section("Provenance", content)

    def _shown(self, pictures: list[Picture] | str) -> str:
        if isinstance(pictures, str):
            return _paragraphs([pictures])
        self.pictures += pictures
        kind = "narrow" if len(pictures) == 1 else "pair"
        figures = "".join(
            f"<figure>{_image(shown)}<figcaption>{escape(shown.caption)}</figcaption></figure>\n" for shown in pictures
        )
        return f'<div class="{kind}">{figures}</div>'


def _budget(description: dict[str, Any], cost: str) -> list[str]:
    budget = description["budget"]
    parts = []
    if budget["cells"] is not None:
        parts.append(plural(budget["cells"], "evaluation"))
    if budget["seconds"] is not None:
        parts.append(f"{budget['seconds']:,g} {'queries' if cost == 'queries' else 'simulated seconds'}")
    return parts


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _image(shown: Picture) -> str:
    data = base64.b64encode(shown.svg).decode()
    return f'<img alt="{escape(shown.caption)}" src="data:image/svg+xml;base64,{data}">'
