"""One run: its trials, and the file that keeps them as they come.

A file holds one sealed line a trial, in the order of evaluation, and a last line when the run has
ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta, Struct, to_builtins
from numpy.typing import NDArray

from surrogate_nas.core import (
    UserError,
    checked_as,
    decimals_for,
    fixed,
    former,
    html_table,
    plural,
)
from surrogate_nas.files.journal import Chain, DamagedError, read_chain
from surrogate_nas.files.whole import read_regular
from surrogate_nas.objective import Objective
from surrogate_nas.objective.seeds import as_reported
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.scale import (
    Frame,
    Reference,
    frame_of,
    hypervolume,
    reference_of,
    undominated,
    vectors_of,
)
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Epochs, Finite, Positive, Trial, TrialValues
from surrogate_nas.stats.decision import FewDecision, decide_few
from surrogate_nas.stats.summaries import Row, Values

if TYPE_CHECKING:
    import pandas


_END = "end"
_DAMAGE = "or of another comparison ({}). Delete it and run again."
_MOST_WATCHED = 20_000

Count = Annotated[int, Meta(ge=0)]


class Judged(Struct, frozen=True, forbid_unknown_fields=True):
    """What a run found, by the seeds that its search did not see (`surrogate_nas.runs.confirm`).

    Attributes:
        seeds: The seeds that the mean is over, that of the search among them.
        values: The mean of every metric of the objective, in its own unit.
        trainings: How many trainings were made for it, which the run's budget does not hold.
        cost: What these were charged, in seconds.
        failures: Why some of them failed; the mean is over the others.
    """

    seeds: Annotated[tuple[Count, ...], Meta(min_length=1)]
    values: dict[str, Finite]
    trainings: Count
    cost: Positive
    failures: tuple[str, ...] = ()


class ConfirmedCell(Struct, frozen=True, forbid_unknown_fields=True):
    """A cell with what fresh seeds say of it.

    Attributes:
        seen: The score that the search saw; None where it did not ask for the cell.
        seeds: The fresh seeds that it was trained with, in the order of `scores`.
        scores: L + λR by each of them.
        failure: Why it is not confirmed, such as a training that failed; empty where it is.
    """

    cell: Cell
    seen: float | None
    seeds: tuple[Count, ...] = ()
    scores: tuple[Finite, ...] = ()
    failure: str = ""

    @property
    def mean(self) -> float | None:
        """The mean score over fresh seeds; None where it is not confirmed."""
        return None if self.failure else float(np.mean(self.scores))

    def to_json(self) -> dict[str, Any]:
        """The cell as ``--json`` prints it."""
        return {
            "cell": str(self.cell),
            "seen_score": self.seen,
            "seeds": list(self.seeds),
            "scores": list(self.scores),
            "mean": self.mean,
            "failure": self.failure or None,
        }


class ConfirmationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What was to be confirmed, and the number of trials of the run at that time."""

    cells: Epochs
    seeds: Epochs
    against: str | None
    trials: Count


class Result:
    """How results look in a notebook: their ``summary_frame`` and their ``sentences``."""

    def _table(self: Any) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        frame = self.summary_frame().astype(object)
        heads = [str(name).replace("_", " ") for name in frame]
        return heads, frame.to_numpy().tolist()

    def _repr_html_(self: Any) -> str:
        heads, rows = self._table()
        return html_table(repr(self)[1:-1], heads, rows, " ".join(self.sentences))


class Confirmation(Result, Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The best cells of a search by fresh seeds, beside a reference or among themselves.

    Attributes:
        cells: The best cells, in the order in which the search ranks them.
        reference: The user's own cell, or None.
        passed_over: How many cells that the search ranks higher were passed over, since their
            table holds too few fresh seeds.
        cost: What all these trainings cost, which the search was not charged.
        cost_unit: Seconds or queries.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search(
        ...     "fashion", "random", budget=20, seed_policy="draw", confirm=(2, 2)
        ... )
        >>> len(run.confirmed.cells), list(run.confirmed.to_frame().role)
        (2, ['winner', 'candidate'])
    """

    asked: ConfirmationRequest
    cells: tuple[ConfirmedCell, ...]
    reference: ConfirmedCell | None
    passed_over: Count
    cost: Positive
    cost_unit: str

    @cached_property
    def decision(self) -> FewDecision:
        """What the trainings decide; nothing leads where no cell is confirmed."""
        done = [confirmed for confirmed in self._every if not confirmed.failure]
        scores = {confirmed.cell.text: np.array(confirmed.scores) for confirmed in done}
        own = self.reference.cell.text if self.reference in done else None
        if not {*scores} - {own}:
            return FewDecision("", math.nan, (math.nan, math.nan))
        return decide_few(
            scores, own, paired=len({confirmed.seeds for confirmed in done}) == 1
        )

    def stored(self) -> Any:
        """The confirmation as a folder stores it; the decision is computed again."""
        return to_builtins(self, enc_hook=lambda cell: cell.text)

    @classmethod
    def read(cls, content: Any, cell: Callable[[str], Cell]) -> Confirmation:
        """Read what `stored` gave, with a parser of cells; a ValueError for another shape."""
        return checked_as(cls, content, lambda _, text: cell(text))

    @property
    def winner(self) -> ConfirmedCell | None:
        """The best of `cells` by fresh seeds; None where none is confirmed."""
        return self._named(self.decision.leader)

    @property
    def against(self) -> ConfirmedCell | None:
        """What the winner is compared with: the reference, or the runner-up; None where there is
        neither.
        """
        return self._named(self.decision.rival)

    @property
    def _every(self) -> list[ConfirmedCell]:
        return [*self.cells, *([self.reference] if self.reference else [])]

    def _named(self, text: str | None) -> ConfirmedCell | None:
        return next(
            (confirmed for confirmed in self._every if confirmed.cell.text == text),
            None,
        )

    @property
    def better(self) -> bool:
        """Whether the winner is significantly better than what it is compared with."""
        return self.decision.sign > 0

    @property
    def difference(self) -> float | None:
        """By how much the winner's mean score is lower."""
        return self.decision.difference

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % interval of `difference`."""
        return self.decision.difference_interval

    @property
    def runs_needed(self) -> int | None:
        """About how many further trainings of the two, in all, would tell them apart; None where
        that is decided, or where the trainings give no estimate.
        """
        needed = self.decision.needed
        about = None if needed is None else needed.about
        return None if about is None else self._further(about)

    def _further(self, runs: int) -> int:
        """Trainings that two cells lack to so many each."""
        assert self.winner is not None
        return 2 * max(runs - len(self.winner.scores), 1)

    @property
    def sentences(self) -> list[str]:
        """The result in words; the first says what is confirmed."""
        sentences = [self._found()]
        if self.passed_over:
            sentences.append(
                "Passed over for want of fresh seeds:"
                f" {plural(self.passed_over, 'cell')} that the search ranks higher."
            )
        return sentences + [
            f"Not confirmed: {confirmed.cell}: {confirmed.failure.rstrip('.')}."
            for confirmed in self._every
            if confirmed.failure
        ]

    def _found(self) -> str:
        decision, winner = self.decision, self.winner
        if winner is None:
            return "Nothing is confirmed."
        seeds = plural(len(winner.scores), "fresh seed")
        decimals = decimals_for(
            [*decision.interval, *(decision.difference_interval or ())]
        )
        mean = _with_interval(decision.mean, decision.interval, decimals)
        line = f"Confirmed with {seeds} each: {winner.cell}, score {mean}"
        if decision.difference is None or decision.difference_interval is None:
            return f"{line}; there is no other to compare it with."
        other = "yours" if self.against is self.reference else "the runner-up"
        size, (low, high) = decision.difference, decision.difference_interval
        words = ("better", "worse")
        if size < 0:
            size, low, high = -size, -high, -low
            words = ("worse", "better")
        by = _with_interval(size, (low, high), decimals)
        if decision.sign:
            return f"{line}; {words[0]} than {other} by {by}."
        more = ""
        if decision.needed is not None and decision.needed.about is None:
            least = self._further(decision.needed.low)
            more = f": at least {least:,} more trainings would be needed"
        elif decision.needed is not None:
            more = f": about {self.runs_needed:,} more trainings would tell"
        return (
            f"{line}; not told apart from {other}, which is {words[1]} by {by}{more}."
        )

    def __repr__(self) -> str:
        return f"<Confirmation: {self.sentences[0]}>"

    def to_frame(self) -> pandas.DataFrame:
        """A row per cell, the winner first and the reference last, as `rows`."""
        return rows_frame(self.rows())

    summary_frame = to_frame

    def rows(self) -> list[dict[str, Any]]:
        """A row per cell, the winner first and the reference last, as tables show them."""
        others = [("candidate", cell) for cell in self.cells if cell is not self.winner]
        return [
            {
                "role": role,
                "cell": confirmed.cell.text,
                "seen_score": confirmed.seen,
                "confirmed_score": confirmed.mean,
                "seeds": " ".join(map(str, confirmed.seeds)),
                "scores": " ".join(map(str, confirmed.scores)),
                "failure": confirmed.failure,
            }
            for role, confirmed in [
                ("winner", self.winner),
                *others,
                ("yours", self.reference),
            ]
            if confirmed is not None
        ]

    def to_json(self) -> dict[str, Any]:
        """The confirmation as ``--json`` prints it."""
        winner, decision = self.winner, self.decision
        return {
            "better": self.better,
            "difference": self.difference,
            "ci95": self.ci95 and list(self.ci95),
            "runs_needed": self.runs_needed,
            "cell": winner and str(winner.cell),
            "mean": winner and decision.mean,
            "mean_ci95": winner and list(decision.interval),
            "against": self.against and str(self.against.cell),
            "passed_over": self.passed_over,
            "cells": [cell.to_json() for cell in self.cells],
            "reference": self.reference and self.reference.to_json(),
            "cost": self.cost,
            "cost_unit": self.cost_unit,
            "sentences": self.sentences,
        }


def _with_interval(value: float, ends: tuple[float, float], decimals: int) -> str:
    low, high = (fixed(end, decimals) for end in ends)
    return f"{fixed(value, decimals)} [{low}, {high}]"


class EndLine(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The last line of a run that has ended (`surrogate_nas.runs.run.Run`)."""

    end: Count
    diagnosis: dict[str, dict[str, float]] = {}
    judged: Judged | None = None
    real_seconds: Positive
    strategy_seconds: Positive
    failure: str
    epochs: Epochs | None
    budget_cells: int | None
    budget_seconds: Finite | None
    scalarised: bool


class Fronted(Result):
    """What finished runs under several objectives found, together."""

    @property
    def front(self: Any) -> list[Trial]:
        """The feasible trials, as they are reported, that no other one beats in every objective; of
        equal ones the first.

        Raises:
            UserError: There is one objective.
        """
        return [trial for _, trial in front_of(self.finished_runs)]

    def front_frame(self: Any) -> pandas.DataFrame:
        """The trials of `front`, with the columns of ``to_frame``."""
        return rows_frame(run.row(trial) for run, trial in front_of(self.finished_runs))

    def hypervolume(self: Any, reference: Sequence[float]) -> float:
        """The volume that `front` dominates up to a reference.

        Args:
            reference: One score for each objective, in the order of ``score_0``, ``score_1``, …;
                trials beyond it in any objective do not count.

        Raises:
            UserError: There is one objective, or the reference is not one number for each.
        """
        points = vectors_of(self.front)
        parts = {
            len(trial.scores) for run in self.finished_runs for trial in run.trials
        }
        with suppress(TypeError, ValueError):
            end = np.asarray(reference, dtype=np.float64)
            if np.isfinite(end).all() and {(n,) for n in parts} == {end.shape}:
                return hypervolume(points, end) if len(points) else 0.0
        raise UserError(
            f"A reference has one finite score for each of the {max(parts, default=2)} objectives,"
            f" such as (1.0, 2.0), not {reference!r:.80}."
        )


@dataclass(frozen=True)
class Run(Fronted):
    """One strategy's search with one seed.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run, which seeds it and pairs it with the same run of other
            strategies.
        trials: In the order of evaluation.
        real_seconds: Wall-clock seconds of strategy and evaluation together.
        strategy_seconds: Those spent in `ask` and `tell`.
        failure: What went wrong, or empty.
        epochs: The objective's own; only trials after these can be the answer. None where training
            plays no part.
        budget_cells: The most evaluations that it might make, or None.
        budget_seconds: The most simulated seconds that it might take, or None.
        scalarised: Whether the strategy knew one objective only and was run on several by random
            weights.
        diagnosis: What the strategy told of the run besides its trials: numbers by name, in groups
            by name.
        known: What was trained before and told to the strategy first: no trials of the run, never
            its answer, not charged; stored with the comparison, not with the run.
        confirmed: The result of training its best cells with fresh seeds, where that was asked for;
            stored beside the run.
        judged: The incumbent by the mean over seeds, where its search saw a drawn one and the
            others were trained for it; None elsewhere.
        objective: What was minimised; None for a run that was made by hand, and for one that was
            pickled alone whose benchmark has no address.

    Example:
        >>> import surrogate_nas as sn
        >>> run: sn.Run = sn.search("fashion", "random", budget=20)
        >>> run.strategy, run.run, len(run.trials)
        ('random', 0, 20)
    """

    strategy: str
    run: int
    trials: Sequence[Trial] = field(repr=False)
    real_seconds: float
    strategy_seconds: float
    failure: str = ""
    epochs: int | None = None
    budget_cells: int | None = None
    budget_seconds: float | None = None
    scalarised: bool = False
    diagnosis: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict, repr=False
    )
    known: Sequence[Trial] = field(default=(), repr=False)
    confirmed: Confirmation | None = field(default=None, repr=False)
    judged: Judged | None = field(default=None, repr=False)
    objective: Objective | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out an objective whose benchmark no other process can open by an address."""
        if self.objective is not None and self.objective.benchmark.address:
            return self.__dict__
        return {**self.__dict__, "reported": self.reported, "objective": None}

    @property
    def answers(self) -> list[Trial]:
        """The trials after the objective's own epochs."""
        return [trial for trial in self.trials if trial.epochs == self.epochs]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Score of every trial."""
        return np.array([trial.score for trial in self.trials])

    @cached_property
    def lowest(self) -> Trial:
        """The earliest trial of the lowest score after the objective's own epochs; one whose
        evaluation failed only where all did. Of several objectives it has the lowest sum, which is
        no answer.

        Raises:
            UserError: No trial has as many epochs.
        """
        if not self.answers:
            raise UserError(
                "No trial has the objective's own epochs yet, so none is the best."
            )
        return min(self.answers, key=lambda trial: (bool(trial.failure), trial.score))

    @property
    def incumbent(self) -> Trial:
        """The best trial after the objective's own epochs, as its search saw it, the earliest among
        equals; one whose evaluation failed only where all did.

        Raises:
            UserError: There are several objectives, so that `front` has the best trials.
        """
        if self.lowest.scores:
            raise UserError(
                "A run of several objectives has no single best trial: front lists the trials that"
                " no other one beats."
            )
        return self.lowest

    @cached_property
    def reported(self) -> Sequence[Trial]:
        """The trials as they are reported: where the search saw drawn seeds, by the mean over
        seeds; of what is trained here only the incumbent, which the other seeds have judged.
        """
        objective = self.objective
        if objective is None or not (objective.draws or self.judged):
            return self.trials
        trials = objective.reported(self.trials)
        if self.judged is not None:
            means, lowest = np.array([[*self.judged.values.values()]]), self.lowest
            (trials[lowest.index],) = as_reported(
                [lowest], [*self.judged.values], means, objective.combine(means)
            )
        return trials

    @property
    def answer(self) -> Trial:
        """The `incumbent` as it is reported: by the mean over seeds, where its search saw a drawn
        one.
        """
        return self.reported[self.incumbent.index]

    @property
    def is_feasible(self) -> bool:
        """Whether what it found is feasible, as it is reported."""
        return self.reported[self.lowest.index].feasible

    def contenders(self, n: int | None = None) -> list[Trial]:
        """The feasible trials of the first `n` or of all, as they are reported, after the
        objective's own epochs; where the search saw drawn seeds, only those that it saw no other
        one beat in every objective.
        """
        trials = [t for t in self.trials[:n] if t.epochs == self.epochs and t.feasible]
        if self.reported is not self.trials and trials:
            seen = np.flatnonzero(undominated(vectors_of(trials)))
            trials = [self.reported[trials[i].index] for i in seen]
        return [trial for trial in trials if trial.feasible]

    def checkpoint(self, cell: Any = None) -> Path:
        """The folder with the fitted model of a cell, by default of the incumbent, where its
        training left one (`surrogate_nas.Training.checkpoint`).

        Raises:
            UserError: There is none, or the run was read without its benchmark.
        """
        if self.objective is None:
            raise UserError("The run lacks its benchmark: ask that for the checkpoint.")
        named = self.incumbent.cell if cell is None else cell
        return self.objective.benchmark.checkpoint(named)

    @property
    def finished_runs(self) -> list[Run]:
        """Itself."""
        return [self]

    def anytime(self, frame: Frame | None = None) -> Anytime:
        """What it had achieved after each of its trials, as it is reported; of several objectives
        the share of a frame's hypervolume that it misses. The earliest of equal trials counts.
        """
        own = np.array([trial.epochs == self.epochs for trial in self.trials])
        seen = np.where(own, self.scores, np.inf)
        improved = np.r_[True, seen[1:] < np.minimum.accumulate(seen)[:-1]]
        best = np.maximum.accumulate(np.where(improved, np.arange(len(seen)), 0))
        changes = np.flatnonzero(improved).tolist()
        if frame is None:
            found = [
                self.reported[i].score
                if own[i] and self.reported[i].feasible
                else np.inf
                for i in changes
            ]
        else:
            rated = [trial for trial in self.answers if trial.feasible]
            places = np.array([trial.index for trial in rated], np.int64)
            # where no trial before it beats a trial, it joins the front
            joins = undominated(np.column_stack([vectors_of(rated), places]))
            changes = sorted({0, *places[joins].tolist()})
            found = [frame.missed(vectors_of(self.contenders(i + 1))) for i in changes]
        since = np.searchsorted(changes, np.arange(len(own)), side="right") - 1
        return Anytime(
            np.array([trial.finished for trial in self.trials]),
            best,
            np.array(found)[since],
        )

    def curves(self) -> pandas.DataFrame:
        """What it had achieved after each of its trials, a row a trial.

        Returns:
            ``strategy``, ``run``; ``evaluations``, from 1; ``cost``, when the trial ended on the
            run's clock, in the benchmark's unit; ``best_score``, of the incumbent as it is
            reported, NaN before the first feasible one, and of several objectives the share of the
            front's hypervolume that is missed; ``regret``, that minus the optimum; and
            ``normalised_regret``, 1 being what random sampling reaches with the whole budget. The
            regrets are NaN where no optimum is known.

        Raises:
            UserError: The run has no objective or no trial.
        """
        objective = self.objective
        if objective is None or not self.trials:
            lacks = (
                "trial yet" if objective else "objective: read its folder, sn.read(…)"
            )
            raise UserError(f"The run has no {lacks}.")
        frame = frame_of(objective, self.trials) if objective.n_objectives > 1 else None
        cells = self.budget_cells or (None if self.budget_seconds else len(self.trials))
        budget = Budget(cells, self.budget_seconds)
        reference = reference_of(objective, budget, [self.anytime(frame).score])
        unknown = {} if reference.exact else {"normalised_regret": np.nan}
        return stacked([curve_of(self, frame, reference) | unknown])

    @property
    def best_known(self) -> Trial | None:
        """The best of what was known before, after the objective's own epochs and feasible; a
        baseline beside `incumbent`. None where there is none.
        """
        whole = (t for t in self.known if t.epochs == self.epochs and t.feasible)
        return min(whole, key=lambda trial: trial.score, default=None)

    def __repr__(self) -> str:
        return f"<Run {self.run} of {self.strategy}: {self._outcome}>"

    @property
    def _outcome(self) -> str:
        if self.failure:
            return f"failed: {self.failure}"
        if not self.answers:
            return f"{len(self.trials)} trials, no answer"
        best = self.lowest
        outcome = "no feasible cell"
        if best.feasible and best.scores:
            outcome = f"{len(self.front)} of them on the front"
        elif best.feasible:
            outcome = f"best score {best.score:.6g}"
        return f"{len(self.trials)} trials, {outcome}"

    @property
    def sentences(self) -> list[str]:
        """What came out, and what fresh seeds say."""
        found = f"{self.strategy}, run {self.run}: {self._outcome}."
        return [found, *(self.confirmed.sentences if self.confirmed else ())]

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        if self.answers and self.lowest.scores:
            parts = [f"score_{number}" for number in range(len(self.lowest.scores))]
            front = [(t.index + 1, t.cell.text, *t.scores) for t in self.front]
            return ["trial", "cell", *parts], front
        feasible = [trial for trial in self.answers if trial.feasible]
        before = accumulate((t.score for t in feasible), min, initial=math.inf)
        rows = [
            (t.index + 1, t.cell.text, t.score, t.loss, t.penalty)
            for t, best in zip(feasible, before, strict=False)
            if t.score < best
        ]
        return ["trial", "cell", "score", "L", "λR"], rows[::-1]

    @property
    def best_options(self) -> dict[str, Any]:
        """The options of the incumbent by position, such as ``{"width": 16, "depth": 2}``."""
        return self.incumbent.options

    def row(self, trial: Trial, *, with_options: bool = True) -> Row:
        """One of its trials as a row of tables, from column to value; the metrics by name."""
        draws = self.objective is not None and self.objective.draws
        row = {
            "strategy": self.strategy,
            "run": self.run,
            "index": trial.index,
            "cell": trial.cell.text,
            "score": trial.score,
            **{f"score_{number}": score for number, score in enumerate(trial.scores)},
            **({"reported_score": self.reported[trial.index].score} if draws else {}),
            "loss": trial.loss,
            "penalty": trial.penalty,
            "feasible": trial.feasible,
            "epochs": trial.epochs,
            "cost": trial.cost,
            "cost_unit": self.objective and self.objective.benchmark.cost_unit,
            "started": trial.started,
            "finished": trial.finished,
            **({"failure": trial.failure} if trial.failure else {}),
            **trial.values,
        }
        taken = {*row, *_NOT_IN_ALL, *self._measured}
        return row | {
            f"option_{name}" if name in taken else name: option
            for name, option in trial.options.items()
            if with_options
        }

    @cached_property
    def _measured(self) -> set[str]:
        return {name for trial in self.trials for name in trial.values}

    def to_frame(self) -> pandas.DataFrame:
        """Every trial as a row: strategy, run, the trial's fields, and its metrics by name.

        ``score`` is what the search saw. Where it saw drawn seeds, ``reported_score`` is the score
        by the mean over seeds. Several objectives have ``score_0``, ``score_1``, …, whose sum is
        ``score``. Each position of the space is a column with the chosen option; one that is named
        as another column, such as ``epochs``, is ``option_epochs``.
        """
        return rows_frame(map(self.row, self.trials))

    @property
    def cost(self) -> float:
        """The sum of the trials' costs, in the unit of the benchmark: seconds or queries."""
        return sum(trial.cost for trial in self.trials)

    simulated_seconds = former("simulated_seconds", "cost")


@dataclass(frozen=True)
class Anytime:
    """What a run had found after each of its trials, arrays of shape ``(n,)``: what was spent until
    the trial had finished, in simulated seconds (or queries), the incumbent's index, and its score,
    infinite before the first feasible one.
    """

    cost: Values
    best: NDArray[np.int64]
    score: Values

    def at_cells(self, values: Values, cells: NDArray[np.int64]) -> Values:
        """A curve over numbers of evaluated cells, from 1; the last value stays."""
        return np.asarray(values[np.minimum(cells, len(values)) - 1])

    def at_cost(self, values: Values, cost: Values) -> Values:
        """A right-continuous curve over cost: only trials that have finished count; NaN before the
        first.
        """
        finished = np.searchsorted(self.cost, cost, side="right")
        return np.where(finished > 0, values[np.maximum(finished, 1) - 1], np.nan)


def curve_of(run: Run, frame: Frame | None, reference: Reference) -> Row:
    """The columns of `Run.curves` in a frame of hypervolumes and on a scale of regret."""
    history = run.anytime(frame)
    best = np.where(np.isfinite(history.score), history.score, np.nan)
    exact = reference.exact if frame is None else frame.exact
    return {
        "strategy": run.strategy,
        "run": run.run,
        "evaluations": np.arange(1, len(best) + 1),
        "cost": history.cost,
        "best_score": best,
        "regret": best - (reference.optimum if exact else np.nan),
        "normalised_regret": reference.regret(np.nan_to_num(best, nan=np.inf)),
    }


def front_of(runs: Sequence[Run]) -> list[tuple[Run, Trial]]:
    """The trials that no other one of some runs beats in every objective, as they are reported,
    with their runs; of equal ones the first.

    Raises:
        UserError: There is one objective.
    """
    if any(run.trials and not run.trials[0].scores for run in runs):
        raise UserError(
            "Nothing lies on a front under one objective: incumbent is the best trial of a run."
        )
    found = [(run, trial) for run in runs for trial in run.contenders()]
    best = undominated(vectors_of([trial for _, trial in found])) if found else ()
    return [found[i] for i in np.flatnonzero(best)]


def stacked(parts: Iterable[Row]) -> pandas.DataFrame:
    """Parts one below the other as a data frame, each from column to values or one value."""
    import pandas

    frames = [*map(pandas.DataFrame, parts)]
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()


def rows_frame(rows: Iterable[Row]) -> pandas.DataFrame:
    """Rows as a data frame."""
    import pandas

    return pandas.DataFrame([*rows])


# Columns that some rows or tables lack.
_NOT_IN_ALL = ("failure", "lambda", "problem")
# The key of each field of a trial in the file of its run.
_TRIAL_FIELDS = {f.name: f.name for f in fields(Trial)} | {"cost": "cost_seconds"}
# With one of earlier releases: where the weights of a training came from.
_READ_FIELDS = {*_TRIAL_FIELDS.values(), "start"}
_END_FIELDS = EndLine.__struct_fields__[1:]


def trial_entry(trial: Trial) -> dict[str, Any]:
    """A trial as JSON can hold it."""
    entry = {key: getattr(trial, name) for name, key in _TRIAL_FIELDS.items()}
    entry |= {"cell": trial.cell.text, "values": dict(trial.values)}
    if not trial.failure:
        del entry["failure"]
    return entry


class OtherHistoryError(UserError):
    """A run that was replayed went another way than its file tells."""


class RunLog:
    """The file of one run, open for appending; `known` are the lines of the trials that it held."""

    def __init__(self, path: Path, root: str) -> None:
        self.path = path
        self._chain = Chain(path, root, _unended, _DAMAGE)
        self.known: list[dict[str, Any]] = self._chain.entries

    def append(self, trials: Sequence[Trial], *, at_once: bool = False) -> None:
        """Write trials that the file does not hold yet, and compare the others with it.

        They are on the disk within a second, or with `at_once` when this returns.
        """
        new = []
        for trial in trials:
            entry = trial_entry(trial)
            if trial.index >= len(self.known):
                new.append(entry)
            elif _as_text(self.known[trial.index]) != _as_text(entry):
                raise self.other_history()
        self._chain.append(*new)
        if at_once:
            self._chain.commit()

    def finish(self, run: Run) -> None:
        """Write the last line, which marks the run as ended, and wait until all is on the disk."""
        if len(run.trials) < len(self.known):
            raise self.other_history()
        line = EndLine(
            end=len(run.trials), **{name: getattr(run, name) for name in _END_FIELDS}
        )
        self._chain.append(to_builtins(line))
        self._chain.commit()

    def other_history(self) -> UserError:
        """What to raise where the run goes another way than its file tells."""
        return OtherHistoryError(
            f"{self.path} holds another history, made by another version. Delete it and run again."
        )

    def close(self) -> None:
        """Let the file go."""
        self._chain.close()


def _as_text(entry: Mapping[str, Any]) -> str:
    """A line such that two of one content are equal, NaN and all."""
    return json.dumps(entry, sort_keys=True)


def _unended(entries: list[dict[str, Any]]) -> int:
    return len(entries) - bool(entries and _END in entries[-1])


def read_run(
    path: Path,
    root: str,
    strategy: str,
    run: int,
    cell: Callable[[str], Cell],
) -> Run | None:
    """Read a run, whose cells are parsed by a function; None while it has not ended."""
    try:
        trials, end = _parted(path, root, cell)
        if end is None:
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged {_DAMAGE.format(error)}") from error
    return Run(
        strategy, run, trials, **{name: getattr(end, name) for name in _END_FIELDS}
    )


def _parted(
    path: Path, root: str, cell: Callable[[str], Cell]
) -> tuple[list[Trial], EndLine | None]:
    entries = read_chain(read_regular(path), root)
    end = None
    if entries and _END in entries[-1]:
        end = checked_as(EndLine, entries.pop())
        if end.end != len(entries):
            raise DamagedError(f"its last line counts other than {len(entries)} trials")
    return [_trial(number, entry, cell) for number, entry in enumerate(entries)], end


def _trial(number: int, entry: dict[str, Any], cell: Callable[[str], Cell]) -> Trial:
    is_known = entry.keys() <= _READ_FIELDS
    entry["cost"] = entry.pop("cost_seconds", None)
    trial = checked_as(Trial, entry, lambda _, text: cell(str(text)))
    if trial.cell.text != entry["cell"] or trial.index != number or not is_known:
        raise DamagedError(f"trial {number} is not where or what it should be")
    if math.isfinite(trial.loss + trial.penalty) == bool(trial.failure):
        raise DamagedError(f"trial {number} has no L or λR, or failed and has one")
    object.__setattr__(trial, "values", TrialValues(trial.values))
    return trial


@dataclass(frozen=True, eq=False)
class RunWatch:
    """What the file of a run holds while it is made: its trials, its end, or what damages it."""

    path: Path
    epochs: int | None
    trials: Sequence[Trial] = ()
    end: EndLine | None = None
    damage: str = ""

    @classmethod
    def of(cls, path: Path, root: str, epochs: int | None) -> RunWatch:
        """Read a file, unless it is as it was the last time."""
        try:
            status = path.stat()
        except OSError:
            return cls(path, epochs)
        return _watched(
            path, root, epochs, (status.st_ino, status.st_size, status.st_mtime_ns)
        )

    @property
    def best(self) -> list[float]:
        """The best feasible score after each trial, infinite before there is one; trials after
        other epochs than the objective's do not count.
        """
        scores = (
            trial.score if trial.feasible and trial.epochs == self.epochs else math.inf
            for trial in self.trials
        )
        return [*accumulate(scores, min)]

    @property
    def failed(self) -> list[tuple[str, str]]:
        """The cells and reasons of the trainings that failed."""
        return [
            (trial.cell.text, trial.failure) for trial in self.trials if trial.failure
        ]


@lru_cache(maxsize=_MOST_WATCHED)
def _watched(path: Path, root: str, epochs: int | None, _: tuple[int, ...]) -> RunWatch:
    try:
        return RunWatch(path, epochs, *_parted(path, root, partial(Cell, ())))
    except (OSError, ValueError) as error:
        return RunWatch(
            path, epochs, damage=getattr(error, "strerror", None) or str(error)
        )
