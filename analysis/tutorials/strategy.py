# %% [markdown]
# # A strategy of your own, and its place among others
#
# In this tutorial you write a search strategy in ten lines, check it against the rules for every
# strategy, and see how it ranks among other strategies on four problems. The tutorial takes a
# quarter of a minute of computing and a quarter of an hour of reading; nothing is fetched.
#
# Run this tutorial as a script (`python analysis/tutorials/strategy.py`) or as a notebook
# (`make notebooks`). The tutorial writes all its files to `results/tutorials/strategy`. In the
# code, an `assert` checks every number in the text.

# %%
import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import surrogate_nas as sn

FOLDER = Path("results/tutorials/strategy")
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## 1. A file that works
#
# Most operations work from Python and from a shell. The next function calls the shell command
# `snas` from a notebook.


# %%
def snas(*words: object) -> str:
    print("$ snas", *words)
    made = subprocess.run(
        [sys.executable, "-m", "surrogate_nas", *map(str, words)],
        check=True,
        capture_output=True,
    )
    return made.stdout.decode()


snas("new", "strategy", "Restless", "--folder", FOLDER)
FILE = FOLDER / "restless.py"
print(FILE.read_text())

# %% [markdown]
# A strategy has two methods. `ask(n)` proposes up to `n` cells (a *cell* is one architecture).
# `tell(trials)` receives the scores of cells; **lower is always better**. A strategy has a `space`
# that samples, mutates and lists neighbours, and `rng`, its only source of randomness. A strategy
# has no access to the benchmark, so it cannot read a test result.
#
# The new file contains a hill climber, that is, a strategy that mutates the best cell found so far.
#
# ## 2. Your idea
#
# A hill climber that only mutates the best cell gets stuck where no single change helps. Our idea
# is to mutate *any of the best few* cells. The number of these cells is an argument of the
# constructor.

# %%
IDEA = """
import surrogate_nas as sn

class Restless(sn.Strategy):
    def __init__(self, space, *, seed, keep: int = 5):
        super().__init__(space, seed=seed)
        self.keep, self.best = keep, []
    def ask(self, n):
        parents = [trial.cell for trial in self.best] or [self.space.sample(self.rng)]
        return [self.space.mutate(parents[self.rng.integers(len(parents))], self.rng) for _ in range(n)]
    def tell(self, trials):
        self.best = sorted([*self.best, *trials], key=lambda trial: trial.score)[: self.keep]
"""  # noqa: E501
FILE.write_text(IDEA)

# %% [markdown]
# ## 3. Does it follow the rules?
#
# A strategy with a good score can still have errors. A strategy may depend on the order of a set,
# use the global random generator, stop when a cell is infeasible, or forget its observations.
# `snas check` tests for all of these errors, on spaces of 24 and of 10¹⁸ cells, in fresh processes,
# with several workers.

# %%
checks = json.loads(snas("check", f"{FILE}:Restless", "--json"))
print(f"{sum(one['passed'] for one in checks)} of {len(checks)} rules kept, such as:")
for one in checks[:3]:
    print(" -", one["name"])
assert checks and all(one["passed"] for one in checks)

# %% [markdown]
# Now we run our strategy on the table `fashion`, which has all 15,625 cells of the NAS-Bench-201
# space, trained on Fashion-MNIST. A look-up in the table takes microseconds, but a simulated clock
# charges the seconds of the training.

# %%
run = sn.search("fashion", f"{FILE}:Restless", budget=100, seed=0)
seconds = sum(trial.cost for trial in run.trials)
print(
    f"{len(run.trials)} cells, {seconds:.0f} simulated seconds of training, {run.real_seconds:.1f} real ones"  # noqa: E501
)
print(
    f"best: {run.incumbent.cell}\n  L + λR = {run.incumbent.loss:.4f} + {run.incumbent.penalty:.4f}"
)
assert len(run.trials) == 100

# %% [markdown]
# In the printed score, `L` is the validation loss. `λR` is the penalty for parameters and for
# latency on a CPU in the default objective of the table
# (`valid_loss + 0.1*params + 0.1*latency@cpu`). The 100 evaluated cells are 0.6 % of the space.
#
# ## 4. Against others
#
# One run says nothing about a strategy. Below, we compare four strategies with ten runs each, where
# two settings of our strategy count as two strategies. In run number 3, for example, all four
# strategies start with the same ten random cells. So runs are *paired*, and luck with the initial
# cells cancels out.

# %%
CONTESTANTS = [f"{FILE}:Restless", f"{FILE}:Restless(keep=1)", "evolution", "random"]
made = sn.compare(
    "fashion",
    CONTESTANTS,
    runs=10,
    budget=100,
    folder=FOLDER / "comparison",
    resources=sn.Resources(workers=2),
)
regret = {name: made.regrets(name).mean() for name in made.strategies}
for name in made.strategies:
    hits = int((made.regrets(name) < 1e-9).sum())
    print(
        f"{name:17} mean regret {regret[name]:.4f}; found the optimum in {hits} of 10 runs"
    )

assert (
    regret["Restless"]
    < regret["Restless(keep=1)"]
    < regret["evolution"]
    < regret["random"]
)
assert round(regret["Restless"], 4) == 0.0008 and round(regret["random"], 4) == 0.0139

# %% [markdown]
# The *regret* is the distance from the best score of a run to the optimum, which is known for a
# table. Our strategy has a mean regret of 0.0008, and random search has 0.0139. Is our strategy
# really better? The ten runs form ten pairs, so a paired test can answer whether the difference is
# real.

# %%
tests = {(test.first, test.second): test for test in made.tests}
for (first, second), test in tests.items():
    print(
        f"{first:17} better than {second:17} in {test.wins} of 10, worse in {test.losses}: p = {test.p:.3f}, "  # noqa: E501
        f"corrected {test.p_holm:.3f}"
    )
assert tests["Restless", "random"].p < 0.05 < tests["Restless", "random"].p_holm
assert min(test.p_holm for test in tests.values()) > 0.05

# %% [markdown]
# The p-value `p` is the probability that chance alone would show so clear a difference. For our
# strategy against `random`, `p` is below 5 %. But this is one of six pairs of strategies, and with
# six tests a difference by chance is more likely. Holm's correction accounts for this, and after
# the correction **nothing is decided**. So we need more runs. The same call with `runs=20` computes
# only the ten missing runs.

# %%
made = sn.compare(
    "fashion",
    CONTESTANTS,
    runs=20,
    budget=100,
    folder=FOLDER / "comparison",
    resources=sn.Resources(workers=2),
)
means = {name: made.regrets(name).mean() for name in made.strategies}
for name, mean in means.items():
    print(f"{name:17} mean regret {mean:.4f}, in the first ten runs {regret[name]:.4f}")
assert [round(mean, 4) for mean in means.values()] == [0.0055, 0.0057, 0.0077, 0.0141]
assert regret["Restless(keep=1)"] > 5 * regret["Restless"]
assert min(test.p_holm for test in made.tests) > 0.3

# %% [markdown]
# After ten runs, the regret of `keep=5` was five times smaller than that of `keep=1`, the hill
# climber that our idea should beat. After twenty runs, their mean regrets are nearly equal (0.0055
# and 0.0057). So the lead of `keep=5` was luck, and our idea has no effect here. This finding is
# useful, and it took only a few seconds. (We chose ten runs for this text because ten runs show the
# trap; after eight runs there was no lead. In your own work, fix the number of runs before you see
# results.)
#
# The figure shows the mean regret of each strategy over the number of evaluated cells. The bands
# are 95 % intervals of the mean.

# %%
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
cells = np.arange(10, 101)
for name in made.strategies:
    curves = (
        made.curves()
        .query("strategy == @name")
        .pivot(index="run", columns="evaluations", values="regret")[cells]
        .to_numpy()
    )
    mean, half = curves.mean(axis=0), 1.96 * curves.std(axis=0) / np.sqrt(len(curves))
    axes.plot(cells, mean, label=name)
    axes.fill_between(cells, mean - half, mean + half, alpha=0.15, linewidth=0)
axes.set(
    xlabel="evaluated cells (the first ten are the same for all)",
    ylabel="mean regret",
    ylim=(0, None),
)
axes.legend(frameon=False)
figure.savefig(FOLDER / "curves.png", dpi=120)

# %% [markdown]
# `sn.write_report(made, FOLDER / "comparison")` writes a page with this figure and with times,
# duplicates, the noise of training, and the effect of λ.
#
# ## 5. Its place in a verdict
#
# The comparison above is on one problem only. A *suite* compares strategies on several problems and
# gives one verdict. The suite `starter` has four problems: the table `fashion`, CIFAR-10 and
# ImageNet16-120 with noisy evaluations, and CIFAR-100 under a limit on parameters. Each run of the
# suite evaluates 150 cells.

# %%
told = snas(
    "suite",
    "starter",
    "--strategies",
    f"{FILE}:Restless,local_search,evolution,random",
    "--runs",
    5,
    "--workers",
    2,
    "--out",
    FOLDER / "suite",
    "--json",
)
suite = json.loads(told)
for one in suite["strategies"]:
    print(
        f"{one['name']:13} mean rank {one['rank_mean']:.2f}; optimum found in {one['solved']:.0%} of the runs"  # noqa: E501
    )
for sentence in suite["verdict"]["sentences"]:
    print("-", sentence)
ranks = {one["name"]: one["rank_mean"] for one in suite["strategies"]}
assert ranks == {
    "local_search": 1.25,
    "Restless": 2.0,
    "evolution": 2.75,
    "random": 4.0,
}
(less,) = [one for one in suite["verdict"]["holds"] if one["question"] == "less budget"]
assert (
    not suite["verdict"]["decided_here"]
    and "Restless" in less["why"].partition("quarter")[2]
)
assert (FOLDER / "suite" / "report.html").is_file()

# %% [markdown]
# The mean rank is the place of a strategy among the four strategies on a problem, averaged over
# problems. `local_search`, which evaluates all 24 neighbours before it moves, has a mean rank of
# 1.25, so it is first on three of the four problems. Our strategy is second with a mean rank of
# 2.00. The verdict states how far these ranks can be trusted. On these problems, the runs are too
# few to decide which strategy is best, and four problems are too few to generalise to other
# problems. The verdict also states what would change the winner. After a quarter of the budget
# `Restless` leads, so it is fast at first and then falls behind.
#
# ## What to try next
#
# - Restart your strategy after 30 cells without an improvement. Does its early lead last?
# - Declare `uses_free = True` and read `self.free`, which has λR and the feasibility of every cell
#   without any charge (see `sn.Strategy`).
# - Run `snas suite standard --strategies FILE:Restless,bo,evolution` to compare strategies on 32
#   problems over 18 spaces.
# - Read `analysis/tutorials/objective.py` to change what is minimised, and
#   `analysis/tutorials/surrogate.py` to replace the table by a model.
