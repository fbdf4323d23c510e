"""The explorer's data of a comparison (cells, metrics, diagrams, choices and trials), and the
explorer's page. The page is an HTML document of less than six megabytes, with as much detail as
fits.
"""

import base64
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property, lru_cache
from itertools import chain
from sys import maxsize
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Question
from surrogate_nas.core import Quantity, UserError
from surrogate_nas.objective import Objective, Scores
from surrogate_nas.report.markup import render
from surrogate_nas.report.reading import (
    Comparison,
    Run,
    Values,
    final_questions,
    undominated,
)
from surrogate_nas.report.style import styles
from surrogate_nas.space import (
    Cell,
    ChoiceSpace,
    Enumerable,
    Space,
    Trial,
    choices_of,
    listed,
)
from surrogate_nas.space.base import numbered
from surrogate_nas.space.sketch import Mark, svg_of_mark

_ALIGNED = 8
_LEVEL = 6
_FEW = 4  # how often a value must occur on average for a list of distinct values to be smaller
_NARROW = 1 << 8
_WIDE = 1 << 16
_END = "\0"  # between texts


class Block:
    """A compressed block of arrays and JSON, which the script of the explorer's page unpacks on
    demand.

    A block is a gzip file with the length of its JSON as four bytes, the JSON, and the arrays, each
    aligned to eight bytes. All numbers are little-endian. A column with few distinct values is
    stored exactly, as a list of values and a code per cell. Other columns take eight bytes per
    value if they must be exact, and otherwise four bytes. The methods `array`, `column` and `texts`
    add data and return a reference to it for use in the JSON.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def array(self, values: NDArray[Any]) -> dict[str, Any]:
        """Add an array."""
        content = (
            np.ascontiguousarray(values)
            .astype(values.dtype.newbyteorder("<"))
            .tobytes()
        )
        return self._stored(
            content, f"{values.dtype.kind}{values.dtype.itemsize}", values.size
        )

    def column(self, values: NDArray[np.float64], *, exact: bool) -> dict[str, Any]:
        """Add a column with one number per cell. Missing numbers are NaN."""
        distinct, codes = np.unique(values, return_inverse=True)
        if len(distinct) * _FEW > len(values) or len(distinct) > _WIDE:
            return self.array(values if exact else values.astype(np.float32))
        narrow = len(distinct) <= _NARROW
        coded = codes.ravel().astype(np.uint8 if narrow else np.uint16)
        return {
            "type": "coded",
            "codes": self.array(coded),
            "values": self.array(distinct),
        }

    def texts(self, texts: Sequence[str]) -> dict[str, Any]:
        """Add texts."""
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

    def packed(self, content: Mapping[str, Any]) -> bytes:
        """Return the compressed block."""
        head = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
        head += b" " * (-(4 + len(head)) % _ALIGNED)
        return compressed(
            len(head).to_bytes(4, "little") + head + b"".join(self._parts)
        )


def compressed(content: bytes) -> bytes:
    """Compress content with gzip. Equal content gives equal bytes."""
    return gzip.compress(content, _LEVEL, mtime=0)


_LOSS = "L"
_PENALTY = "λR"
_OBJECTIVE = "objective {}"
_SCORE = "score"  # the names of what is minimised, and of the group that these are
# The cell of a trial at other epochs than the objective's; the numbers of others start at 1.
_NO_CELL = 0


READ = "read by the objective"
FINAL = "final, not used in searches"
COST = "costs"
TRAINED = "other trainings"
STRUCTURE = "structure"
PROXY = "proxies"
"""Groups of metrics."""
_UNTRAINED: dict[Quantity, str] = {"structure": STRUCTURE, "proxy": PROXY}
# As everywhere in reports; four significant digits in all other units.
_DECIMALS = {"%": 2, "M": 2, "nats": 4, "parameters": 0}


_DRAW_SEED = 201
_BEST_SHARE = 0.01
# The best cells, whose choices are compared with all: 1 % of the space, at least so many.
_FEWEST_BEST = 20
_MOST_COUNTED = 20_000  # cells whose choices are counted; of a larger space a sample
Indices = NDArray[np.intp]


class Detail(NamedTuple):
    """The level of detail of the explorer's page: the number of cells that no run evaluated, the
    number of metrics, the number of runs per strategy, and whether numbers are exact.
    """

    background: int
    metrics: int
    runs: int
    exact: bool


class ProblemData:
    """A comparison whose data can be packed at several levels of detail for the explorer."""

    def __init__(
        self, comparison: Comparison, strategies: Sequence[str], runs: int
    ) -> None:
        """Select the first runs of some strategies, in the order of the page."""
        self.comparison = comparison
        self.objective = comparison.objective
        self.benchmark = self.objective.benchmark
        self._styles = styles(strategies)
        finished = {name: comparison.runs_of(name) for name in strategies}
        self._runs = {
            name: [run for run in results if run.run < runs]
            for name, results in finished.items()
            if results
        }

    @cached_property
    def _scores(self) -> Scores | None:
        """Return the scores of all cells of the table, or None if there is no table."""
        return self.objective.over_space()

    def packed(self, detail: Detail, most: float = np.inf) -> bytes:
        """Return the comparison's data as a packed `Block`, or empty bytes if the scores alone take
        more than `most` bytes.
        """
        runs = [
            run for results in self._runs.values() for run in results[: detail.runs]
        ]
        selection = select_cells(self.comparison, runs, detail.background)
        scores = Block()
        self._score_columns(selection, detail, scores)
        if len(scores.packed({})) > most:
            return b""
        block = Block()
        best = {cell for run in runs for cell in _best_so_far(run)}
        identity = self.benchmark.space.identity
        identities = [
            identity(cell) if cell in best else "" for cell in selection.cells
        ]
        on_front = np.zeros(len(selection.cells), dtype=np.uint8)
        if self._scores is not None:
            on_front[_front_among(self.objective, selection.scores)] = 1
        sampled = None
        if selection.drawn is not None:
            sampled = block.array(selection.drawn.astype(np.uint8))
        return block.packed(
            {
                **self._headings(selection),
                "texts": block.texts([cell.text for cell in selection.cells]),
                "feasible": block.array(selection.scores.feasible.astype(np.uint8)),
                "front": block.array(on_front),
                "drawn": sampled,
                "identities": block.array(numbered(identities, len(identities))),
                "space": self._space(selection.cells, block),
                "shares": self._shares,
                "columns": [
                    *self._score_columns(selection, detail, block),
                    *self._metric_columns(selection, detail, block),
                ],
                "drawings": _drawings(self.benchmark.space, selection.cells, block),
                "trials": self._trials(selection.cells, runs, block),
            }
        )

    def _headings(self, selection: "Selection") -> dict[str, Any]:
        objective = self.objective
        benchmark = self.benchmark
        feasible = np.where(selection.scores.feasible, selection.scores.score, np.inf)
        known = (
            self._scores is not None
            and objective.n_objectives == 1
            and np.isfinite(feasible).any()
        )
        n_runs = sum(map(len, self._runs.values()))
        return {
            "benchmark": benchmark.name,
            "title": benchmark.title,
            "banner": " ".join(filter(None, (objective.warning, benchmark.banner))),
            "objective": str(objective),
            "fingerprint": objective.fingerprint,
            "unit": benchmark.cost_unit,
            "axes": self._axes(),
            "table": self._scores is not None,
            "cells": None if self._scores is None else len(self._scores.loss),
            "optimum": int(feasible.argmin()) if known else None,
            "runs_made": n_runs,
            "first_cells": self.comparison.description["first_cells"],
            "seed_policy": objective.seed_policy,
        }

    @cached_property
    def _shares(self) -> dict[str, Any] | None:
        scores = self._scores
        space = self.benchmark.space
        if scores is None or not isinstance(space, ChoiceSpace):
            return None
        cells = listed(space)
        n = len(scores.loss)
        if self.objective.n_objectives > 1:
            best = _front_among(self.objective, scores)
        else:
            feasible = np.where(scores.feasible, scores.score, np.inf)
            n_best = max(int(n * _BEST_SHARE), _FEWEST_BEST)
            best = feasible.argsort(kind="stable")[:n_best]
            best = best[np.isfinite(feasible[best])]
        if not len(best):
            return None
        some = np.arange(n) if n <= _MOST_COUNTED else _sample(n, _MOST_COUNTED)
        return {
            "best": int(len(best)),
            "of": n,
            "surveyed": int(len(some)),
            "front": self.objective.n_objectives > 1,
            "among_best": _counted(space, cells, best),
            "among_all": _counted(space, cells, some),
        }

    def _axes(self) -> list[str | None]:
        if self.objective.n_objectives > 1:
            return [_OBJECTIVE.format(1), _OBJECTIVE.format(2)]
        asked = self.objective.questions()
        limited = (
            str(question)
            for question in asked
            if not self.benchmark.metric(question.metric).is_loss
        )
        return [_PENALTY if self._has_penalty else next(limited, None), _LOSS]

    @property
    def _has_penalty(self) -> bool:
        return self.objective.has_history or not all(
            term.is_loss for term in self.objective.terms
        )

    def _score_columns(
        self, selection: "Selection", detail: Detail, block: Block
    ) -> list[dict[str, Any]]:
        objective = self.objective
        scores = selection.scores
        losses = [term for term in objective.terms if term.is_loss]
        if objective.n_objectives > 1:
            columns = [
                (
                    _OBJECTIVE.format(part + 1),
                    *self._objective_label(part),
                    scores.vector[:, part],
                )
                for part in range(objective.n_objectives)
            ]
        else:
            loss = " + ".join(_weighted(term.weight, term.name) for term in losses)
            units = {term.unit if term.divisor == 1.0 else "" for term in losses}
            columns = [
                (_LOSS, loss, units.pop() if len(units) == 1 else "", scores.loss)
            ]
        if objective.n_objectives == 1 and self._has_penalty:
            rest = [
                _weighted(term.weight, term.name)
                for term in objective.terms
                if not term.is_loss
            ]
            if objective.has_history:
                rest.append(_weighted(objective.diversity_weight, "diversity"))
            columns.append((_PENALTY, " + ".join(rest), "", scores.penalty))
        lossy = {term.part for term in losses}
        return [
            _column(n, text, unit, 5, _SCORE, block.column(v, exact=detail.exact))
            | {"cut": number in lossy}
            for number, (n, text, unit, v) in enumerate(columns)
        ]

    def _objective_label(self, part: int) -> tuple[str, str]:
        text = self.objective.part_text(part)
        terms = [term for term in self.objective.terms if term.part == part]
        if len(terms) != 1 or terms[0].divisor == 1.0:
            return text, terms[0].unit if len(terms) == 1 else ""
        return f"{text} / {terms[0].divisor:,.5g}", ""

    def _metric_columns(
        self, selection: "Selection", detail: Detail, block: Block
    ) -> list[dict[str, Any]]:
        columns: list[dict[str, Any]] = []
        for question, group in _shown_metrics(self.objective).items():
            values = self._values(question, group, selection)
            if (
                len(columns) < detail.metrics
                and values is not None
                and np.isfinite(values).any()
            ):
                metric = self.benchmark.metric(question.metric)
                packed = block.column(values, exact=detail.exact and group == READ)
                unit = metric.unit
                digits = _DECIMALS.get(unit)
                column = _column(
                    str(question), metric.description, unit, digits, group, packed
                )
                columns.append(column | {"larger": metric.larger_is_better})
        return columns

    def _values(
        self, question: Question, group: str, selection: "Selection"
    ) -> Values | None:
        if selection.places is not None:
            seed = self.objective.training_seed if group == READ else None
            try:
                column = self.benchmark.column(question.metric, question.epochs, seed)
            except UserError:  # the table may lack the mean over seeds
                return None
            return np.asarray(column[selection.places])
        name = str(question)
        if any(name in trial.values for trial in selection.trials):
            return np.array(
                [trial.values.get(name, np.nan) for trial in selection.trials]
            )
        free = self.benchmark.free(question, self.objective.training_seed)
        cells = [trial.cell for trial in selection.trials]
        return None if free is None else np.asarray(free(cells), dtype=np.float64)

    def _space(self, cells: Sequence[Cell], block: Block) -> dict[str, Any]:
        space = self.benchmark.space
        if not isinstance(space, ChoiceSpace):
            return {"name": space.name, "positions": [], "options": [], "choices": None}
        return {
            "name": space.name,
            "positions": space.positions,
            "options": space.texts,
            "choices": block.array(choices_of(cells).T),
        }

    def _trials(
        self, cells: Sequence[Cell], runs: Sequence[Run], block: Block
    ) -> dict[str, Any]:
        numbers = {cell: number for number, cell in enumerate(cells, _NO_CELL + 1)}
        trial_cells = []
        finished = []
        for run in runs:
            counts = (trial.epochs == run.epochs for trial in run.trials)
            trial_cells += [
                numbers[t.cell] if is_one else _NO_CELL
                for t, is_one in zip(run.trials, counts, strict=True)
            ]
            finished += [trial.finished for trial in run.trials]
        names = list(self._runs)
        styles_of = [(name, self._styles[name]) for name in names]
        kind = np.uint16 if len(cells) < _WIDE else np.uint32
        return {
            "strategies": [
                {
                    "name": name,
                    "colour": style.variable,
                    "path": style.svg_mark,
                    "hollow": style.hollow,
                    "dash": " ".join(f"{2 * length:g}" for length in style.dash),
                    "ring": style.marker == "h",
                }
                for name, style in styles_of
            ],
            "runs": [
                {
                    "strategy": names.index(r.strategy),
                    "run": r.run,
                    "trials": len(r.trials),
                }
                for r in runs
            ],
            "cells": block.array(np.array(trial_cells, dtype=kind)),
            "finished": block.array(
                np.minimum(finished, np.finfo(np.float32).max).astype(np.float32)
            ),
        }


def _column(
    name: str,
    text: str,
    unit: str,
    digits: int | None,
    group: str,
    values: dict[str, Any],
) -> dict[str, Any]:
    """Return the description of a column of the page."""
    column = {
        "name": name,
        "text": text,
        "unit": unit,
        "decimals": digits,
        "group": group,
    }
    return {**column, "larger": False, "cut": False, "values": values}


def _weighted(weight: float, name: str) -> str:
    return name if weight == 1.0 else f"{weight:g}*{name}"


class Selection(NamedTuple):
    """The cells that the explorer's page shows, and their scores in the same order.

    Attributes:
        cells: The cells.
        scores: The scores of the cells.
        trials: The best trial of each cell; empty if the cells come from a table.
        places: The indices of the cells in the table, or None without a table.
        drawn: Whether each cell belongs to a fixed random sample of the space; None if all cells
            are shown or there is no table.
    """

    cells: Sequence[Cell]
    scores: Scores
    trials: Sequence[Trial] = ()
    places: Indices | None = None
    drawn: NDArray[np.bool_] | None = None


def select_cells(
    comparison: Comparison, runs: Sequence[Run], background: int
) -> Selection:
    """Select the cells that the explorer's page shows."""
    best: dict[Cell, Trial] = {}
    for run in runs:
        for trial in run.reported:
            if trial.epochs == run.epochs and (
                trial.cell not in best or trial.score < best[trial.cell].score
            ):
                best[trial.cell] = trial
    objective = comparison.objective
    scores_of_all = objective.over_space()
    if scores_of_all is None:
        trials = list(best.values())
        return Selection(list(best), _scores_of(trials), trials)
    space = listed(objective.benchmark.space)
    indices = _indices(
        objective, scores_of_all, [space.index(cell) for cell in best], background
    )
    scores = Scores(
        *(getattr(scores_of_all, array.name)[indices] for array in fields(Scores))
    )
    n = len(scores_of_all.loss)
    sampled = None if len(indices) == n else np.isin(indices, _sample(n, background))
    return Selection(
        space if sampled is None else space[indices.tolist()],
        scores,
        places=indices,
        drawn=sampled,
    )


def _indices(
    objective: Objective,
    scores: Scores,
    evaluated_indices: Sequence[int],
    background: int,
) -> Indices:
    n = len(scores.loss)
    if n - len(evaluated_indices) <= background:
        return np.arange(n)
    evaluated = np.array(evaluated_indices, dtype=np.intp)
    return np.unique(
        np.concatenate(
            [evaluated, _front_among(objective, scores), _sample(n, background)]
        )
    )


def _front_among(objective: Objective, scores: Scores) -> Indices:
    feasible = np.flatnonzero(scores.feasible)
    plane = (
        scores.vector
        if objective.n_objectives > 1
        else np.column_stack([scores.penalty, scores.loss])
    )
    return feasible[undominated(plane[feasible])] if len(feasible) else feasible


def _sample(n: int, wanted: int) -> Indices:
    """Return a fixed sample of n cells. A smaller sample is a subset of a larger one."""
    return np.random.default_rng(_DRAW_SEED).permutation(n)[:wanted]


def _counted(
    space: ChoiceSpace, cells: Enumerable, indices: Indices
) -> list[list[float]]:
    choices = cells.choices[indices]
    counts = (
        np.bincount(choices[:, p], minlength=len(space.options[p]))
        for p in range(choices.shape[1])
    )
    return [
        [round(count / len(choices), 4) for count in column.tolist()]
        for column in counts
    ]


def _best_so_far(run: Run) -> list[Cell]:
    """Return the successive best cells of a run. The page may show each as the recommendation."""
    cells = []
    best = np.inf
    for trial in run.trials:
        if trial.feasible and trial.score < best:
            cells.append(trial.cell)
            best = trial.score
    return cells


def _scores_of(trials: Sequence[Trial]) -> Scores:
    numbers = np.array(
        [(trial.score, trial.loss, trial.penalty) for trial in trials], dtype=np.float64
    )
    feasible = np.array([trial.feasible for trial in trials], dtype=np.bool_)
    vector = np.array(
        [trial.scores or (trial.score,) for trial in trials], dtype=np.float64
    )
    score, loss, penalty = numbers.reshape(-1, 3).T
    return Scores(score, loss, penalty, feasible, vector)


def _shown_metrics(objective: Objective) -> dict[Question, str]:
    """Return the metrics of a cell with their groups: those of the objective, final ones, costs,
    and the others.
    """
    benchmark = objective.benchmark
    groups = dict.fromkeys(objective.questions(), READ)
    if benchmark.has_columns:
        groups |= {
            question: FINAL
            for question in final_questions(objective)
            if question not in groups
        }
    rest = {}
    for metric in benchmark.metrics:
        if metric.kind == "search":
            trained = metric.epochs or metric.is_loss
            group = TRAINED if trained else _UNTRAINED.get(metric.quantity, COST)
            rest[benchmark.question(metric.name)] = group
    for group in (COST, TRAINED, STRUCTURE, PROXY):
        groups |= {
            question: group
            for question in rest
            if rest[question] == group and question not in groups
        }
    return groups


class _Marks:
    """The diagrams of a space's cells: each distinct mark with its number, and the marks of a
    cell.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self.marks: dict[Mark, int] = {}
        self._by_cell: dict[Cell, list[int]] = {}
        # by the object, as spaces share equal marks between cells; all sketches are kept for it
        self._by_id: dict[int, int] = {}
        self._sketches: list[Any] = []

    def numbers(self, cell: Cell) -> list[int]:
        if cell not in self._by_cell:
            sketch = self._space.sketch(cell)
            self._sketches.append(sketch)
            marks = sketch.marks if sketch else ()
            self._by_cell[cell] = [self._number(mark) for mark in marks]
        return self._by_cell[cell]

    def _number(self, mark: Mark) -> int:
        if id(mark) not in self._by_id:
            self._by_id[id(mark)] = self.marks.setdefault(mark, len(self.marks))
        return self._by_id[id(mark)]


# Cached between the problems of a page and between levels of detail.
_marks = lru_cache(maxsize=2)(_Marks)


def _drawings(
    space: Space, cells: Sequence[Cell], block: Block
) -> dict[str, Any] | None:
    first = space.sketch(cells[0])
    if first is None:
        return None
    known = _marks(space)
    numbers_by_cell = [known.numbers(cell) for cell in cells]
    counts = np.array([len(indices) for indices in numbers_by_cell], dtype=np.uint16)
    n_marks = int(counts.sum(dtype=np.int64))
    numbers = np.fromiter(chain.from_iterable(numbers_by_cell), np.int64, n_marks)
    used, first_uses, codes = np.unique(numbers, return_index=True, return_inverse=True)
    order = first_uses.argsort()  # numbers in the order of the cells
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    marks = list(known.marks)
    kind = np.uint32 if len(used) > np.iinfo(np.uint16).max else np.uint16
    return {
        "size": first.size,
        "marks": [svg_of_mark(marks[number]) for number in used[order].tolist()],
        "codes": block.array(ranks[codes].astype(kind)),
        "counts": block.array(counts),
    }


MOST_BYTES = 6_000_000
"""The largest size of a page in bytes."""
_SPARE = 150_000  # the part of it for everything but the problems
# Levels of detail: first more runs, then cells that no run evaluated, then more metrics.
_DETAILS = (
    *(Detail(0, 3, runs, False) for runs in (1, 2, 5, 10, 20, 50, maxsize)),
    Detail(1000, 3, maxsize, False),
    Detail(2000, 4, maxsize, False),
    *(Detail(n, 5, maxsize, False) for n in (4000, 8000, 16_000)),
    Detail(16_000, 6, maxsize, True),
    *(Detail(n, 12, maxsize, True) for n in (16_000, maxsize)),
    Detail(maxsize, maxsize, maxsize, True),
)


class Page:
    """The explorer's page, to which problems are added. Each problem gets as much detail as its
    share of the page size allows.
    """

    def __init__(self, title: str, *, problems: int = 1) -> None:
        self.title = title
        self.included: list[dict[str, str]] = []
        self.left_out: list[str] = []
        self._to_come = problems
        # one alone has room for all
        self._level = len(_DETAILS) - (1 if problems == 1 else 3)
        self._room = MOST_BYTES - _SPARE

    def add(self, name: str, packed: Callable[[Detail, float], bytes]) -> None:
        """Add the next problem with as much detail as fits into its share of the remaining space.

        Args:
            packed: A function of a level of detail and a maximum number of bytes. The function
                returns the data, or empty bytes if the data is too large.
        """
        share = self._room / max(self._to_come, 1)
        self._to_come -= 1
        block = self._largest(packed, share)
        if not block:
            self.left_out.append(name)
            return
        self._room -= len(block)
        self.included.append({"name": name, "block": block})

    def _largest(self, packed: Callable[[Detail, float], bytes], share: float) -> str:
        """Return the most detailed block that fits, in base 64, or an empty string."""
        largest = ""
        at = self._level
        step = 0
        while 0 <= at < len(_DETAILS):
            # three bytes become four characters
            block = base64.b64encode(packed(_DETAILS[at], share * 3 / 4)).decode()
            fits = 0 < len(block) <= share
            if fits:
                largest = block
                self._level = at
            if step == (-1 if fits else 1):
                break
            step = 1 if fits else -1
            at += step
        return largest

    def html(self) -> str:
        """Return the HTML document."""
        return render(
            "explore.html",
            title=self.title,
            problems=self.included,
            left_out=self.left_out,
        )
