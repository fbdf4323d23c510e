"""Random sampling: sample uniformly over the raw cells with replacement, as the papers do.

Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019. A cell
that is drawn again is asked again and charged again; `random` is the same without replacement.
"""

from __future__ import annotations

from surrogate_nas.space import Cell
from surrogate_nas.strategies.base import OneByOne


class RandomSampling(OneByOne):
    """Draws cells uniformly and learns nothing.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2)})
        >>> bench = sn.Computed(
        ...     space, {"valid_error": lambda cell: 20.0 - sum(cell.choices)}, cheap=True
        ... )
        >>> run = sn.search(bench, "random_sampling", budget=12)
        >>> (
        ...     len(run.trials),
        ...     len({trial.cell for trial in run.trials}),
        ... )  # a known cell is drawn, and charged, again
        (12, 4)
    """

    def _next(self) -> Cell:
        return self.space.sample(self.rng)
