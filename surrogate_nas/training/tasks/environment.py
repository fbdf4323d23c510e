"""What a policy acts in: many episodes at once, each a row of arrays, without own state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.tasks.checking import Splits, as_split


class Environment:
    """Episodes that start from given states and end by themselves or after `longest` steps.

    Attributes:
        longest: The most steps of an episode.
        discount: What a reward is worth that comes one step later.
        trace: λ of the advantages (Schulman et al., ICLR 2016): 1 trusts the rewards alone, 0
            trusts `value` after one step.
    """

    longest: int
    discount: float = 1.0
    trace: float = 1.0

    def observe(self, states: Array) -> Array:
        """What the policy sees of states ``(n, …)``: float32 ``(n, channels, height, width)``.

        Signals have height 1.
        """
        raise NotImplementedError

    def step(self, states: Array, actions: Array) -> tuple[Array, Array, Array]:
        """The states after one action each, the rewards ``(n,)``, and which episodes have ended
        ``(n,)``.

        Args:
            states: Shape ``(n, …)``; not changed.
            actions: Shape ``(n,)``, numbers from 0 on.
        """
        raise NotImplementedError

    def greatest(self, states: Array) -> Array:
        """The greatest possible discounted return from each state, above 0, shape ``(n,)``."""
        raise NotImplementedError

    def value(self, states: Array) -> Array:
        """A guess of the return to come that is known without learning, shape ``(n,)``.

        It is the baseline of advantages, as shaping by a potential is (Ng, Harada & Russell, ICML
        1999; Wiewiora, JAIR 2003): it changes how fast a policy learns, not which one is best.

        Args:
            states: Shape ``(n, …)``.
        """
        return np.zeros(len(states))


def starting(environment: Environment, states: Mapping[str, Array]) -> Splits:
    """Splits of start states with what is seen of them."""
    return {
        name: as_split(environment.observe(part), part) for name, part in states.items()
    }
