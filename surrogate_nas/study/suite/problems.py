"""What a suite is made of: problems, the strategies that enter with so many runs each, and both together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.strategies import StrategyLike, label
from surrogate_nas.study.description import MOST_RUNS
from surrogate_nas.study.experiment import FIRST_CELLS, Budget

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Problem:
    """One question to every strategy: a benchmark, an objective and a budget.

    Attributes:
        name: Its own in the suite, and the name of its folder.
        benchmark: A benchmark's name.
        objective: Text; None for the benchmark's default.
        subject_to: Limits as text, or None.
        seed_policy: ``mean`` or ``draw``.
        cells: The most evaluations of a run, or None.
        seconds: The most simulated seconds of a run, or None.
        first_cells: How many random cells every strategy of a run is told first.

    Example:
        >>> small = Problem("small-cells", "fashion", "valid_loss + 0.1*params", subject_to="params <= 20000", cells=50)
        >>> small.budget
        Budget(cells=50, seconds=None)
    """

    name: str
    benchmark: str
    objective: str | None = None
    subject_to: str | None = None
    seed_policy: str = "mean"
    cells: int | None = None
    seconds: float | None = None
    first_cells: int = FIRST_CELLS

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(f"A problem's name has letters, digits and ._+- only, not {self.name!r:.80}.")
        if self.first_cells < 0:
            raise UserError(f"{self.name} has at least 0 first cells, not {self.first_cells}.")
        try:
            self.budget  # noqa: B018 - checks itself
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from error

    @property
    def budget(self) -> Budget:
        """What a run may spend."""
        return Budget(self.cells, self.seconds)


@dataclass(frozen=True)
class Entrant:
    """A strategy that enters a suite.

    Attributes:
        strategy: A name, ``file.py:Class``, or a class.
        runs: How many seeds on every problem.

    Example:
        >>> Entrant("evolution(population=50)", runs=10).label
        'evolution(population=50)'
    """

    strategy: StrategyLike
    runs: int

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise UserError(f"{self.label} needs at least 1 run, not {self.runs}.")
        if self.runs > MOST_RUNS:
            raise UserError(f"{self.label} has at most {MOST_RUNS:,} runs, not {self.runs}.")

    @property
    def label(self) -> str:
        """The name that its results carry."""
        return label(self.strategy)


@dataclass(frozen=True)
class Suite:
    """Problems × strategies × seeds.

    Attributes:
        name: Such as ``starter``.
        title: What it is for, in one line.
        problems: In the order of the report.
        entrants: The strategies with their runs.
        seed: The root of all randomness, the same for all problems.

    Example:
        >>> from surrogate_nas.study.suite import read_suite
        >>> starter = read_suite("starter")
        >>> mine = starter.only(["fashion"]).entered(["random", "evolution"], runs=3)
        >>> mine.labels, len(mine.problems)
        (['random', 'evolution'], 1)
    """

    name: str
    title: str
    problems: Sequence[Problem]
    entrants: Sequence[Entrant]
    seed: int = 0

    def __post_init__(self) -> None:
        for what, names in (("problem", [p.name for p in self.problems]), ("strategy", self.labels)):
            if not names:
                raise UserError(f"{self.name} has no {what}; it needs at least one.")
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise UserError(f"{self.name} has the {what} {twice[0]} twice.")
        if self.seed < 0:
            raise UserError(f"A seed must be at least 0, not {self.seed}.")

    @property
    def labels(self) -> list[str]:
        """The strategies' names."""
        return [entrant.label for entrant in self.entrants]

    def entered(self, strategies: Sequence[StrategyLike] = (), runs: int | None = None) -> Suite:
        """The same problems with other strategies or runs.

        Args:
            strategies: Who enters instead; those of the suite keep their runs, others make as many as its largest
                number. Empty for those of the suite.
            runs: As many for everybody; None for each one's own.
        """
        own = {entrant.label: entrant for entrant in self.entrants}
        most = max(entrant.runs for entrant in self.entrants)
        entrants = [own.get(label(s)) or Entrant(s, most) for s in strategies] or list(self.entrants)
        if runs is not None:
            entrants = [replace(entrant, runs=runs) for entrant in entrants]
        return replace(self, entrants=entrants)

    def only(self, names: Sequence[str]) -> Suite:
        """The same strategies on some of the problems.

        Args:
            names: Of the problems; empty for all.
        """
        known = {problem.name: problem for problem in self.problems}
        for name in names:
            if name not in known:
                raise unknown(f"problem of {self.name}", name, known)
        return replace(self, problems=[known[name] for name in names]) if names else self
