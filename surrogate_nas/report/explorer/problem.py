"""What one comparison tells its explorer: cells with their numbers, drawings and choices, and who met them when."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.objective import Scores
from surrogate_nas.report.explorer.cells import Shown, shown_cells
from surrogate_nas.report.explorer.columns import READ, Wanted, decimals, table_values, told_values, wanted
from surrogate_nas.report.explorer.drawings import drawings
from surrogate_nas.report.explorer.packing import Block
from surrogate_nas.report.look import looks
from surrogate_nas.space import Cell, ChoiceSpace
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.store import Run

_SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
    "p": "pentagon",
}  # fmt: skip
"""Plotly's names of the markers."""
_LOSS, _PENALTY, _PART, _SCORE = "L", "λR", "objective {}", "score"
"""The names of what is minimised, and of the group that these are."""
_NOWHERE = -1
"""The cell of a trial after other epochs than the objective's, which has no score here."""


class Detail(NamedTuple):
    """How much of a comparison a page has room for.

    Attributes:
        background: The most cells that no run met.
        metrics: The most metrics.
        runs: The most runs of a strategy.
        exact: Whether what the objective reads has all its digits, not seven.
    """

    background: int
    metrics: int
    runs: int
    exact: bool


class ProblemData:
    """Packs a comparison in as much detail as there is room for."""

    def __init__(self, comparison: Comparison, strategies: Sequence[str], runs: int) -> None:
        """Take what is explored.

        Args:
            comparison: The comparison.
            strategies: Which of its strategies, in the order that gives them their looks.
            runs: How many runs of each, from the first.
        """
        self.comparison = comparison
        self.objective = comparison.objective
        self.benchmark = self.objective.benchmark
        self._looks = looks(strategies)
        finished = {name: comparison.runs_of(name) for name in strategies}
        self._runs = {name: [run for run in made if run.run < runs] for name, made in finished.items() if made}

    @cached_property
    def _scores(self) -> Scores | None:
        """Of every cell of the table; None where only evaluated cells are known."""
        return self.objective.over_space()

    def packed(self, detail: Detail) -> bytes:
        """The comparison as a block of `surrogate_nas.report.explorer.packing`.

        Args:
            detail: How much of it.
        """
        runs = [run for made in self._runs.values() for run in made[: detail.runs]]
        shown = shown_cells(self.comparison, runs, detail.background)
        block = Block()
        return block.packed(
            {
                **self._headings(shown, runs),
                "texts": block.texts([cell.text for cell in shown.cells]),
                "feasible": block.array(shown.scores.feasible.astype(np.uint8)),
                "space": self._space(shown.cells, block),
                "columns": [*self._score_columns(shown, detail, block), *self._metric_columns(shown, detail, block)],
                "drawings": drawings(self.benchmark.space, shown.cells, block),
                "trials": self._trials(shown.cells, runs, block),
            }
        )

    def _headings(self, shown: Shown, runs: Sequence[Run]) -> dict[str, Any]:
        objective, benchmark = self.objective, self.benchmark
        held = np.where(shown.scores.feasible, shown.scores.score, np.inf)
        known = self._scores is not None and objective.parts == 1 and np.isfinite(held).any()
        made = sum(map(len, self._runs.values()))
        return {
            "benchmark": benchmark.name,
            "title": benchmark.title,
            "banner": " ".join(filter(None, (objective.warning, benchmark.banner))),
            "objective": str(objective),
            "fingerprint": objective.fingerprint,
            "unit": benchmark.cost,
            "axes": self._axes(),
            "table": self._scores is not None,
            "cells": None if self._scores is None else len(self._scores.loss),
            "optimum": int(held.argmin()) if known else None,
            "runs_left_out": made - len(runs),
            "seed_policy": objective.seed_policy,
        }

    def _axes(self) -> list[str | None]:
        """The columns that the page begins with, across and up; None for the first cost that there is."""
        if self.objective.parts > 1:
            return [_PART.format(1), _PART.format(2)]
        asked = self.objective.questions()
        limited = (str(question) for question in asked if not self.benchmark.metric(question.metric).is_loss)
        return [_PENALTY if self._has_penalty else next(limited, None), _LOSS]

    @property
    def _has_penalty(self) -> bool:
        return self.objective.has_history or not all(term.is_loss for term in self.objective.terms)

    def _score_columns(self, shown: Shown, detail: Detail, block: Block) -> list[dict[str, Any]]:
        objective, scores = self.objective, shown.scores
        losses = [term for term in objective.terms if term.is_loss]
        if objective.parts > 1:
            parts = range(objective.parts)
            told = [(_PART.format(p + 1), objective.part_text(p), "", scores.vector[:, p]) for p in parts]
        else:
            loss = " + ".join(_weighted(term.weight, term.name) for term in losses)
            told = [(_LOSS, loss, self._loss_unit, scores.loss)]
        if objective.parts == 1 and self._has_penalty:
            rest = [_weighted(term.weight, term.name) for term in objective.terms if not term.is_loss]
            if objective.has_history:
                rest.append(_weighted(objective.diversity_weight, "diversity"))
            told.append((_PENALTY, " + ".join(rest), "", scores.penalty))
        lossy = {term.part for term in losses}
        return [
            _column(n, text, unit, 5, _SCORE, block.column(v, exact=detail.exact)) | {"cut": number in lossy}
            for number, (n, text, unit, v) in enumerate(told)
        ]

    @property
    def _loss_unit(self) -> str:
        """The unit of L where that is its losses' own."""
        units = {term.unit if term.divisor == 1.0 else "" for term in self.objective.terms if term.is_loss}
        return units.pop() if len(units) == 1 else ""

    def _metric_columns(self, shown: Shown, detail: Detail, block: Block) -> list[dict[str, Any]]:
        columns: list[dict[str, Any]] = []
        for asked in wanted(self.objective):
            values = self._values(asked, shown)
            if len(columns) < detail.metrics and values is not None and np.isfinite(values).any():
                metric = self.benchmark.metric(asked.question.metric)
                kept = block.column(values, exact=detail.exact and asked.group == READ)
                name, unit = str(asked.question), metric.unit
                column = _column(name, metric.description, unit, decimals(unit), asked.group, kept)
                columns.append(column | {"larger": metric.larger_is_better})
        return columns

    def _values(self, asked: Wanted, shown: Shown) -> Values | None:
        if shown.places is not None:
            return table_values(self.objective, asked, shown.places)
        return told_values(self.benchmark, asked, shown.trials, self.objective.seed)

    def _space(self, cells: Sequence[Cell], block: Block) -> dict[str, Any]:
        space = self.benchmark.space
        told: dict[str, Any] = {"name": space.name, "positions": [], "options": [], "choices": None}
        if isinstance(space, ChoiceSpace):
            choices = np.array([cell.choices for cell in cells], dtype=np.int8)
            told |= {"positions": space.positions, "options": space.options, "choices": block.array(choices.T)}
        return told

    def _trials(self, cells: Sequence[Cell], runs: Sequence[Run], block: Block) -> dict[str, Any]:
        """Every trial of the runs: which cell, and when it had finished; those of a run one after the other."""
        numbers = {cell: number for number, cell in enumerate(cells)}
        met, finished = [], []
        for run in runs:
            answers = (trial.epochs == run.epochs for trial in run.trials)
            met += [numbers[t.cell] if is_one else _NOWHERE for t, is_one in zip(run.trials, answers, strict=True)]
            finished += [trial.finished for trial in run.trials]
        names = list(self._runs)
        looks_of = [(name, self._looks[name]) for name in names]
        return {
            "strategies": [{"name": n, "colour": k.colour, "symbol": _SYMBOLS[k.marker]} for n, k in looks_of],
            "runs": [{"strategy": names.index(r.strategy), "run": r.run, "trials": len(r.trials)} for r in runs],
            "cells": block.array(np.array(met, dtype=np.int32)),
            "finished": block.array(np.minimum(finished, np.finfo(np.float32).max).astype(np.float32)),
        }


def _column(name: str, text: str, unit: str, places: int | None, group: str, values: dict[str, Any]) -> dict[str, Any]:
    """A column of the page: its name, what that is, its unit, its decimals, its group and its values.

    Besides, whether larger is better, and whether cells that cannot learn stretch it, so that a frame cuts it.
    """
    told = {"name": name, "text": text, "unit": unit, "decimals": places, "group": group}
    return {**told, "larger": False, "cut": False, "values": values}


def _weighted(weight: float, name: str) -> str:
    return name if weight == 1.0 else f"{weight:g}*{name}"
