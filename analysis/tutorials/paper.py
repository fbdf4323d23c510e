# %% [markdown]
# # Reproducing a paper
#
# In this tutorial you repeat two published measurements and see which numbers agree and which
# differ. Then you answer the question of the papers with the statistics that they left out. The
# tutorial takes a quarter of a minute of computing and a quarter of an hour of reading; nothing is
# fetched.

# %%
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import surrogate_nas as sn
from analysis.papers import PAPERS, reproduce

FOLDER = Path("results/tutorials/paper")
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## 1. Which papers can be repeated
#
# `python -m analysis.papers NAME` repeats a published comparison and shows our numbers next to
# the published ones.

# %%
print(", ".join(PAPERS))
assert "landscape" in PAPERS

# %% [markdown]
# Most of these comparisons need tables that you fetch first (`make data`, 36 MB). The comparisons
# `landscape`, `transfer`, `losses`, `proxies` and `queries` also work with the installed table.
# This table has the results of NAS-Bench-201 after 200 epochs, on three data sets, with two or
# three training seeds for each of the 15,625 cells. The comparison `landscape` repeats results of
# two papers:
#
# - Ochoa & Veerapen (PPSN 2022) count *local optima*: cells that are better than all their 24
#   neighbours. If there are many local optima, a hill climber gets stuck.
# - White et al. (2020) count how many cells local search evaluates before it finds the best cell of
#   the space.
#
# ## 2. Repeat it
#
# We use 200 local searches instead of 1,000. The same command in a shell is
# `python -m analysis.papers landscape --runs 200`.

# %%
result = reproduce("landscape", folder=FOLDER, runs=200)
print(
    f"{len(result.rows)} rows in {result.seconds:.0f} s; table.md, rows.json and a picture in {FOLDER}\n"  # noqa: E501
)
printed = [row for row in result.rows if row.published is not None]
for row in printed:
    print(
        f"{row.dataset:14} {row.method:22} {row.metric:16} {row.published_text:>6} {row.ours_text:>15}  {row.mark}"  # noqa: E501
    )
held = {(row.method, row.dataset, row.metric): row for row in result.rows}
assert len(printed) == 7

# %% [markdown]
# Each printed row has the published number, our number, and a mark. The mark `C` means that we
# confirmed the number in the paper, and `?` that we quote it without confirmation. The next cell
# shows the local optima.

# %%
DATA = ("CIFAR-10", "CIFAR-100", "ImageNet16-120")
mean, one = (
    [held[method, data, "local_optima"] for data in DATA]
    for method in ("mean of seeds", "one seed")
)
for row in (*mean, *one):
    print(f"{row.method:14} {row.dataset:14} {row.verdict}")
assert [row.published for row in mean] == [13, 25, 34] and [
    row.ours for row in mean
] == [
    13,
    26,
    34,
]
assert [row.published for row in one] == [22, 39, 53] and [row.ours for row in one] == [
    24,
    50,
    56,
]

# %% [markdown]
# With the mean over seeds, the paper finds 13, 25 and 34 local optima, and we find 13, 26 and 34.
# So this result is reproduced. With one seed per cell, the paper finds 22, 39 and 53 local optima,
# and we find 24, 50 and 56. This difference is not a mistake: trainings are noisy, and the paper
# used other random seeds than we did. A number that depends on random seeds cannot be reproduced
# exactly. But its message can be reproduced: with noise there are more local optima, on every data
# set.

# %%
assert all(noisy.ours > quiet.ours for noisy, quiet in zip(one, mean, strict=True))
for line in result.notes:
    print("-", line)

# %% [markdown]
# The printed notes state the convention behind each number. Read the notes before you conclude that
# a reproduction has failed.
#
# ## 3. A mean without an interval
#
# White et al. report that local search evaluates 127 cells until it finds the optimum on CIFAR-100.
# The next cell prints our result.

# %%
steepest = held["local search, steepest", "CIFAR-100", "cells_to_optimum"]
error = steepest.ours_std / np.sqrt(steepest.runs)
print(
    f"published {steepest.published:.0f}; ours {steepest.ours:.0f} ± {steepest.ours_std:.0f} over {steepest.runs} "  # noqa: E501
    f"runs; the mean itself is known to ± {error:.0f}"
)
assert steepest.published == 127 and abs(steepest.published - steepest.ours) < 2 * error
assert 50 < steepest.ours_std < 60 and round(error) == 4

# %% [markdown]
# Two meanings of ± are easy to confuse. The standard deviation says that single runs differ by more
# than 50 cells. The standard error says that the mean over 200 runs is known to about 4 cells. The
# published value of 127 lies within two standard errors of our mean, so the numbers agree.
#
# The next result is in neither paper: a local search that moves to the *first* better neighbour,
# instead of evaluating all 24 neighbours, needs about half as many cells.

# %%
first = held["local search, first improvement", "CIFAR-100", "cells_to_optimum"]
print(f"first improvement: {first.ours:.0f} ± {first.ours_std:.0f}")
assert 0.4 < first.ours / steepest.ours < 0.6

# %% [markdown]
# ## 4. Our statistics on their question
#
# The papers ask whether local search is a state-of-the-art strategy. But compared with which
# strategies, after how many cells, by how much, and could it be luck? We answer this by a
# comparison of four strategies with 100 cells and 30 paired runs each.

# %%
STRATEGIES = ["first_improvement", "local_search", "evolution", "random"]
seen = {
    policy: sn.compare(
        "nb201-cifar100",
        STRATEGIES,
        "valid_error[200]",
        runs=30,
        budget=100,
        seed_policy=policy,
    )
    for policy in ("mean", "draw")
}
quiet, noisy = seen["mean"], seen["draw"]
for name in STRATEGIES:
    regrets = 100 * quiet.regrets(name)
    half = 1.96 * regrets.std() / np.sqrt(len(regrets))
    print(f"{name:18} regret {regrets.mean():.2f} ± {half:.2f} points")
for test in quiet.tests:
    print(
        f"{test.first:18} better than {test.second:13} in {test.wins:2} of 30, worse in {test.losses:2}: "  # noqa: E501
        f"corrected p = {test.p_holm:.4f}"
    )

# %% [markdown]
# The *regret* is the distance from the best cell of a run to the optimum, in percentage points of
# validation error. The number after ± is half the width of a 95 % interval. In 95 % of such
# experiments, the interval contains the true mean. The p-values are corrected for six comparisons
# (Holm).

# %%
p = {(test.first, test.second): test.p_holm for test in quiet.tests}
assert all(p[name, "random"] < 0.001 for name in STRATEGIES[:3])
assert p["first_improvement", "evolution"] < 0.01
assert (
    p["first_improvement", "local_search"] > 0.05
    and p["local_search", "evolution"] > 0.05
)

# %% [markdown]
# Both local searches and evolution beat random search (p < 0.001), and first improvement beats
# evolution (p < 0.01). Steepest local search and evolution do not differ significantly, and neither
# do the two local searches.
#
# ## 5. The convention that decides
#
# So far, the search used the mean over training seeds, which removes most of the noise. In practice
# a search does not have this mean, because a mean of three seeds costs three trainings. With
# `seed_policy="draw"`, the search observes one random seed of each cell. The regrets still use the
# mean over seeds.

# %%
p_drawn = {(test.first, test.second): test.p_holm for test in noisy.tests}
for name in STRATEGIES:
    hits = [(each.regrets(name) < 1e-9).mean() for each in (quiet, noisy)]
    print(
        f"{name:18} finds the optimum in {hits[0]:.0%} of the runs by means, in {hits[1]:.0%} by drawn seeds; its "  # noqa: E501
        f"answers look {-100 * noisy.optimism(name).mean():.2f} points better than they are"
    )
share = [(each.regrets("first_improvement") < 1e-9).mean() for each in (quiet, noisy)]
assert share[0] > 0.7 and share[1] < 0.2
assert p_drawn["first_improvement", "evolution"] > 0.05
assert all(noisy.optimism(name).mean() < 0 for name in STRATEGIES)

# %% [markdown]
# First improvement finds the optimum in more than 70 % of the runs if it observes means over seeds,
# but in less than 20 % if it observes random seeds. With random seeds, its lead over evolution is
# no longer significant (p above 0.05). Every strategy then returns cells that looked better than
# they are, because the best of many noisy scores is usually a lucky one. So the convention of a
# paper is part of its result, not a footnote.

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
cells = np.arange(10, 101)
for axes, (policy, each) in zip(panels, seen.items(), strict=True):
    for name in STRATEGIES:
        curves = (
            each.curves()
            .query("strategy == @name")
            .pivot(index="run", columns="evaluations", values="regret")[cells]
            .to_numpy()
        )
        axes.plot(cells, 100 * curves.mean(axis=0), label=name)
    title = {
        "mean": "searches see the mean of seeds",
        "draw": "searches observe one random seed",
    }[policy]
    axes.set(xlabel="evaluated cells", title=title)
panels[0].set_ylabel("mean regret (points)")
panels[0].legend(frameon=False)
figure.savefig(FOLDER / "convention.png", dpi=120)

# %% [markdown]
# ## What to try next
#
# - Run `make paper-landscape` with all 1,000 runs, and use `table.md` in its folder for the
#   appendix of your own paper.
# - Run `make data`, then `python -m analysis.papers nb201 --runs 20`, to compare table 5 of the
#   NAS-Bench-201 paper with our numbers.
# - Add your own strategy (`analysis/tutorials/strategy.py`) to the four strategies of section 4.
