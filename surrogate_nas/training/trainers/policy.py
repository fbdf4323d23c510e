"""Policy gradient training. In every epoch, the current network acts in some episodes and then
learns from them.

An action's advantage is its generalised advantage (Schulman et al., ICLR 2016), for which the
environment estimates the values of states. The mean advantage of the *other* episodes at the same
step is subtracted (Williams 1992; Kool et al. 2019). The advantages of an epoch are divided by
their standard deviation.

Batch normalisation uses running statistics while the network acts, and the statistics of the batch
while the network learns. With a loss that does not depend on the log-probabilities of the policy
that acted, every step of an episode is used only once.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.training.machine import Array, log_softmax
from surrogate_nas.training.metrics import Predictions
from surrogate_nas.training.tasks import Environment, Split, Task
from surrogate_nas.training.trainers import Predict, Trainer

EPISODES = 64
PASSES = 3
"""The number of passes over an epoch's steps, for a loss that depends on the probabilities of
actions at the time they were taken.
"""
JUDGED_SEED = 0
"""The seed for sampling actions in evaluation episodes: the same random numbers for all
policies.
"""


@dataclass(frozen=True)
class Episodes:
    """A record of n episodes side by side, with up to T steps. Arrays have the shape ``(T, n)``
    unless stated otherwise.

    Attributes:
        observations: What the policy observed, shape ``(T, n, channels, height, width)``.
        actions: The actions that the policy took.
        likelihoods: Log-probabilities of the actions that were taken.
        rewards: Rewards of the actions, which are 0 after an episode's end.
        surprises: Temporal-difference errors: the reward plus the (discounted) value of the next
            state, minus the value of the state.
        lives: Whether the episode had not ended before the step.
    """

    observations: Array
    actions: Array
    likelihoods: Array
    rewards: Array
    surprises: Array
    lives: Array

    def returns(self, discount: float) -> Array:
        """Return the discounted return of every episode, shape ``(n,)``. The returns are NaN if the
        network's outputs were not finite.
        """
        if not np.isfinite(self.likelihoods).all():
            return np.full(self.rewards.shape[1], np.nan)
        worth = np.multiply.accumulate([1.0] + [discount] * (len(self.rewards) - 1))
        returns: Array = np.add.reduce(worth[:, None] * self.rewards)
        return returns


def act(
    environment: Environment, starts: Array, predict: Predict, rng: np.random.Generator
) -> Episodes:
    """Let a policy act from some start states until all episodes have ended, and return a record of
    the episodes.

    The argument `predict` is a function from observations to the log-odds of actions, shape
    ``(1, n, actions)``.
    """
    states = starts
    n = len(starts)
    alive = np.ones(n, dtype=bool)
    value = environment.value(states)
    steps: list[tuple[Array, ...]] = []
    for _ in range(environment.longest):
        observations = environment.observe(states)
        odds = log_softmax(predict(observations)[0], 1)
        actions = (odds + rng.gumbel(size=odds.shape)).argmax(1)
        states, rewards, ended = environment.step(states, actions)
        after = np.where(ended, 0, environment.value(states))
        surprises = rewards + environment.discount * after - value
        likelihoods = odds[np.arange(n), actions]
        brought = rewards * alive, surprises * alive, alive
        steps.append((observations, actions, likelihoods, *brought))
        value = after
        alive = alive & ~ended
        if not alive.any():
            break
    return Episodes(*map(np.stack, zip(*steps, strict=True)))


def advantages(episodes: Episodes, decay: float) -> Array:
    """Return the advantage of every action over the other episodes at the same step, divided by the
    standard deviation, shape ``(T, n)``.
    """
    total = np.zeros_like(episodes.surprises)
    to_come = np.zeros(total.shape[1])
    for t in reversed(range(len(total))):
        to_come = total[t] = episodes.surprises[t] + decay * to_come
    baseline = (total.sum(1, keepdims=True) - total) / (total.shape[1] - 1)
    better = total - baseline
    scaled: Array = better / (better[episodes.lives].std() + 1e-8)
    return scaled


class Policy(Trainer):
    """Train a policy on episodes in which it acts, using each step of an episode several times. The
    policy is evaluated on episodes from fixed start states.

    In evaluation episodes, actions are sampled, too, instead of choosing the most probable action
    (Singh, Jaakkola & Jordan, ICML 1994). The reported loss is the lost share of the greatest
    possible return.
    """

    stackable = False

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run."""
        super().__init__(task, data, seed=seed)
        if task.environment is None:
            raise UserError(f"The policy task {task.name} has no environment.")
        self.environment = task.environment
        self.starts = {name: split.targets for name, split in data.items()}
        self.greatest = {
            name: self.environment.greatest(starts)
            for name, starts in self.starts.items()
        }
        self.passes = PASSES if _depends_on_the_past(task) else 1
        self.batches_a_pass = math.ceil(
            EPISODES * self.environment.longest / task.schedule.batch
        )
        self._lost = math.nan

    @property
    def steps(self) -> int:
        """The number of optimiser steps per epoch."""
        return self.passes * self.batches_a_pass

    def batches(self, epoch: int, predict: Predict) -> Iterator[tuple[Array, Array]]:
        """Yield batches of observations and of targets. A target has the action taken, its
        advantage and its log-probability, shape ``(batch, 3)``.

        The number of batches is the same in every epoch, even if the epoch's episodes end early.
        """
        rng = np.random.default_rng((self.seed, epoch))
        chosen = rng.integers(len(self.starts["train"]), size=EPISODES)
        episodes = act(self.environment, self.starts["train"][chosen], predict, rng)
        self._lost = self._loss(episodes, self.greatest["train"][chosen])
        better = advantages(
            episodes, self.environment.discount * self.environment.trace
        )
        lives = episodes.lives
        columns = episodes.actions, better, episodes.likelihoods
        inputs = episodes.observations[lives]
        targets = np.stack([column[lives] for column in columns], 1).astype(np.float32)
        for _ in range(self.passes):
            for part in np.array_split(
                rng.permutation(len(targets)), self.batches_a_pass
            ):
                yield inputs[part], targets[part]

    def loss_and_gradient(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """Return the lost share of the return in the epoch's episodes, shape ``(K,)``, and the
        gradient of the task's surrogate loss.
        """
        surrogate, gradient = super().loss_and_gradient(outputs, targets)
        # no number where the surrogate is none
        return surrogate - surrogate + self._lost, gradient

    def judged(self, split: str, predict: Predict) -> tuple[Array, Predictions]:
        """Return the lost share of the return in evaluation episodes, shape ``(1,)``, with each
        episode's return and the greatest possible return.
        """
        rng = np.random.default_rng(JUDGED_SEED)
        episodes = act(self.environment, self.starts[split], predict, rng)
        actions = np.unique(episodes.actions[episodes.lives])
        self.note = (
            f"collapsed: takes no action but {actions[0]}" if len(actions) == 1 else ""
        )
        returns = episodes.returns(self.environment.discount)[None, :, None]
        greatest = self.greatest[split]
        lost = np.array([self._loss(episodes, greatest)])
        fields = returns, greatest, self.data[split].inputs, self.task, predict
        return lost, Predictions(*fields)

    def _loss(self, episodes: Episodes, greatest: Array) -> float:
        return float(
            1 - episodes.returns(self.environment.discount).sum() / greatest.sum()
        )


def _depends_on_the_past(task: Task) -> bool:
    """Return whether the loss depends on the probability of an action at the time it was taken."""
    outputs = np.zeros((1, 1, task.classes), np.float32)
    uniform = -math.log(task.classes)
    as_now, likelier = (
        task.losses(outputs, np.array([[0, 1, uniform + more]], np.float32)).item()
        for more in (0.0, 0.1)
    )
    return bool(as_now != likelier)
