"""What one comparison tells its explorer: cells with their numbers, drawings and choices, and who
met them when.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Quantity
from surrogate_nas.objective import Objective, Scores
from surrogate_nas.report.reading import Comparison, Run, Values, final_questions, undominated
from surrogate_nas.report.style import looks
from surrogate_nas.space import Cell, ChoiceSpace, Enumerable, Space, listed
from surrogate_nas.space.base import numbered
from surrogate_nas.space.sketch import Mark, svg_of_mark
from surrogate_nas.space.trial import Trial
from surrogate_nas.tables import Seed

_ALIGNED = 8
_LEVEL = 6
_FEW = 4
"""A value has to be so frequent, on average, for a list of values to pay."""
_NARROW = 1 << 8
_WIDE = 1 << 16
_END = "\0"
"""Between texts."""


class Block:
    """Arrays and JSON as one compressed block, which the page's script unpacks where it is needed.

    A block is gzip of: the length of its JSON as four bytes, the JSON, and the arrays, each at a
    multiple of eight bytes. All numbers are little-endian. A column of few values is their list and
    a code for every cell, and so exact; another one has eight bytes a value where it must be exact,
    else four. What `array`, `column` and `texts` return goes into the JSON in their place.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def array(self, values: NDArray[Any]) -> dict[str, Any]:
        """Keep an array as it is."""
        content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        return self._stored(content, f"{values.dtype.kind}{values.dtype.itemsize}", values.size)

    def column(self, values: NDArray[np.float64], *, exact: bool) -> dict[str, Any]:
        """Keep one number a cell; NaN where there is none."""
        distinct, codes = np.unique(values, return_inverse=True)
        if len(distinct) * _FEW > len(values) or len(distinct) > _WIDE:
            return self.array(values if exact else values.astype(np.float32))
        narrow = len(distinct) <= _NARROW
        coded = codes.ravel().astype(np.uint8 if narrow else np.uint16)
        return {"type": "coded", "codes": self.array(coded), "values": self.array(distinct)}

    def texts(self, texts: Sequence[str]) -> dict[str, Any]:
        """Keep texts."""
        content = _END.join(text.replace(_END, " ") for text in texts).encode(
            "utf-8", "backslashreplace"
        )
        return self._stored(content, "texts", len(content))

    def _stored(self, content: bytes, kind: str, n: int) -> dict[str, Any]:
        at = self._length
        padded = content + bytes(-len(content) % _ALIGNED)
        self._parts.append(padded)
        self._length += len(padded)
        return {"type": kind, "at": at, "n": n}

    def packed(self, told: Mapping[str, Any]) -> bytes:
        """The block."""
        head = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
        head += b" " * (-(4 + len(head)) % _ALIGNED)
        return compressed(len(head).to_bytes(4, "little") + head + b"".join(self._parts))


def compressed(content: bytes) -> bytes:
    """The same content as gzip, the same bytes every time."""
    return gzip.compress(content, _LEVEL, mtime=0)


_LOSS = "L"
_PENALTY = "λR"
_PART = "objective {}"
_SCORE = "score"
"""The names of what is minimised, and of the group that these are."""
_NOWHERE = 0
"""The cell of a trial after other epochs than the objective's, which has no score here; all others
count from 1.
"""


READ = "read by the objective"
FINAL = "final, never searched on"
COST = "costs"
TRAINED = "other trainings"
STRUCTURE = "structure"
PROXY = "proxies"
"""Groups of metrics."""
_UNTRAINED: dict[Quantity, str] = {"structure": STRUCTURE, "proxy": PROXY}
_DECIMALS = {"%": 2, "M": 2, "nats": 4, "parameters": 0}
"""As everywhere in reports; four significant digits in all other units."""


_DRAW_SEED = 201
_BEST_SHARE = 0.01
_FEWEST_BEST = 20
"""The best cells, whose choices are set against all others': a hundredth, but not fewer than
these.
"""
_SURVEYED = 20_000
"""Of how many cells the choices of all are counted, where a space has more."""
Places = NDArray[np.intp]


class Detail(NamedTuple):
    """How much a page has room for: most cells that no run met, metrics, runs of a strategy, and
    whether all digits.
    """

    background: int
    metrics: int
    runs: int
    exact: bool


class ProblemData:
    """Packs a comparison in as much detail as there is room for."""

    def __init__(
        self,
        comparison: Comparison,
        strategies: Sequence[str],
        runs: int,
    ) -> None:
        """Take so many runs of each of some strategies, which are in the order of the page."""
        self.comparison = comparison
        self.objective = comparison.objective
        self.benchmark = self.objective.benchmark
        self._looks = looks(strategies)
        finished = {name: comparison.runs_of(name) for name in strategies}
        self._runs = {
            name: [run for run in made if run.run < runs] for name, made in finished.items() if made
        }

    @cached_property
    def _scores(self) -> Scores | None:
        """Of every cell of the table; None where only evaluated cells are known."""
        return self.objective.over_space()

    def packed(self, detail: Detail) -> bytes:
        """The comparison as a `Block`."""
        runs = [run for made in self._runs.values() for run in made[: detail.runs]]
        shown = shown_cells(self.comparison, runs, detail.background)
        block = Block()
        answers = {cell for run in runs for cell in _best_so_far(run)}
        identities = [
            self.benchmark.space.identity(cell) if cell in answers else "" for cell in shown.cells
        ]
        return block.packed(
            {
                **self._headings(shown),
                "texts": block.texts([cell.text for cell in shown.cells]),
                "feasible": block.array(shown.scores.feasible.astype(np.uint8)),
                "front": block.array(self._front(shown)),
                "drawn": None if shown.drawn is None else block.array(shown.drawn.astype(np.uint8)),
                "identities": block.array(numbered(identities, len(identities))),
                "space": self._space(shown.cells, block),
                "shares": self._shares,
                "columns": [
                    *self._score_columns(shown, detail, block),
                    *self._metric_columns(shown, detail, block),
                ],
                "drawings": _drawings(self.benchmark.space, shown.cells, block),
                "trials": self._trials(shown.cells, runs, block),
            }
        )

    def _headings(self, shown: Shown) -> dict[str, Any]:
        objective = self.objective
        benchmark = self.benchmark
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
            "runs_made": made,
            "first_cells": self.comparison.description["first_cells"],
            "seed_policy": objective.seed_policy,
        }

    def _front(self, shown: Shown) -> NDArray[np.uint8]:
        """Which of the shown cells are of the exact front, which they hold as a whole; none where
        no table tells it.
        """
        on = np.zeros(len(shown.cells), dtype=np.uint8)
        if self._scores is not None:
            on[_front_among(self.objective, shown.scores)] = 1
        return on

    @cached_property
    def _shares(self) -> dict[str, Any] | None:
        """How frequent each option is at every position, among the best cells of the table and
        among all.
        """
        scores = self._scores
        space = self.benchmark.space
        if scores is None or not isinstance(space, ChoiceSpace):
            return None
        cells = listed(space)
        n = len(scores.loss)
        if self.objective.parts > 1:
            best = _front_among(self.objective, scores)
        else:
            held = np.where(scores.feasible, scores.score, np.inf)
            best = held.argsort(kind="stable")[: max(int(n * _BEST_SHARE), _FEWEST_BEST)]
            best = best[np.isfinite(held[best])]
        if not len(best):
            return None
        some = np.arange(n) if n <= _SURVEYED else _drawn(n, _SURVEYED)
        told = {
            "best": int(len(best)),
            "of": n,
            "surveyed": int(len(some)),
            "front": self.objective.parts > 1,
        }
        return told | {
            "among_best": _counted(space, cells, best),
            "among_all": _counted(space, cells, some),
        }

    def _axes(self) -> list[str | None]:
        """The columns that the page begins with, across and up; None for the first cost that there
        is.
        """
        if self.objective.parts > 1:
            return [_PART.format(1), _PART.format(2)]
        asked = self.objective.questions()
        limited = (
            str(question)
            for question in asked
            if not self.benchmark.metric(question.metric).is_loss
        )
        return [_PENALTY if self._has_penalty else next(limited, None), _LOSS]

    @property
    def _has_penalty(self) -> bool:
        return self.objective.has_history or not all(term.is_loss for term in self.objective.terms)

    def _score_columns(
        self,
        shown: Shown,
        detail: Detail,
        block: Block,
    ) -> list[dict[str, Any]]:
        objective = self.objective
        scores = shown.scores
        losses = [term for term in objective.terms if term.is_loss]
        if objective.parts > 1:
            parts = range(objective.parts)
            told = [(_PART.format(p + 1), *self._part_told(p), scores.vector[:, p]) for p in parts]
        else:
            loss = " + ".join(_weighted(term.weight, term.name) for term in losses)
            told = [(_LOSS, loss, self._loss_unit, scores.loss)]
        if objective.parts == 1 and self._has_penalty:
            rest = [
                _weighted(term.weight, term.name) for term in objective.terms if not term.is_loss
            ]
            if objective.has_history:
                rest.append(_weighted(objective.diversity_weight, "diversity"))
            told.append((_PENALTY, " + ".join(rest), "", scores.penalty))
        lossy = {term.part for term in losses}
        return [
            _column(n, text, unit, 5, _SCORE, block.column(v, exact=detail.exact))
            | {"cut": number in lossy}
            for number, (n, text, unit, v) in enumerate(told)
        ]

    def _part_told(self, part: int) -> tuple[str, str]:
        """What an objective of several is, with what it is divided by, and its unit where it is one
        undivided term.
        """
        text = self.objective.part_text(part)
        terms = [term for term in self.objective.terms if term.part == part]
        if len(terms) != 1:
            return text, ""
        divisor = terms[0].divisor
        return (text, terms[0].unit) if divisor == 1.0 else (f"{text} / {divisor:,.5g}", "")

    @property
    def _loss_unit(self) -> str:
        """The unit of L where that is its losses' own."""
        units = {
            term.unit if term.divisor == 1.0 else ""
            for term in self.objective.terms
            if term.is_loss
        }
        return units.pop() if len(units) == 1 else ""

    def _metric_columns(
        self,
        shown: Shown,
        detail: Detail,
        block: Block,
    ) -> list[dict[str, Any]]:
        columns: list[dict[str, Any]] = []
        for asked in _wanted(self.objective):
            values = self._values(asked, shown)
            if len(columns) < detail.metrics and values is not None and np.isfinite(values).any():
                metric = self.benchmark.metric(asked.question.metric)
                kept = block.column(values, exact=detail.exact and asked.group == READ)
                name = str(asked.question)
                unit = metric.unit
                column = _column(
                    name, metric.description, unit, _DECIMALS.get(unit), asked.group, kept
                )
                columns.append(column | {"larger": metric.larger_is_better})
        return columns

    def _values(self, asked: _Wanted, shown: Shown) -> Values | None:
        if shown.places is not None:
            return _table_values(self.objective, asked, shown.places)
        return _told_values(self.benchmark, asked, shown.trials, self.objective.seed)

    def _space(self, cells: Sequence[Cell], block: Block) -> dict[str, Any]:
        space = self.benchmark.space
        told: dict[str, Any] = {"name": space.name, "positions": [], "options": [], "choices": None}
        if isinstance(space, ChoiceSpace):
            choices = np.array([cell.choices for cell in cells], dtype=np.int8)
            told |= {
                "positions": space.positions,
                "options": space.options,
                "choices": block.array(choices.T),
            }
        return told

    def _trials(
        self,
        cells: Sequence[Cell],
        runs: Sequence[Run],
        block: Block,
    ) -> dict[str, Any]:
        """Every trial of the runs: which cell, and when it had finished; those of a run one after
        the other.
        """
        numbers = {cell: number for number, cell in enumerate(cells, _NOWHERE + 1)}
        met = []
        finished = []
        for run in runs:
            answers = (trial.epochs == run.epochs for trial in run.trials)
            met += [
                numbers[t.cell] if is_one else _NOWHERE
                for t, is_one in zip(run.trials, answers, strict=True)
            ]
            finished += [trial.finished for trial in run.trials]
        names = list(self._runs)
        looks_of = [(name, self._looks[name]) for name in names]
        kind = np.uint16 if len(cells) < _WIDE else np.uint32
        return {
            "strategies": [
                {
                    "name": name,
                    "colour": look.variable,
                    "path": look.svg_mark,
                    "hollow": look.hollow,
                    "dash": " ".join(f"{2 * length:g}" for length in look.dash),
                    "ring": look.dotted,
                }
                for name, look in looks_of
            ],
            "runs": [
                {"strategy": names.index(r.strategy), "run": r.run, "trials": len(r.trials)}
                for r in runs
            ],
            "cells": block.array(np.array(met, dtype=kind)),
            "finished": block.array(
                np.minimum(finished, np.finfo(np.float32).max).astype(np.float32)
            ),
        }


def _column(
    name: str,
    text: str,
    unit: str,
    places: int | None,
    group: str,
    values: dict[str, Any],
) -> dict[str, Any]:
    """A column of the page: its name, what that is, its unit, its decimals, its group and its
    values.

    Besides, whether larger is better, and whether cells that cannot learn stretch it, so that a
    frame cuts it.
    """
    told = {"name": name, "text": text, "unit": unit, "decimals": places, "group": group}
    return {**told, "larger": False, "cut": False, "values": values}


def _weighted(weight: float, name: str) -> str:
    return name if weight == 1.0 else f"{weight:g}*{name}"


class Shown(NamedTuple):
    """The cells of a page, each array in their order.

    Attributes:
        cells: The cells.
        scores: Their scores.
        trials: One trial of each; empty where a table tells all cells.
        places: Their places in the order of the table; None where there is no table.
        drawn: Which of them are of the fixed draw that stands for all; None where all are shown, or
            there is no table.
    """

    cells: Sequence[Cell]
    scores: Scores
    trials: Sequence[Trial] = ()
    places: Places | None = None
    drawn: NDArray[np.bool_] | None = None


def shown_cells(comparison: Comparison, runs: Sequence[Run], background: int) -> Shown:
    """Choose the cells of a page."""
    best: dict[Cell, Trial] = {}
    for run in runs:
        for trial in comparison.reported(run):
            if trial.epochs == run.epochs and (
                trial.cell not in best or trial.score < best[trial.cell].score
            ):
                best[trial.cell] = trial
    objective = comparison.objective
    told = objective.over_space()
    if told is None:
        trials = list(best.values())
        return Shown(list(best), _scores_of(trials), trials)
    space = listed(objective.benchmark.space)
    places = _places(objective, told, [space.index(cell) for cell in best], background)
    scores = Scores(
        told.score[places],
        told.loss[places],
        told.penalty[places],
        told.feasible[places],
        told.vector[places],
    )
    n = len(told.loss)
    drawn = None if len(places) == n else np.isin(places, _drawn(n, background))
    return Shown([space[place] for place in places.tolist()], scores, places=places, drawn=drawn)


def _places(
    objective: Objective,
    told: Scores,
    met: Sequence[int],
    background: int,
) -> Places:
    """The evaluated cells, the exact front, and a fixed draw of all others, in the order of the
    space.
    """
    n = len(told.loss)
    if n - len(met) <= background:
        return np.arange(n)
    evaluated = np.array(met, dtype=np.intp)
    return np.unique(
        np.concatenate([evaluated, _front_among(objective, told), _drawn(n, background)])
    )


def _front_among(objective: Objective, told: Scores) -> Places:
    """The places of the cells that no other beats in every objective, or in loss and penalty."""
    feasible = np.flatnonzero(told.feasible)
    plane = told.vector if objective.parts > 1 else np.column_stack([told.penalty, told.loss])
    return feasible[undominated(plane[feasible])] if len(feasible) else feasible


def _drawn(n: int, wanted: int) -> Places:
    """A fixed draw of so many of n cells; a smaller one is part of a larger."""
    return np.random.default_rng(_DRAW_SEED).permutation(n)[:wanted]


def _counted(space: ChoiceSpace, cells: Enumerable, places: Places) -> list[list[float]]:
    """The share of every option at every position, among cells of the space."""
    choices = np.array([cells[place].choices for place in places.tolist()])
    counts = (
        np.bincount(choices[:, p], minlength=len(space.options[p])) for p in range(choices.shape[1])
    )
    return [[round(count / len(choices), 4) for count in held.tolist()] for held in counts]


def _best_so_far(run: Run) -> list[Cell]:
    """The cells that were the best of a run until then, any of which the page may show as its
    answer.
    """
    found = []
    best = np.inf
    for trial in run.trials:
        if trial.feasible and trial.score < best:
            found.append(trial.cell)
            best = trial.score
    return found


def _scores_of(trials: Sequence[Trial]) -> Scores:
    score, loss, penalty = (
        _numbers([getattr(trial, name) for trial in trials])
        for name in ("score", "loss", "penalty")
    )
    feasible = np.array([trial.feasible for trial in trials], dtype=np.bool_)
    vector = np.array([trial.scores or (trial.score,) for trial in trials], dtype=np.float64)
    return Scores(score, loss, penalty, feasible, vector)


def _numbers(numbers: Sequence[float]) -> Values:
    return np.array(numbers, dtype=np.float64)


@dataclass(frozen=True)
class _Wanted:
    """A metric that is shown."""

    question: Question
    group: str


def _wanted(objective: Objective) -> list[_Wanted]:
    """Everything that can be told of a cell, each once: what the objective reads, finals, costs,
    and the rest.
    """
    benchmark = objective.benchmark
    found = [_Wanted(question, READ) for question in objective.questions()]
    if benchmark.has_columns:
        found += [_Wanted(question, FINAL) for question in final_questions(objective)]
    search = [metric for metric in benchmark.metrics if metric.kind == "search"]
    rest = [
        _Wanted(
            benchmark.question(m.name),
            TRAINED if m.epochs or m.is_loss else _UNTRAINED.get(m.quantity, COST),
        )
        for m in search
    ]
    order = (COST, TRAINED, STRUCTURE, PROXY)
    found += sorted(rest, key=lambda one: order.index(one.group))
    asked: dict[Question, _Wanted] = {}
    for one in found:
        asked.setdefault(one.question, one)
    return list(asked.values())


def _table_values(
    objective: Objective,
    asked: _Wanted,
    places: NDArray[np.intp],
) -> Values | None:
    """A metric of some cells of a table, shape ``(n,)``, NaN where none is held; None where the
    table lacks it.
    """
    question = asked.question
    seed = objective.seed if asked.group == READ else None
    try:
        column = objective.benchmark.column(question.metric, question.epochs, seed)
    except UserError:  # a column of the mean over seeds may not be held
        return None
    return np.asarray(column[places])


def _told_values(
    benchmark: Benchmark,
    asked: _Wanted,
    trials: Sequence[Trial],
    seed: Seed,
) -> Values | None:
    """A metric of evaluated cells, shape ``(n,)``, from what their trials read or what needs no
    training.
    """
    name = str(asked.question)
    if any(name in trial.values for trial in trials):
        return np.array([trial.values.get(name, np.nan) for trial in trials], dtype=np.float64)
    free = benchmark.free(asked.question, seed)
    return (
        None
        if free is None
        else np.asarray(free([trial.cell for trial in trials]), dtype=np.float64)
    )


class _Marks:
    """The drawings of a space's cells: every mark once, and for each cell the numbers of its
    marks.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self.marks: list[Mark] = []
        self._numbers: dict[Mark, int] = {}
        # a mark's number by its object, as spaces share equal marks between cells
        self._seen: dict[int, int] = {}
        self._places: dict[Cell, list[int]] = {}
        self._sketches: list[Any] = []

    def of(self, cell: Cell) -> list[int]:
        """The numbers of a cell's marks, from the lowest to the uppermost."""
        if cell not in self._places:
            sketch = self._space.sketch(cell)
            self._sketches.append(sketch)  # what it is made of stays the object that was seen
            self._places[cell] = [self._number(mark) for mark in sketch.marks] if sketch else []
        return self._places[cell]

    def _number(self, mark: Mark) -> int:
        number = self._seen.get(id(mark))
        if number is None:
            number = self._seen[id(mark)] = self._numbers.setdefault(mark, len(self._numbers))
            if number == len(self.marks):
                self.marks.append(mark)
        return number


_marks = lru_cache(maxsize=2)(_Marks)
"""Kept between the problems of a page, and between the details in which each is tried."""


def _drawings(space: Space, cells: Sequence[Cell], block: Block) -> dict[str, Any] | None:
    """Sketch cells, at least one; None where the space draws none, and where its drawings have no
    marks.
    """
    first = space.sketch(cells[0])
    if first is None:
        return None
    known = _marks(space)
    held = [known.of(cell) for cell in cells]
    counts = np.array([len(numbers) for numbers in held], dtype=np.uint16)
    met = np.fromiter(chain.from_iterable(held), np.int64, int(counts.sum(dtype=np.int64)))
    found, places, codes = np.unique(met, return_index=True, return_inverse=True)
    order = places.argsort()  # numbers in the order of the cells
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    kind = np.uint32 if len(found) > np.iinfo(np.uint16).max else np.uint16
    return {
        "size": first.size,
        "marks": [svg_of_mark(known.marks[number]) for number in found[order].tolist()],
        "codes": block.array(ranks[codes].astype(kind)),
        "counts": block.array(counts),
    }
