"""Single training seeds: a search observes one training per cell; reports give means over seeds.

The sampled seed depends only on the root seed, the run and the cell, so all strategies of a run
observe the same training of a cell, in any order of requests.
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
    """The values of single training seeds in a table, for some questions (metrics at numbers of
    epochs).

    Attributes:
        numbers: The seeds in ascending order, shape ``(s,)``.
        trained: Indices of the questions that need a training, shape ``(t,)``. Questions without a
            training do not depend on a seed.
        values: The values by cell (in the order of the space), seed and trained question, shape
            ``(cells, s, t)``; NaN where a cell lacks a seed.
        held: For each cell and seed, whether the table has a value for every trained question,
            shape ``(cells, s)``.
    """

    numbers: NDArray[np.int64]
    trained: NDArray[np.intp]
    values: Values
    held: NDArray[np.bool_]

    @classmethod
    def of(
        cls, benchmark: Benchmark, questions: Sequence[Question]
    ) -> "SingleSeeds | None":
        """Read the values of single seeds from a table.

        Returns:
            The values, or None if no question needs a training or a question has no single seeds.
        """
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
        """Return the values of every seed, shape ``(n, s, questions)``; NaN where missing.

        Args:
            index: Indices of cells, shape ``(n,)``.
            means: The cells' means over seeds, shape ``(n, questions)``.
        """
        rows = np.repeat(means[:, None, :], len(self.numbers), axis=1)
        rows[:, :, self.trained] = self.values[index]
        return rows


@dataclass(frozen=True)
class Draw:
    """The training seeds that one run observes: one per cell.

    Attributes:
        root: The root seed of the experiment.
        run: The number of the run in the experiment.

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
        """Sample a training seed for each cell. Return the seeds' indices in `SingleSeeds.numbers`,
        shape ``(n,)``.

        Each training seed of a cell has a random rank. Of the seeds that the table contains, the
        seed with the lowest rank is used.
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
        """Sample one of the training seeds `numbers` for a cell, as `places` does."""
        return min(numbers, key=lambda seed: self._rank(cell, seed))

    def _rank(self, cell: Cell, seed: int) -> int:
        key = f"{self.root} {self.run} {seed} {cell.text}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest())

    def seen(self, seeds: SingleSeeds, cells: Sequence[Cell], means: Values) -> Values:
        """Return the values of the sampled training seeds, shape ``(n, questions)``.

        Args:
            seeds: The values of all single seeds.
            cells: The ``n`` cells to read.
            means: The cells' means over seeds, shape ``(n, questions)``.

        Raises:
            UserError: A cell has no single seed with a value for every question.
        """
        index = np.array([cell.index for cell in cells], dtype=np.intp)
        lacking = np.flatnonzero(~seeds.held[index].any(axis=1))
        if len(lacking):
            raise UserError(
                f"The table has no single seed for {cells[lacking[0]]}, so none can be sampled."
            )
        return np.asarray(
            seeds.rows(index, means)[np.arange(len(cells)), self.places(seeds, cells)]
        )


def checked_policy(
    policy: SeedPolicy | None, seed: Seed | None, benchmark: Benchmark
) -> SeedPolicy:
    """Return the seed policy after a check that it fits the requested seed. A policy of None stands
    for the benchmark's default policy.
    """
    if policy is None:
        return benchmark.seed_policy if seed in (None, "mean") else "mean"
    if policy == "draw" and seed not in (None, "mean"):
        raise UserError(
            "With --seed-policy draw the training seeds are sampled: leave out the training seed"
            f" {seed}."
        )
    return policy


def trained_seeds(
    benchmark: Benchmark, questions: Sequence[Question]
) -> tuple[int, ...]:
    """Return the seeds that are trained on demand, in ascending order; empty for a table."""
    return () if benchmark.has_columns else tuple(_common(benchmark, questions))


def _common(benchmark: Benchmark, questions: Sequence[Question]) -> list[int]:
    """Return, in ascending order, the seeds that all questions with a training share."""
    seeds = [{*benchmark.seeds(q)} for q in questions if q.epochs is not None]
    return sorted(set.intersection(*seeds)) if seeds else []


def check_drawable(benchmark: Benchmark, questions: Sequence[Question]) -> None:
    """Check that single seeds can be sampled for every cell.

    Raises:
        UserError: The benchmark has no single seeds for the questions, or a cell lacks one.
    """
    trained = [question for question in questions if question.epochs is not None]
    asked = ", ".join(map(str, trained or questions))
    if trained_seeds(benchmark, questions):
        return
    if benchmark.runs_apart:
        raise UserError(
            f"{benchmark.name} declares no seeds for {asked}, so none can be sampled. In a training"
            " of your own, declare them with surrogate_nas.Training(…, seeds=3)."
        )
    seeds = SingleSeeds.of(benchmark, questions)
    if seeds is None:
        there = ", ".join(entry["name"] for entry in available() if entry.get("seeds"))
        raise UserError(
            f"{benchmark.name} has no single seeds of {asked}, so none can be sampled."
            " --seed-policy mean reads the mean. Available benchmarks with single seeds:"
            f" {there or 'none'}."
        )
    means = [benchmark.column(*questions[index]) for index in seeds.trained]
    lacking = int((np.isfinite(means).all(axis=0) & ~seeds.held.any(axis=1)).sum())
    if lacking:
        raise UserError(
            f"{benchmark.name} has a mean but no single seed of {asked} for {lacking:,} cells."
            " Use --seed-policy mean."
        )


def worst_of_seeds(benchmark: Benchmark, question: Question, worst: float) -> float:
    """Return the worst value of a metric that a search may observe.

    Args:
        benchmark: The benchmark.
        question: The metric and its epochs.
        worst: The worst value among the means over seeds.
    """
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
    """Yield trials with means over seeds in place of the observed values."""
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
