"""Random sampling: sample cells uniformly with replacement, counting isomorphic cells separately.

Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019. A cell
that is sampled again is evaluated and charged again; the strategy `random` samples without
replacement.
"""

from surrogate_nas.space import Cell
from surrogate_nas.strategies.base import OneByOne


class RandomSampling(OneByOne):
    """Sample cells uniformly and learn nothing.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2)})
        >>> sampling = RandomSampling(space, seed=0)
        >>> len(set(sampling.ask(12)))  # cells are sampled again
        4
    """

    def _next(self) -> Cell:
        return self.space.sample(self.rng)
