# %% [markdown]
# # An agent that cannot learn, and the same made right
#
# The article that this lab began with has a space of `num_layers` × `num_channels` convolutions, a
# child network built from what an agent chooses, and L = L_train + λ·R. Its agent is meant to learn
# by REINFORCE and never moves. At the end you will know why, and what a single changed path from
# the loss to the agent does. Half a minute of computing, ten minutes of reading; nothing is
# fetched.

# %%
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

import surrogate_nas as sn
from surrogate_nas.space import macro
from surrogate_nas.training.tasks import task_named

FOLDER = Path("results/tutorials/article")
FOLDER.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The space and the agent
#
# 36 stacks, `conv_stack(layers, channels)`. A cell of the space builds its network for the shape of
# a task's inputs. The agent has one logit an option: which number of layers, which number of
# channels.

# %%
SPACE, TASK = macro(), task_named("digits")
print(dict(zip(SPACE.positions, SPACE.options, strict=True)))


class Agent(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.logits = nn.ParameterList(
            torch.randn(len(options), generator=draw) / 10 for options in SPACE.options
        )

    def policy(self) -> list[Tensor]:
        """The probability of every option, a tensor a position."""
        return [logits.detach().softmax(0) for logits in self.logits]


# %% [markdown]
# ## The original stands still
#
# The loop of the article, for 50 episodes.

# %%
STEPS, PENALTY = 50, 0.1
agent, batches = Agent(seed=0), torch.Generator().manual_seed(0)
before, chosen, has_gradient = agent.policy(), Counter(), False
inputs, targets = (
    torch.as_tensor(part) for part in (TASK.data["train"].inputs, TASK.data["train"].targets)
)
optimiser = torch.optim.Adam(agent.parameters(), lr=0.1)
for step in range(STEPS):
    batch = torch.randint(len(inputs), (32,), generator=batches)
    cell = SPACE.cell(
        [int(logits.argmax().item()) for logits in agent.logits]
    )  # leaves the graph here
    child = SPACE.build(cell, TASK.network(), seed=step)
    size = sum(parameter.numel() for parameter in child.parameters()) / 1000
    loss = nn.functional.cross_entropy(child(inputs[batch]), targets[batch]) + PENALTY * size
    optimiser.zero_grad()
    loss.backward()  # into the child's weights, which nobody steps
    optimiser.step()  # of an agent without gradients
    has_gradient |= any(parameter.grad is not None for parameter in agent.parameters())
    chosen[cell.text] += 1

moved = max(float((new - old).abs().max()) for new, old in zip(agent.policy(), before, strict=True))
held = [parameter.grad is not None for parameter in child.parameters()]
print(
    f"did the agent ever have a gradient? {has_gradient}; of the child's parameters {sum(held)} of {len(held)} have"  # noqa: E501
)
print(f"largest change of a probability: {moved:g}; stacks tried: {dict(chosen)}")
assert not has_gradient and moved == 0 and all(held) and held
assert len(chosen) == 1 and sum(chosen.values()) == STEPS

# %% [markdown]
# The action is an `argmax`, taken out of the graph by `.item()`; the loss is the child's, a
# function of the child's weights alone; so `backward` gives the agent nothing (`grad` stays
# `None`), and the optimiser, though it holds the agent's parameters, has nothing to apply. No
# learning rate and no number of episodes cures that; λ·R, a plain number, adds no gradient either.
# And without sampling the agent sees a single stack.
#
# ## Made right
#
# What must change is not the network and not the loss but the path from the loss to the agent:
# **sample** the action, keep its log-probability, train the child to the end, and ascend
# `(reward - baseline) * log π(action)` with the reward `-(L + λR)` as a plain number (Williams,
# 1992). That is the strategy `reinforce`; L is the validation error of the child after its own
# training, not the loss of a batch, and R its parameters in units of the space's median.
#
# Every stack is trained once and kept, so that we know all 36 scores beside what the agent asked
# for.

# %%
ASKS = 150
bench = sn.load("live:digits/macro")
objective = sn.Objective("valid_error + 0.1*params", bench)
scores = {
    str(trial.cell): trial.score
    for trial in sn.search(bench, "random", objective, budget=len(SPACE)).trials
}
trials = sn.search(bench, "reinforce", objective, budget=ASKS, seed=0).trials
thirds = [float(part.mean()) for part in np.array_split([trial.score for trial in trials], 3)]
average, best = float(np.mean(list(scores.values()))), min(scores.values())
favourite, times = Counter(str(trial.cell) for trial in trials[-(ASKS // 3) :]).most_common(1)[0]
print(
    f"mean score of each third of {ASKS} asks: {', '.join(f'{third:.3f}' for third in thirds)} (lower is better)"  # noqa: E501
)
print(f"all 36 stacks: {average:.3f} on average, the best {best:.3f}")
print(
    f"asked for most in the last third: {favourite}, {times} of {ASKS // 3} times, with {scores[favourite]:.3f}"  # noqa: E501
)
assert thirds[2] < thirds[0] and thirds[2] < 0.6 * average
assert scores[favourite] < average and times / (ASKS // 3) > 4 / len(SPACE)

# %% [markdown]
# An agent that stays uniform would get the average of all stacks. This one's last third is better
# than its first, and costs less than 60 % of that average; it comes back to one good stack more
# than four times as often as chance would. It does not find the best stack, and need not: a policy
# gradient moves probability, it does not look for minima. On 36 stacks random search finds the best
# one by trying them all.

# %%
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.scatter(
    np.arange(1, ASKS + 1), [trial.score for trial in trials], s=8, label="asked for by reinforce"
)
axes.axhline(
    average,
    color="grey",
    linestyle="--",
    label="average of all 36: the agent that stands still at random",
)
axes.axhline(best, color="tab:green", linestyle=":", label="the best stack")
axes.set(xlabel="ask", ylabel="L + λR")
axes.legend(frameon=False)
figure.savefig(FOLDER / "learning.png", dpi=120)

# %% [markdown]
# ## What to try next
#
# - `reinforce(learning_rate=0.5)` beside `reinforce`: which learns faster, and which gets stuck?
#   (`snas strategies`)
# - The same beside others:
#   `snas compare live:digits/macro --strategies reinforce,random,bo --runs 20`.
# - Your own strategy: `analysis/tutorials/strategy.py`.
