"""One run: its trials, and the file in which the trials are stored during the run.

The file of a run contains one line with a checksum per trial, in the order of evaluation. When the
run has ended, a last line is added.
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
_DAMAGE = "or of another comparison ({}). Delete it and repeat the command."
_MOST_WATCHED = 20_000

Count = Annotated[int, Meta(ge=0)]


class Judged(Struct, frozen=True, forbid_unknown_fields=True):
    """The best cell of a run, evaluated with the training seeds that its search did not use.

    See `surrogate_nas.runs.confirm`.

    Attributes:
        seeds: The training seeds over which the mean is computed, including the seed of the search.
        values: The mean over seeds of every metric of the objective, in the metric's unit.
        trainings: Number of additional trainings, which are not part of the run's budget.
        cost: The cost of the additional trainings in seconds.
        failures: The reasons of failed trainings. Failed trainings are not part of the mean.
    """

    seeds: Annotated[tuple[Count, ...], Meta(min_length=1)]
    values: dict[str, Finite]
    trainings: Count
    cost: Positive
    failures: tuple[str, ...] = ()


class ConfirmedCell(Struct, frozen=True, forbid_unknown_fields=True):
    """A cell with its scores for new training seeds.

    Attributes:
        seen: The score of the cell in the search, or None if the search did not evaluate the cell.
        seeds: The new training seeds, in the order of `scores`.
        scores: The value of L + λR for each new training seed.
        failure: The reason why the cell is not confirmed, such as a failed training, or an empty
            string.
    """

    cell: Cell
    seen: float | None
    seeds: tuple[Count, ...] = ()
    scores: tuple[Finite, ...] = ()
    failure: str = ""

    @property
    def mean(self) -> float | None:
        """The mean score over the new training seeds, or None if the cell is not confirmed."""
        return None if self.failure else float(np.mean(self.scores))

    def to_json(self) -> dict[str, Any]:
        """Return the cell in the format of ``--json``."""
        return {
            "cell": str(self.cell),
            "seen_score": self.seen,
            "seeds": list(self.seeds),
            "scores": list(self.scores),
            "mean": self.mean,
            "failure": self.failure or None,
        }


class ConfirmationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The request for a confirmation, with the number of trials that the run had at the time."""

    cells: Epochs
    seeds: Epochs
    against: str | None
    trials: Count


class Result:
    """A base class of results that display their ``summary_frame`` and their ``sentences`` in a
    notebook.
    """

    def _table(self: Any) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        frame = self.summary_frame().astype(object)
        heads = [str(name).replace("_", " ") for name in frame]
        return heads, frame.to_numpy().tolist()

    def _repr_html_(self: Any) -> str:
        heads, rows = self._table()
        return html_table(repr(self)[1:-1], heads, rows, " ".join(self.sentences))


class Confirmation(Result, Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The best cells of a search, trained with new seeds and compared with a reference cell or with
    each other.

    Attributes:
        cells: The best cells, in the order of their scores in the search.
        reference: The reference cell, such as the user's own, or None.
        passed_over: Number of cells that ranked higher in the search but were skipped, because the
            table has too few unused seeds for them.
        cost: The cost of all trainings of the confirmation, which is not charged to the search.
        cost_unit: The unit of the cost: ``seconds`` or ``queries``.

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
        """The statistical decision on which cell is best. If no cell is confirmed, the decision has
        no leader.
        """
        done = [confirmed for confirmed in self._every if not confirmed.failure]
        scores = {confirmed.cell.text: np.array(confirmed.scores) for confirmed in done}
        own = self.reference.cell.text if self.reference in done else None
        if not {*scores} - {own}:
            return FewDecision("", math.nan, (math.nan, math.nan))
        return decide_few(
            scores, own, paired=len({confirmed.seeds for confirmed in done}) == 1
        )

    def stored(self) -> Any:
        """Return the confirmation in the format in which a folder stores it. The statistical
        decision is not stored.
        """
        return to_builtins(self, enc_hook=lambda cell: cell.text)

    @classmethod
    def read(cls, content: Any, cell: Callable[[str], Cell]) -> Confirmation:
        """Read a confirmation from the output of `stored`, with a function that parses cells. Raise
        a ValueError if the format is invalid.
        """
        return checked_as(cls, content, lambda _, text: cell(text))

    @property
    def winner(self) -> ConfirmedCell | None:
        """The best of `cells` by the mean over new seeds, or None if no cell is confirmed."""
        return self._named(self.decision.leader)

    @property
    def against(self) -> ConfirmedCell | None:
        """The cell with which the winner is compared: the reference cell, otherwise the second-best
        cell, or None if there is neither.
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
        """Whether the winner is significantly better than the cell with which it is compared
        (`against`).
        """
        return self.decision.sign > 0

    @property
    def difference(self) -> float | None:
        """The mean score of the cell with which the winner is compared (`against`), minus the
        winner's mean score.
        """
        return self.decision.difference

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of `difference`."""
        return self.decision.difference_interval

    @property
    def runs_needed(self) -> int | None:
        """The approximate number of further trainings of both cells for a significant difference.
        The value is None if the difference is significant already or if there is no estimate.
        """
        needed = self.decision.needed
        about = None if needed is None else needed.about
        return None if about is None else self._further(about)

    def _further(self, runs: int) -> int:
        """Return how many further trainings both cells need to have `runs` each."""
        assert self.winner is not None
        return 2 * max(runs - len(self.winner.scores), 1)

    @property
    def sentences(self) -> list[str]:
        """The result of the confirmation in words. The first sentence names the confirmed cell."""
        sentences = [self._found()]
        if self.passed_over:
            sentences.append(
                "Passed over for lack of fresh seeds:"
                f" {plural(self.passed_over, 'cell')} with a better rank in the search."
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
            more = f": about {self.runs_needed:,} more trainings would be needed"
        return f"{line}; no significant difference from {other}, which is {words[1]} by {by}{more}."

    def __repr__(self) -> str:
        return f"<Confirmation: {self.sentences[0]}>"

    def to_frame(self) -> pandas.DataFrame:
        """Return a data frame with one row per cell, the winner first and the reference cell last,
        as `rows` does.
        """
        return rows_frame(self.rows())

    summary_frame = to_frame

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of a table with one row per cell, the winner first and the reference cell
        last.
        """
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
        """Return the confirmation in the format of ``--json``."""
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
    """The last line in the file of a finished run (see `surrogate_nas.runs.run.Run`)."""

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
    """A base class for the joint result of one or more finished runs under several objectives."""

    @property
    def front(self: Any) -> list[Trial]:
        """The Pareto front: the feasible trials that no other trial dominates, by their reported
        scores. Of trials with equal scores, only the first is included.

        Raises:
            UserError: The run has only one objective.
        """
        return [trial for _, trial in front_of(self.finished_runs)]

    def front_frame(self: Any) -> pandas.DataFrame:
        """Return the trials of `front` as a data frame with the columns of ``to_frame``."""
        return rows_frame(run.row(trial) for run, trial in front_of(self.finished_runs))

    def hypervolume(self: Any, reference: Sequence[float]) -> float:
        """Return the hypervolume that `front` dominates up to a reference point.

        Args:
            reference: The reference point: one score per objective, in the order of ``score_0``,
                ``score_1``, …. A trial that exceeds the reference point in any objective does not
                count.

        Raises:
            UserError: The run has only one objective, or the reference point does not have one
                number per objective.
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
            f"A reference point needs one finite score for each of the {max(parts, default=2)}"
            f" objectives, such as (1.0, 2.0), not {reference!r:.80}."
        )


@dataclass(frozen=True)
class Run(Fronted):
    """One strategy's search with one seed.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run. The number determines the seed, and pairs the run with the runs
            of other strategies that have an equal number.
        trials: The trials in the order of evaluation.
        real_seconds: Wall-clock seconds of the whole run, including the strategy and the
            evaluations.
        strategy_seconds: Wall-clock seconds of the strategy's calls of ``ask`` and ``tell``.
        failure: The error that ended the run, or an empty string.
        epochs: The number of epochs of the objective. Only trials with this number can be the
            result of the run. The value is None if the objective does not depend on epochs.
        budget_cells: The largest number of evaluations, or None.
        budget_seconds: The largest number of simulated seconds, or None.
        scalarised: Whether a strategy that supports only one objective was run on several
            objectives, combined with random weights.
        diagnosis: Additional numbers that the strategy reported, by group and name.
        known: Earlier trainings that the strategy observed first. Earlier trainings are not trials
            of the run, are never its result, and are not charged to the budget. The description of
            the comparison stores them.
        confirmed: The result of training the best cells of the run with new seeds, if a
            confirmation was requested. The confirmation is stored in a separate file.
        judged: The incumbent's mean values over seeds, if the search used one random training seed
            per cell and the incumbent was then trained with the other seeds. Otherwise None.
        objective: The objective that the run minimised. The value is None if the run was built by
            hand, or if the run was pickled and its benchmark has no name by which it can be opened
            again.

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
        """Leave out an objective whose benchmark other processes cannot open by an address."""
        if self.objective is not None and self.objective.benchmark.address:
            return self.__dict__
        return {**self.__dict__, "reported": self.reported, "objective": None}

    @property
    def answers(self) -> list[Trial]:
        """The trials with the objective's number of epochs, from which the result of the run is
        chosen.
        """
        return [trial for trial in self.trials if trial.epochs == self.epochs]

    @property
    def scores(self) -> NDArray[np.float64]:
        """The score of every trial in the search."""
        return np.array([trial.score for trial in self.trials])

    @cached_property
    def lowest(self) -> Trial:
        """The earliest trial with the lowest score at the objective's number of epochs. A failed
        trial is chosen only if all trials failed. With several objectives, the sum of the scores is
        used, so the trial is not a meaningful result.

        Raises:
            UserError: No trial has the objective's number of epochs.
        """
        if not self.answers:
            raise UserError(
                "No trial has the objective's epochs yet, so none is the best."
            )
        return min(self.answers, key=lambda trial: (bool(trial.failure), trial.score))

    @property
    def incumbent(self) -> Trial:
        """The trial with the lowest search score at the objective's number of epochs. If scores are
        equal, the earliest trial is chosen. A failed trial is chosen only if all trials failed.

        Raises:
            UserError: There are several objectives. Use `front` instead.
        """
        if self.lowest.scores:
            raise UserError(
                "A run with several objectives has no single best trial. Use front, the trials"
                " that no other trial dominates."
            )
        return self.lowest

    @cached_property
    def reported(self) -> Sequence[Trial]:
        """The trials with the values that reports use. If the search used random training seeds,
        these values are means over seeds. If the benchmark trains cells, only the incumbent has a
        mean over seeds.
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
        """The result of the run: the `incumbent`, with its mean over seeds if the search used a
        random training seed.
        """
        return self.reported[self.incumbent.index]

    @property
    def is_feasible(self) -> bool:
        """Whether the result of the run is feasible, by its reported values."""
        return self.reported[self.lowest.index].feasible

    def contenders(self, n: int | None = None) -> list[Trial]:
        """Return the feasible trials with the objective's number of epochs, with the values that
        reports use. If `n` is given, only the first `n` trials are considered. If the search used
        random training seeds, only trials that no other trial dominated in the search are returned.
        """
        trials = [t for t in self.trials[:n] if t.epochs == self.epochs and t.feasible]
        if self.reported is not self.trials and trials:
            seen = np.flatnonzero(undominated(vectors_of(trials)))
            trials = [self.reported[trials[i].index] for i in seen]
        return [trial for trial in trials if trial.feasible]

    def checkpoint(self, cell: Any = None) -> Path:
        """Return the folder that contains the trained model of a cell, if its training stored a
        model (`surrogate_nas.Training.checkpoint`). The default cell is the incumbent.

        Raises:
            UserError: The folder of the trained model does not exist, or the run was read without
                its benchmark.
        """
        if self.objective is None:
            raise UserError(
                "The run has no benchmark. Ask the benchmark for the checkpoint."
            )
        named = self.incumbent.cell if cell is None else cell
        return self.objective.benchmark.checkpoint(named)

    @property
    def finished_runs(self) -> list[Run]:
        """A list with this run as its only element."""
        return [self]

    def anytime(self, frame: Frame | None = None) -> Anytime:
        """Return the reported score of the incumbent after each trial. With several objectives, the
        score is the missed share of the hypervolume in a `Frame`. If trials have equal scores, the
        earliest trial is the incumbent.
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
        """Return a data frame with the best result after each trial, one row per trial.

        Returns:
            A data frame whose first columns are ``strategy`` and ``run``. ``evaluations`` counts
            the trials from 1. ``cost`` is the time at which the trial ended on the run's clock, in
            the benchmark's unit of cost. ``best_score`` is the reported score of the incumbent, and
            NaN before the first feasible trial. With several objectives, ``best_score`` is the
            missed share of the Pareto front's hypervolume. ``regret`` is the best score minus the
            optimum, or NaN if the optimum is not available. In ``normalised_regret``, 0 is the
            optimum and 1 is the expected result of random sampling with the whole budget.

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
        """The best feasible earlier training with the objective's number of epochs, or None. This
        training is a baseline for `incumbent`.
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
        """The result of the run in words, including the result of a confirmation."""
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
        """The incumbent's choices by position of the search space, such as
        ``{"width": 16, "depth": 2}``.
        """
        return self.incumbent.options

    def row(self, trial: Trial, *, with_options: bool = True) -> Row:
        """Return a trial as a row of a table, that is, a mapping from column to value, with metrics
        by name.
        """
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
        """Return a data frame with one row per trial: strategy, run, the fields of the trial, and
        its metrics by name.

        The column ``score`` is the score in the search. If the search used random training seeds,
        ``reported_score`` is the mean score over seeds. With several objectives, ``score`` is the
        sum of the columns ``score_0``, ``score_1``, …. Each position of the search space is a
        column with the chosen option. If another column has the name of a position, such as
        ``epochs``, the position's column is renamed to ``option_epochs``.
        """
        return rows_frame(map(self.row, self.trials))

    @property
    def cost(self) -> float:
        """The sum of the trials' costs, in the unit of the benchmark: seconds or queries."""
        return sum(trial.cost for trial in self.trials)

    simulated_seconds = former("simulated_seconds", "cost")


@dataclass(frozen=True)
class Anytime:
    """The progress of a run, as three arrays of shape ``(n,)`` with one entry per trial. They
    contain the cost until the trial ended (in simulated seconds or queries), the index of the
    incumbent, and the incumbent's score. The score is infinite before the first feasible trial.
    """

    cost: Values
    best: NDArray[np.int64]
    score: Values

    def at_cells(self, values: Values, cells: NDArray[np.int64]) -> Values:
        """Return values, given per trial, as a curve over the number of evaluated cells, which
        starts at 1. After the last trial, the last value is repeated.
        """
        return np.asarray(values[np.minimum(cells, len(values)) - 1])

    def at_cost(self, values: Values, cost: Values) -> Values:
        """Return values, given per trial, as a right-continuous curve over cost. Only finished
        trials count. The curve is NaN before the first trial has finished.
        """
        finished = np.searchsorted(self.cost, cost, side="right")
        return np.where(finished > 0, values[np.maximum(finished, 1) - 1], np.nan)


def curve_of(run: Run, frame: Frame | None, reference: Reference) -> Row:
    """Return the columns of `Run.curves`, given the frame for hypervolumes and the scale of
    regret.
    """
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
    """Return the Pareto front of several runs: pairs of a run and a trial that no other trial of
    these runs dominates, by reported scores. Of trials with equal scores, only the first is
    included.

    Raises:
        UserError: The run has only one objective.
    """
    if any(run.trials and not run.trials[0].scores for run in runs):
        raise UserError(
            "A front requires several objectives. With one, use incumbent, the best trial of a run."
        )
    found = [(run, trial) for run in runs for trial in run.contenders()]
    best = undominated(vectors_of([trial for _, trial in found])) if found else ()
    return [found[i] for i in np.flatnonzero(best)]


def stacked(parts: Iterable[Row]) -> pandas.DataFrame:
    """Concatenate parts to one data frame. Each part maps a column to a list of values, or to one
    value for all rows.
    """
    import pandas

    frames = [*map(pandas.DataFrame, parts)]
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()


def rows_frame(rows: Iterable[Row]) -> pandas.DataFrame:
    """Return rows as a data frame."""
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
    """Return a trial in a format that JSON can represent."""
    entry = {key: getattr(trial, name) for name, key in _TRIAL_FIELDS.items()}
    entry |= {"cell": trial.cell.text, "values": dict(trial.values)}
    if not trial.failure:
        del entry["failure"]
    return entry


class OtherHistoryError(UserError):
    """Raised if a run that is replayed after a crash differs from its file."""


class RunLog:
    """The file of one run, open for appending. The attribute `known` contains the lines of the
    trials that are stored already.
    """

    def __init__(self, path: Path, root: str) -> None:
        self.path = path
        self._chain = Chain(path, root, _unended, _DAMAGE)
        self.known: list[dict[str, Any]] = self._chain.entries

    def append(self, trials: Sequence[Trial], *, at_once: bool = False) -> None:
        """Write trials that the file does not contain yet, and compare all other trials with the
        file. New trials are on the disk within a second or, if `at_once` is true, when this
        function returns.
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
        """Write the last line, which marks the run as ended, and wait until all data is on the
        disk.
        """
        if len(run.trials) < len(self.known):
            raise self.other_history()
        line = EndLine(
            end=len(run.trials), **{name: getattr(run, name) for name in _END_FIELDS}
        )
        self._chain.append(to_builtins(line))
        self._chain.commit()

    def other_history(self) -> UserError:
        """Return the error for a replayed run that differs from its file."""
        return OtherHistoryError(
            f"{self.path} was made by another version and differs from this run. Delete it and"
            " repeat the command."
        )

    def close(self) -> None:
        """Close the file."""
        self._chain.close()


def _as_text(entry: Mapping[str, Any]) -> str:
    """Return a text that is equal for entries of equal content, including NaN."""
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
    """Read a run from its file, with a function that parses cells. Return None if the run has not
    ended.
    """
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
            raise DamagedError(f"its last line does not count {len(entries)} trials")
    return [_trial(number, entry, cell) for number, entry in enumerate(entries)], end


def _trial(number: int, entry: dict[str, Any], cell: Callable[[str], Cell]) -> Trial:
    is_known = entry.keys() <= _READ_FIELDS
    entry["cost"] = entry.pop("cost_seconds", None)
    trial = checked_as(Trial, entry, lambda _, text: cell(str(text)))
    if trial.cell.text != entry["cell"] or trial.index != number or not is_known:
        raise DamagedError(f"trial {number} is out of place or malformed")
    if math.isfinite(trial.loss + trial.penalty) == bool(trial.failure):
        raise DamagedError(f"trial {number} has no L or λR, or failed and has values")
    object.__setattr__(trial, "values", TrialValues(trial.values))
    return trial


@dataclass(frozen=True, eq=False)
class RunWatch:
    """The content of a run's file while the run is made: the trials, the last line if the run has
    ended, and a description of any damage.
    """

    path: Path
    epochs: int | None
    trials: Sequence[Trial] = ()
    end: EndLine | None = None
    damage: str = ""

    @classmethod
    def of(cls, path: Path, root: str, epochs: int | None) -> RunWatch:
        """Read the file of a run. If the file has not changed since the last call, the earlier
        content is returned.
        """
        try:
            status = path.stat()
        except OSError:
            return cls(path, epochs)
        return _watched(
            path, root, epochs, (status.st_ino, status.st_size, status.st_mtime_ns)
        )

    @property
    def best(self) -> list[float]:
        """Return the best feasible score after each trial, which is infinite before the first
        feasible trial. Only trials with the objective's number of epochs count.
        """
        scores = (
            trial.score if trial.feasible and trial.epochs == self.epochs else math.inf
            for trial in self.trials
        )
        return [*accumulate(scores, min)]

    @property
    def failed(self) -> list[tuple[str, str]]:
        """The cells of failed trainings, with the reasons of the failures."""
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
