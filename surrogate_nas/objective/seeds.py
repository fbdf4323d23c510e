"""Single training seeds: a search sees one training of a cell, and reports give means over seeds.

The drawn seed follows from the root seed, the run and the cell alone, so all strategies of a run
see the same training of a cell, in any order of requests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question, SeedPolicy, Values, available
from surrogate_nas.core import UserError
from surrogate_nas.objective.terms import Scores
from surrogate_nas.space import Cell, Trial, TrialValues
from surrogate_nas.tables import Seed


@dataclass(frozen=True)
class SingleSeeds:
    """The answers of single seeds that a table holds for some questions.

    Attributes:
        numbers: The seeds, rising, shape ``(s,)``.
        trained: The places of the questions that need a training, shape ``(t,)``; the others know
            no seed.
        values: Shape ``(cells, s, t)``, in the order of the space, NaN where a cell lacks a seed.
        held: Whether all trained questions are answered, shape ``(cells, s)``.
    """

    numbers: NDArray[np.int64]
    trained: NDArray[np.intp]
    values: Values
    held: NDArray[np.bool_]

    @classmethod
    def of(
        cls, benchmark: Benchmark, questions: Sequence[Question]
    ) -> "SingleSeeds | None":
        """Read a table; None if no question needs a training, or one has no single seeds."""
        trained = [
            i for i, question in enumerate(questions) if question.epochs is not None
        ]
        numbers = _common(benchmark, questions)
        if not numbers:
            return None
        columns = [
            [benchmark.column(*questions[at], seed) for at in trained]
            for seed in numbers
        ]
        values = np.moveaxis(np.array(columns), 2, 0)
        return cls(
            np.array(numbers),
            np.array(trained),
            values,
            np.isfinite(values).all(axis=2),
        )

    def rows(self, index: NDArray[np.intp], means: Values) -> Values:
        """Return values for every seed, shape ``(n, s, questions)``; NaN where missing.

        Args:
            index: Indices of cells, shape ``(n,)``.
            means: Their values by the mean over seeds, shape ``(n, questions)``.
        """
        rows = np.repeat(means[:, None, :], len(self.numbers), axis=1)
        rows[:, :, self.trained] = self.values[index]
        return rows


@dataclass(frozen=True)
class Draw:
    """The seeds that one run sees, by the root seed of the experiment and the number of the run.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> seeds = SingleSeeds.of(bench, [bench.question("valid_error")])
        >>> cells, draw = bench.space[:6], Draw(root=0, run=0)
        >>> bool(
        ...     (
        ...         draw.places(seeds, cells) == draw.places(seeds, cells[::-1])[::-1]
        ...     ).all()
        ... )
        True
    """

    root: int
    run: int

    def places(self, seeds: SingleSeeds, cells: Sequence[Cell]) -> NDArray[np.intp]:
        """Draw a seed of each cell, as its place among the numbers, shape ``(n,)``.

        Each seed of a cell has a random rank, and the first one that is held is taken.
        """
        numbers = seeds.numbers.tolist()
        ranks = np.array(
            [self._rank(cell, seed) for cell in cells for seed in numbers],
            dtype=np.uint64,
        ).reshape(len(cells), len(numbers))
        has_seed = seeds.held[[cell.index for cell in cells]]
        return np.asarray(
            np.where(has_seed, ranks, np.iinfo(np.uint64).max).argmin(axis=1)
        )

    def number(self, numbers: Sequence[int], cell: Cell) -> int:
        """Draw one of some seeds of a cell, as `places` does."""
        return min(numbers, key=lambda seed: self._rank(cell, seed))

    def _rank(self, cell: Cell, seed: int) -> int:
        key = f"{self.root} {self.run} {seed} {cell.text}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest())

    def seen(self, seeds: SingleSeeds, cells: Sequence[Cell], means: Values) -> Values:
        """Return the values of drawn seeds in place of the means, shape ``(n, questions)`` both.

        Raises:
            UserError: A cell has no single seed for all questions.
        """
        index = np.array([cell.index for cell in cells], dtype=np.intp)
        lacking = np.flatnonzero(~seeds.held[index].any(axis=1))
        if len(lacking):
            raise UserError(
                f"No single seed is held for {cells[lacking[0]]}, so none can be drawn."
            )
        return np.asarray(
            seeds.rows(index, means)[np.arange(len(cells)), self.places(seeds, cells)]
        )


def checked_policy(
    policy: SeedPolicy | None, seed: Seed | None, benchmark: Benchmark
) -> SeedPolicy:
    """Check a seed policy against the seed that was named; None is the benchmark's own."""
    if policy is None:
        return benchmark.seed_policy if seed in (None, "mean") else "mean"
    if policy == "draw" and seed not in (None, "mean"):
        raise UserError(
            f"Seeds are drawn or named, not both: leave out the training seed {seed}."
        )
    return policy


def trained_seeds(
    benchmark: Benchmark, questions: Sequence[Question]
) -> tuple[int, ...]:
    """Return the seeds that are trained on demand, rising; none of a table."""
    return () if benchmark.has_columns else tuple(_common(benchmark, questions))


def _common(benchmark: Benchmark, questions: Sequence[Question]) -> list[int]:
    """Return the seeds that all questions with a training have, rising; none without such."""
    seeds = [{*benchmark.seeds(q)} for q in questions if q.epochs is not None]
    return sorted(set.intersection(*seeds)) if seeds else []


def check_drawable(benchmark: Benchmark, questions: Sequence[Question]) -> None:
    """Refuse a draw if a table lacks single seeds of a cell."""
    trained = [question for question in questions if question.epochs is not None]
    asked = ", ".join(map(str, trained or questions))
    if trained_seeds(benchmark, questions):
        return
    if benchmark.runs_apart:
        raise UserError(
            f"{benchmark.name} names no seeds of {asked}, so none can be drawn; a training of your"
            " own does by surrogate_nas.Training(…, seeds=3)."
        )
    seeds = SingleSeeds.of(benchmark, questions)
    if seeds is None:
        there = ", ".join(entry["name"] for entry in available() if entry.get("seeds"))
        raise UserError(
            f"{benchmark.name} holds no single seeds of {asked}, so none can be drawn "
            "(--seed-policy mean reads the mean); benchmarks with single seeds:"
            f" {there or 'none of those that are here'}."
        )
    means = [benchmark.column(*questions[index]) for index in seeds.trained]
    lacking = int((np.isfinite(means).all(axis=0) & ~seeds.held.any(axis=1)).sum())
    if lacking:
        raise UserError(
            f"{benchmark.name} holds no single seed of {asked} for {lacking:,} of the cells whose"
            " mean it holds; none is made up. Use --seed-policy mean."
        )


def worst_of_seeds(benchmark: Benchmark, question: Question, worst: float) -> float:
    """Return the worst value that a search may see of a metric."""
    if not benchmark.has_columns:  # the bound is one for all seeds
        return worst
    columns = (benchmark.column(*question, seed) for seed in benchmark.seeds(question))
    values = np.concatenate([np.array([worst]), *columns])
    return benchmark.metric(question.metric).worst(values[np.isfinite(values)])


def as_reported(
    trials: Sequence[Trial],
    names: Sequence[str],
    values: Values,
    scores: Scores,
) -> Iterator[Trial]:
    """Yield trials with means over seeds in place of the seen values."""
    for i, trial in enumerate(trials):
        yield replace(
            trial,
            score=float(scores.score[i]),
            loss=float(scores.loss[i]),
            penalty=float(scores.penalty[i]),
            feasible=trial.feasible and bool(scores.feasible[i]),
            values=TrialValues(zip(names, values[i].tolist(), strict=True)),
            scores=tuple(scores.vector[i].tolist()) if trial.scores else (),
        )
