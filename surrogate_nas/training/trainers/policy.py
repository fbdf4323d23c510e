"""Policy gradient training: in every epoch the current network acts in some episodes, and learns
from them.

An action's advantage is its generalised advantage (Schulman et al., ICLR 2016) over the
environment's own estimate of values, minus the mean of the *other* episodes at the same step
(Williams 1992; Kool et al. 2019). Advantages of an epoch are divided by their standard deviation.

The network acts with the running statistics of its normalisations and learns with those of the
batch. A loss that does not depend on the log-probabilities of the acting policy uses every step
once.
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
    """A record of n episodes side by side, up to T steps; arrays have the shape ``(T, n)``.

    Attributes:
        observations: Observations, shape ``(T, n, channels, height, width)``.
        actions: The actions taken.
        likelihoods: Log-probabilities of the actions.
        rewards: Rewards; 0 after an episode's end.
        surprises: Reward plus the value of the next state, minus the value of the state.
        lives: Whether an episode had not ended before the step.
    """

    observations: Array
    actions: Array
    likelihoods: Array
    rewards: Array
    surprises: Array
    lives: Array

    def returns(self, discount: float) -> Array:
        """Return the discounted return of every episode, shape ``(n,)``; NaN if outputs were not
        finite.
        """
        if not np.isfinite(self.likelihoods).all():
            return np.full(self.rewards.shape[1], np.nan)
        worth = np.multiply.accumulate([1.0] + [discount] * (len(self.rewards) - 1))
        returns: Array = np.add.reduce(worth[:, None] * self.rewards)
        return returns


def act(
    environment: Environment, starts: Array, predict: Predict, rng: np.random.Generator
) -> Episodes:
    """Let a policy act from some states until all episodes have ended.

    `predict` maps observations to log-odds of actions, shape ``(1, n, actions)``.
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
    """Return the advantage of every action over the other episodes at that step, divided by the
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
    """Train on episodes of the current network, using their steps several times; evaluate on
    episodes from fixed start states.

    Actions are sampled in evaluation, too (Singh, Jaakkola & Jordan, ICML 1994). The reported loss
    is the lost share of the greatest possible return.
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
        """Steps of the optimiser in an epoch."""
        return self.passes * self.batches_a_pass

    def batches(self, epoch: int, predict: Predict) -> Iterator[tuple[Array, Array]]:
        """Yield observations, and the actions taken with their advantages and log-probabilities,
        shape ``(batch, 3)``.

        The number of batches is the same in every epoch, even if its episodes end early.
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
        """Return the lost return of the epoch's episodes, shape ``(K,)`` float64, and the gradient
        of the task's surrogate.
        """
        surrogate, gradient = super().loss_and_gradient(outputs, targets)
        # no number where the surrogate is none
        return surrogate - surrogate + self._lost, gradient

    def judged(self, split: str, predict: Predict) -> tuple[Array, Predictions]:
        """Return the loss of evaluation episodes, shape ``(1,)``, with each episode's return and
        the greatest possible return.
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
