# %% [markdown]
# # An objective with your hardware in it
#
# In this tutorial you measure the latency of networks on your machine and put this latency into an
# objective, next to a loss. You compare two ways to ask for "good and fast" networks: a weight λ
# and a limit. The tutorial takes up to 20 s of computing and a quarter of an hour of reading;
# nothing is fetched.
#
# Latencies depend on the machine, so your numbers are your own. In the code, an `assert` checks
# everything that must be true on any machine.

# %%
import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

import surrogate_nas as sn

FOLDER = Path("results/tutorials/objective")
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## 1. What is minimised
#
# We minimise `L(θ, α) = L_train(θ, α) + λ·R(α)`: the loss of the trained network of architecture α,
# plus a penalty for its cost. The table `fashion` has the losses of 15,625 trained networks. An
# objective can be written as a line of text.

# %%
table = sn.load("fashion")
objective = sn.Objective("valid_loss + 0.1*params", table)
cell = table.space.cell(
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
)
for term in objective.describe()["terms"]:
    print(
        f"{term['weight']} * {term['name']} / {term['divisor']:g} ({term['divisor_meaning']})"
    )

# %% [markdown]
# The loss has its own unit (nats). Every term of the penalty R is divided by its median over the
# space, so each term is 1 for a median network, whatever its unit. A λ of 0.1 means that *the cost
# of a median network is worth 0.1 nats of loss*.
#
# ## 2. Measure
#
# We measure 32 random networks on one thread. Five rounds visit all networks in random order. In
# each round, every network is warmed up and timed ten times. The latency of a network is the median
# of these fifty times. A reference network is timed in between to show whether other programs
# disturbed the measurement.

# %%
cells = sn.drawn_cells(table.space, 32)
measured = sn.measure(cells, table.network, sn.Protocol(rounds=5, repeats=10))
print(
    f"{measured.latency.min():.2f} to {measured.latency.max():.2f} ms; the reference varied by {measured.drift:.0%}"  # noqa: E501
)
print(
    f"other processes took {measured.lost:.0%} of the time; {measured.card['model']}, {measured.card['cores']} cores"  # noqa: E501
)
measured.write(FOLDER / "local.h5")
assert len(measured.latency) == 32 and (measured.latency > 0).all()

# %% [markdown]
# Does the number of parameters predict latency well? *Spearman's ρ* compares two rankings: 1 means
# the same order, and 0 means no relation.

# %%
others = {name: table.query(cells, name) for name in ("params", "macs", "latency@cpu")}
agreement = {
    name: spearmanr(measured.latency, values).statistic
    for name, values in others.items()
}
for name, value in agreement.items():
    print(f"ρ of this machine's latency with {name}: {value:.2f}")
assert min(agreement.values()) > 0

# %% [markdown]
# The number of parameters does not predict latency well, because pooling has no parameters but
# takes time. `latency@cpu` was measured with the same networks on another CPU. The order of cells
# by `latency@cpu` is closer to the order of your latencies, unless your machine was busy with other
# work while you measured (see the printed lines above). Your own latencies are better still, but
# you have measured only 32 of the 15,625 networks. So an objective cannot use them yet.

# %%
try:
    sn.Objective(
        "valid_loss + 0.1*latency@local",
        sn.load("fashion", with_=[FOLDER / "local.h5"]),
    )
except sn.UserError as error:
    print(error)

# %% [markdown]
# ## 3. From 32 networks to all
#
# The latency of a cell is nearly the sum of the latencies of its operations, so a linear model can
# learn it from few cells. Here we train the model on 24 cells and test it on the other eight. (The
# function `snas` runs the shell command `snas`.)


# %%
def snas(*words: object) -> str:
    print("$ snas", *words)
    made = subprocess.run(
        [sys.executable, "-m", "surrogate_nas", *map(str, words)],
        check=True,
        capture_output=True,
    )
    return made.stdout.decode()


MODEL = FOLDER / "latency.bin"
words = (
    "--target",
    "latency@local",
    "--train",
    24,
    "--model",
    "ridge",
    "--out",
    MODEL,
    "--json",
)
test = json.loads(snas("fit", FOLDER / "local.h5", *words))
print(
    f"on {test['n_test']} networks that it has not seen: ρ {test['spearman']:.2f}, mean error {test['mae']:.3f} ms"  # noqa: E501
)
assert test["n_test"] == 8 and test["spearman"] > 0

# %% [markdown]
# We add the file of the latency model to the table. Now `latency@local` is available as a metric of
# all cells. Every later report states that these latencies are predicted.

# %%
bench = sn.load("fashion", with_=[MODEL])
print(f"{bench.query(cell, 'latency@local'):.3f} {bench.metric('latency@local').unit}")
print(bench.banner)
assert bench.banner

# %% [markdown]
# ## 4. What λ does
#
# The table has the scores of all 15,625 networks, so we can look up the optimum for each λ without
# a search.

# %%
loss, latency = bench.column("valid_loss"), bench.column("latency@local")
LAMBDAS = (0, 0.05, 0.1, 0.2, 0.5, 2, 100)
best = []
for weight in LAMBDAS:
    scores = sn.Objective(f"valid_loss + {weight}*latency@local", bench).over_space()
    best.append(int(scores.score.argmin()))
    print(
        f"λ = {weight:<4}  loss {loss[best[-1]]:.3f}  {latency[best[-1]]:.3f} ms  {bench.space[best[-1]]}"  # noqa: E501
    )
assert (np.diff(loss[best]) >= 0).all() and (np.diff(latency[best]) <= 0).all()
assert latency[best[-1]] < latency[best[0]] and latency[
    best[-1]
] < latency.min() + 0.03 * np.median(latency)

# %% [markdown]
# As λ grows, the optimum gets faster and its loss gets larger, never the reverse. Adjacent values
# of λ may have the same optimum, because the optimum jumps from network to network. With a λ of
# 100, the penalty dominates the loss L: the fastest network wins, even if it has learned nothing.
# The report of a comparison warns if λ changes nothing, or if the penalty dominates the loss.
#
# ## 5. A limit
#
# Often the question is not "what is a millisecond worth?" but "which network is best within a
# limit?"

# %%
limit = round(float(np.quantile(latency, 0.25)), 4)
run = sn.search(
    bench, "bo", "valid_loss", subject_to=f"latency@local <= {limit}", budget=60, seed=0
)
found = run.incumbent
print(
    f"limit {limit:.3f} ms: found loss {found.loss:.3f} at {found.values['latency@local']:.3f} ms in 60 trainings; "  # noqa: E501
    f"the best that there is {loss[latency <= limit].min():.3f}"
)
assert found.feasible and found.values["latency@local"] <= limit
assert found.loss >= loss[latency <= limit].min() - 1e-9
assert all(trial.feasible for trial in run.trials[10:])

# %% [markdown]
# A network that exceeds the limit ranks behind all networks within the limit. Latency needs no
# training, so `bo` (Bayesian optimisation) knows beforehand which networks are within the limit.
# After the ten random initial cells, `bo` trains only networks within the limit.
#
# ## 6. All trade-offs in one search
#
# If you write a comma instead of a plus, there are two objectives and no weight. The result is a
# Pareto *front*: the networks that no other network beats in both objectives.

# %%
order = np.lexsort((loss, latency))  # from the fastest network to the slowest
_, first = np.unique(np.minimum.accumulate(loss[order]), return_index=True)
front = order[np.sort(first)]
run = sn.search(bench, "nsga2", "valid_loss, latency@local", budget=200, seed=0)
print(
    f"the exact front has {len(front)} networks; λ > 0 reaches {len(set(best[1:]))} of them"
)
assert set(best[1:]) <= set(front.tolist()) and len(set(best[1:])) < len(front)

# %% [markdown]
# The optimum for every λ above 0 lies on the front. But the weight λ reaches only a part of the
# front, because it misses the parts that curve inwards. (With λ = 0, networks that compute the same
# function tie, and the slower network may win.)

# %%
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.scatter(latency, loss, s=2, color="lightgrey", label="all networks")
axes.step(
    latency[front], loss[front], where="post", color="tab:blue", label="exact front"
)
places = [trial.cell.index for trial in run.trials]
axes.scatter(
    latency[places], loss[places], s=8, color="tab:orange", label="tried by nsga2"
)
axes.scatter(
    latency[best],
    loss[best],
    marker="*",
    s=110,
    color="tab:red",
    zorder=3,
    label="optima of λ",
)
axes.axvline(limit, color="grey", linestyle=":", label="the limit")
axes.set(
    xlabel="latency on this machine (ms, predicted)",
    ylabel="validation loss (nats)",
    ylim=(0.4, 1.2),
)
axes.legend(loc="upper right")
figure.savefig(FOLDER / "front.png", dpi=120)

# %% [markdown]
# ## 7. Does the winner depend on λ?
#
# The penalty R is known before training and the loss L is not, so the order of the strategies may
# change with λ. A path over λ makes one comparison of strategies for each λ.

# %%
path = sn.lambda_path(
    bench,
    ["random", "evolution"],
    "valid_loss + 0.1*latency@local",
    lambdas=[0, 0.2, 2],
    runs=5,
    budget=60,
    folder=FOLDER / "path",
)
for step in path.steps:
    regrets = ", ".join(
        f"{name} {regret:.4f}" for name, regret in step.mean_regrets.items()
    )
    print(
        f"λ = {step.key:<4} mean regret: {regrets};",
        "decided" if step.verdict.decided_here else "not decided",
    )
assert [step.key for step in path.steps] == [0, 0.2, 2]
assert all(
    regret > -1e-9 for step in path.steps for regret in step.mean_regrets.values()
)
assert not any(step.verdict.decided_here for step in path.steps)

# %% [markdown]
# The *regret* is the distance to the optimum for the same λ. Five runs cannot decide anything,
# because the smallest p-value that five pairs can give is 2 / 2⁵ = 0.06. Twenty runs could decide.
#
# ## What to try next
#
# - On a quiet machine, run `snas measure --cells 200 --task fashion --out local.h5` in a shell,
#   with `--device cuda` if you have a GPU. Fit a model, then run `snas compare fashion --with
#   latency.bin --objective "valid_loss + 0.2*latency@local"`.
# - Use two penalties (`valid_loss + 0.1*latency@local + 0.1*energy@local`), or three objectives
#   separated by commas.
# - Fetch the latencies of 25 devices and settings by `snas data fetch nb201`, and use them as in
#   `valid_error + 0.1*latency@raspi4`.
