"""The report as one HTML page that carries its style and its figures inside: what stands in it, as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surrogate_nas.report.baselines import baseline_table
from surrogate_nas.report.cards import Card, card
from surrogate_nas.report.conventions import conventions, provenance_rows
from surrogate_nas.report.figures import Figures
from surrogate_nas.report.findings import best_cells
from surrogate_nas.report.headline import headline
from surrogate_nas.report.look import Look, looks
from surrogate_nas.report.markup import Content, Head, Shown, Table, render
from surrogate_nas.report.numbers import budget_in_words, fixed, plural
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.tables import constants_table, summary_notes, summary_table, tests_table
from surrogate_nas.report.told import told, trivial_table
from surrogate_nas.space import Cell
from surrogate_nas.study.baselines.record import Baseline
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.comparison.diagnosis import diagnose

_BEST_CELLS = 5
_MOST_FAILURES = 20
_TESTS_NOTE = (
    "Runs are paired by number: run k of every strategy starts from the same cells. Effect: matched-pairs "
    "rank-biserial correlation, +1 where the first is always better, −1 where the second is. p: Wilcoxon's "
    "signed-rank test, two-sided, then corrected by Holm over all pairs; bold below 0.05."
)


class Page:
    """Gathers what a page shows and keeps its pictures.

    Attributes:
        pictures: Every figure of the page, in its order.
    """

    def __init__(
        self, comparison: Comparison, command: str, baselines: Sequence[Baseline] = (), explorer: str = ""
    ) -> None:
        """Take what is reported.

        Args:
            comparison: The comparison.
            command: The command that made it, or empty.
            baselines: Systems of others on the same task.
            explorer: The file of the explorer beside the page, or empty.
        """
        self.comparison = comparison
        self.command = command
        self.baselines = baselines
        self.explorer = explorer
        self.pictures: list[Picture] = []
        self._looks: dict[str, Look] = looks(comparison.description["strategies"])

    def html(self) -> str:
        """The whole document."""
        objective, description = self.comparison.objective, self.comparison.description
        names, benchmark = description["strategies"], objective.benchmark
        provenance: list[list[Content]] = [
            [name, Shown(value, "code")] for name, value in provenance_rows(self.comparison)
        ]
        return render(
            "page.html",
            benchmark=benchmark,
            warning=objective.warning,
            n_strategies=len(names),
            objective=str(objective),
            runs=plural(description["runs"], "run"),
            budget=budget_in_words(description["budget"], benchmark.cost),
            seed=description["seed"],
            fingerprint=objective.fingerprint,
            failures=self._failures(),
            missing=plural(missing, "run") if (missing := self.comparison.missing) > 0 else "",
            headline=headline(self.comparison),
            results=self._results() if self.comparison.strategies else None,
            constants=constants_table(self.comparison),
            limits=objective.describe()["constraints"],
            conventions=conventions(self.comparison),
            provenance=Table([Head(""), Head("")], provenance, texts=2, facts=True),
            command=self.command,
            explorer=self.explorer,
        )

    def _failures(self) -> dict[str, Any] | None:
        failures = self.comparison.failures
        if not failures:
            return None
        return {
            "count": len(failures),
            "shown": failures[:_MOST_FAILURES],
            "more": max(len(failures) - _MOST_FAILURES, 0),
        }

    def _results(self) -> dict[str, Any]:
        figures = Figures(self.comparison, self._looks)
        has_tests = bool(self.comparison.tests)
        of_runs = told(self.comparison, self._looks)
        return {
            "summary": summary_table(self.comparison, self._looks),
            "summary_notes": " ".join(summary_notes(self.comparison)),
            "baselines": [baseline_table(one, self._looks) for one in self.baselines],
            "score": self._kept(figures.score()),
            "test": self._kept(figures.test()),
            "distribution": self._kept(figures.distribution()),
            "front": self._kept(figures.front()),
            "diagnosis": self._diagnosis(),
            "told": of_runs,
            "trivial": trivial_table(self.comparison) if of_runs else None,
            "tests": tests_table(self.comparison, self._looks) if has_tests else None,
            "tests_note": _TESTS_NOTE if has_tests else self._untested(),
            "cells": self._cells(figures),
            "cells_note": self._cells_note(),
        }

    def _kept(self, drawn: list[Picture] | str) -> list[Picture] | str:
        if not isinstance(drawn, str):
            self.pictures += drawn
        return drawn

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

    def _untested(self) -> str:
        if not self.comparison.found_feasible:
            return "No run found a feasible cell, so there is nothing to test."
        return "No two strategies finished the same runs."

    def _cells(self, figures: Figures) -> list[Card]:
        drawn = self.comparison.objective.benchmark.space.drawing_size is not None
        cards = []
        for found in best_cells(self.comparison, _BEST_CELLS):
            graph = figures.cell(found.trial.cell, found.rank) if drawn else None
            if graph:
                self.pictures.append(graph)
            cards.append(card(self.comparison, found, self._looks, graph))
        return cards

    def _cells_note(self) -> str:
        """What the cards show; a space whose cells cannot be drawn has no graphs to explain."""
        note = (
            "The cells of lowest score that any strategy evaluated, one for each function that cells compute, and in "
            "how many runs each did so."
        )
        if self.comparison.objective.benchmark.space.drawing_size is not None:
            note += (
                " An edge carries an operation, a node sums what enters it. Dotted: none; grey and dashed: dead, on no "
                "path from input to output, yet built and counted."
            )
        if self.comparison.objective.has_history:
            note += " A cell's score depends on the run's history; its lowest is shown."
        return note
