# %% [markdown]
# # An agent that cannot learn, and the same made right
#
# The article that this lab began with has a space of `num_layers` × `num_channels` convolutions, a child network built
# from what an agent chooses, and L = L_train + λ·R. Its agent is meant to learn by REINFORCE and never moves. Under a
# minute, nothing is fetched: `python analysis/tutorials/article.py`.
"""The source article's agent, why it stands still, and REINFORCE on the same space: two measurements and a table."""

import argparse
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import surrogate_nas as sn
from surrogate_nas.space import Macro, macro
from surrogate_nas.training.tasks import task_named

# %% [markdown]
# ## The space
#
# 36 stacks, `conv_stack(layers, channels)`. A cell of the space builds its network for the shape of a task's inputs.
SPACE: Macro = macro()
TASK = task_named("digits")
BENCHMARK, OBJECTIVE = "live:digits/macro", "valid_error + 0.1*params"


class Agent(nn.Module):
    """One logit an option: which number of layers, which number of channels."""

    def __init__(self, seed: int) -> None:
        """Start from small random logits.

        Args:
            seed: Of the draw.
        """
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.logits = nn.ParameterList(torch.randn(len(options), generator=draw) / 10 for options in SPACE.options)

    def policy(self) -> list[Tensor]:
        """The probability of every option, a tensor a position."""
        return [logits.detach().softmax(0) for logits in self.logits]


# %% [markdown]
# ## Why the original stands still
#
# The loop of the article, in ten lines. The action is an `argmax`, taken out of the graph by `.item()`; the loss is the
# child's, a function of the child's weights alone; so `backward` gives the agent nothing (`grad` stays `None`), and the
# optimiser, though it holds the agent's parameters, has nothing to apply. No learning rate and no number of episodes
# cures that; λ·R, a plain number, adds no gradient either. And without sampling the agent sees a single stack.


class Still(NamedTuple):
    """What became of the original's agent.

    Attributes:
        gradients: Whether any parameter of the agent ever had one.
        moved: The largest change of any probability.
        chosen: How often it chose each stack.
        child_gradients: How many parameters of the last child had a gradient, and how many it has.
    """

    gradients: bool
    moved: float
    chosen: Counter[str]
    child_gradients: tuple[int, int]


def original(steps: int = 50, penalty: float = 0.1, seed: int = 0) -> Still:
    """The article's loop, step by step.

    Args:
        steps: Episodes.
        penalty: λ, for R in thousands of parameters.
        seed: Of the agent, the children and the batches.
    """
    agent, network, batches = Agent(seed), TASK.network(), torch.Generator().manual_seed(seed)
    before, chosen, gradients = agent.policy(), Counter[str](), False
    inputs, targets = (torch.as_tensor(part) for part in (TASK.data["train"].inputs, TASK.data["train"].targets))
    optimiser = torch.optim.Adam(agent.parameters(), lr=0.1)
    for step in range(steps):
        batch = torch.randint(len(inputs), (32,), generator=batches)
        action = [int(logits.argmax().item()) for logits in agent.logits]  # leaves the graph here
        cell = SPACE.cell(action)
        child = SPACE.build(cell, network, seed=step)
        size = sum(parameter.numel() for parameter in child.parameters()) / 1000
        loss = nn.functional.cross_entropy(child(inputs[batch]), targets[batch]) + penalty * size
        optimiser.zero_grad()
        loss.backward()  # into the child's weights, which nobody steps
        optimiser.step()  # of an agent without gradients
        gradients |= any(parameter.grad is not None for parameter in agent.parameters())
        chosen[cell.text] += 1
    moved = max(float((new - old).abs().max()) for new, old in zip(agent.policy(), before, strict=True))
    held = [parameter.grad is not None for parameter in child.parameters()]
    return Still(gradients, moved, chosen, (sum(held), len(held)))


# %% [markdown]
# ## Made right
#
# What must change is not the network and not the loss but the path from the loss to the agent: **sample** the action,
# keep its log-probability, train the child to the end, and ascend `(reward - baseline) * log π(action)` with the reward
# `-(L + λR)` as a plain number (Williams, 1992). That is the strategy `reinforce`; L is the validation error of the
# child after its own training, not the loss of a batch, and R its parameters in units of the space's median.


class Learned(NamedTuple):
    """What REINFORCE did.

    Attributes:
        thirds: The mean score of the first, the second and the last third of its cells.
        best: The best score among all stacks.
        mean: The mean of all stacks: an agent that stays uniform.
        favourite: The stack that it asked for most often in the last third, its share of that, and its score.
    """

    thirds: tuple[float, float, float]
    best: float
    mean: float
    favourite: tuple[str, float, float]


def right(asks: int = 150, seed: int = 0) -> Learned:
    """Search the same space under L + λR with REINFORCE; every stack is trained once and kept.

    Args:
        asks: How many cells it asks for.
        seed: Of the run.
    """
    bench = sn.load(BENCHMARK)
    objective = sn.Objective(OBJECTIVE, bench)
    whole = {str(one.cell): one.score for one in sn.search(bench, "random", objective, budget=len(SPACE)).trials}
    trials = sn.search(bench, "reinforce", objective, budget=asks, seed=seed).trials
    first, second, last = (part.mean() for part in np.array_split([trial.score for trial in trials], 3))
    late = Counter(str(trial.cell) for trial in trials[-(asks // 3) :])
    name, times = late.most_common(1)[0]
    scores = list(whole.values())
    share = times / sum(late.values())
    return Learned((first, second, last), min(scores), float(np.mean(scores)), (name, share, whole[name]))


# %% [markdown]
# ## Side by side


def main() -> None:
    """Print what became of both agents."""
    parser = argparse.ArgumentParser(description="The source article's agent, and the same made right.")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--asks", type=int, default=150)
    given = parser.parse_args()
    still = original(given.steps)
    print(f"The original, {given.steps} steps: the agent {'has' if still.gradients else 'never has'} a gradient, while "
          f"{still.child_gradients[0]} of {still.child_gradients[1]} of the child's parameters have one;")  # fmt: skip
    print(f"  largest change of a probability {still.moved:g}; stacks tried: {dict(still.chosen)}")
    learned = right(given.asks)
    print(f"REINFORCE on {BENCHMARK}, {OBJECTIVE}: mean score of each third of {given.asks} asks "
          + ", ".join(f"{third:.3f}" for third in learned.thirds))  # fmt: skip
    print(f"  all stacks {learned.mean:.3f} on average, the best {learned.best:.3f}; in the last third "
          f"{learned.favourite[1]:.0%} are {learned.favourite[0]} with {learned.favourite[2]:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
