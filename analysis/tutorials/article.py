# %% [markdown]
# # An agent that cannot learn, and one that can
#
# This project began with an article about an agent that searches for architectures. The search
# space of the article has `num_layers` × `num_channels` convolutions. An agent chooses both
# numbers, a child network is built from them, and the loss is L = L_train + λ·R. The agent of the
# article should learn by REINFORCE, but it never changes. At the end of this tutorial you will know
# why, and how one corrected path from the loss to the agent lets it learn. The tutorial takes up to
# 20 s of computing and ten minutes of reading; nothing is fetched.

# %%
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

import surrogate_nas as sn

FOLDER = Path("results/tutorials/article")
FOLDER.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The space and the agent
#
# The space has 36 stacks of convolutions, `conv_stack(layers, channels)`. The space builds the
# network of a stack for the input shape of a task. The agent has one logit per option: one for each
# number of layers and one for each number of channels.

# %%
SPACE, TASK = sn.space_named("macro"), sn.task_named("digits")
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
# ## The original agent does not learn
#
# The next cell repeats the training loop of the article for 50 episodes.

# %%
STEPS, PENALTY = 50, 0.1
agent, batches = Agent(seed=0), torch.Generator().manual_seed(0)
before, chosen, has_gradient = agent.policy(), Counter(), False
inputs, targets = (
    torch.as_tensor(part)
    for part in (TASK.data["train"].inputs, TASK.data["train"].targets)
)
optimiser = torch.optim.Adam(agent.parameters(), lr=0.1)
for step in range(STEPS):
    batch = torch.randint(len(inputs), (32,), generator=batches)
    cell = SPACE.cell(
        [int(logits.argmax().item()) for logits in agent.logits]
    )  # leaves the graph here
    child = SPACE.build(cell, TASK.network(), seed=step)
    size = sum(parameter.numel() for parameter in child.parameters()) / 1000
    loss = (
        nn.functional.cross_entropy(child(inputs[batch]), targets[batch])
        + PENALTY * size
    )
    optimiser.zero_grad()
    loss.backward()  # into the child's weights, which nobody steps
    optimiser.step()  # of an agent without gradients
    has_gradient |= any(parameter.grad is not None for parameter in agent.parameters())
    chosen[cell.text] += 1

moved = max(
    float((new - old).abs().max())
    for new, old in zip(agent.policy(), before, strict=True)
)
held = [parameter.grad is not None for parameter in child.parameters()]
print(
    f"did the agent ever have a gradient? {has_gradient}; of the child's parameters {sum(held)} of {len(held)} have"  # noqa: E501
)
print(f"largest change of a probability: {moved:g}; stacks tried: {dict(chosen)}")
assert not has_gradient and moved == 0 and all(held) and held
assert len(chosen) == 1 and sum(chosen.values()) == STEPS

# %% [markdown]
# The action of the agent is an `argmax`, and `.item()` takes it out of the computation graph. The
# loss depends only on the weights of the child network. So `backward` gives the agent no gradient
# (`grad` stays `None`). The optimiser has the agent's parameters, but no gradient to apply. Neither
# another learning rate nor more episodes help the agent. The penalty λ·R is a plain number and adds
# no gradient either. Without sampling, the agent tries only one stack.
#
# ## The corrected agent
#
# The network and the loss need not change, but the path from the loss to the agent must. REINFORCE
# (Williams, 1992) **samples** the action, stores its log-probability, and trains the child network
# to the end. Then REINFORCE ascends `(reward - baseline) * log π(action)` with the reward
# `-(L + λR)` as a plain number. The strategy `reinforce` of this package does this. For this agent,
# L is the validation error of the child network after its own training, not the loss of a batch,
# and R is its number of parameters in units of the space's median.
#
# Every stack is trained only once, and its result is stored. So we know the scores of all 36
# stacks, and can compare them with the stacks that the agent proposes.

# %%
ASKS = 150
bench = sn.load("live:digits/macro")
objective = sn.Objective("valid_error + 0.1*params", bench)
scores = {
    str(trial.cell): trial.score
    for trial in sn.search(bench, "random", objective, budget=len(SPACE)).trials
}
trials = sn.search(bench, "reinforce", objective, budget=ASKS, seed=0).trials
thirds = [
    float(part.mean()) for part in np.array_split([trial.score for trial in trials], 3)
]
average, best = float(np.mean(list(scores.values()))), min(scores.values())
favourite, times = Counter(
    str(trial.cell) for trial in trials[-(ASKS // 3) :]
).most_common(1)[0]
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
# An agent with a uniform policy would get the average score of all stacks. The last third of this
# agent's proposals is better than the first third, and scores less than 60 % of the average of all
# stacks. The agent proposes one good stack more than four times as often as chance would. The agent
# does not find the best stack, because a policy gradient moves probability and does not search for
# minima. With only 36 stacks, random search finds the best stack by trying all of them.

# %%
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.scatter(
    np.arange(1, ASKS + 1),
    [trial.score for trial in trials],
    s=8,
    label="asked for by reinforce",
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
# - Compare `reinforce(learning_rate=0.5)` with `reinforce`: which agent learns faster, and which
#   one gets stuck? (`snas strategies` describes the options.)
# - Compare `reinforce` with other strategies:
#   `snas compare live:digits/macro --strategies reinforce,random,bo --runs 20`.
# - Write your own strategy with the tutorial `analysis/tutorials/strategy.py`.
