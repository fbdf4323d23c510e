# %% [markdown]
# # A task of your own
#
# In this tutorial you turn your own arrays into a task and train networks on it. You compare
# training losses by metrics that are comparable between losses, and let strategies search without a
# table. The tutorial takes up to 20 s of computing and a quarter of an hour of reading; nothing is
# fetched.
#
# Training gives slightly different numbers on other processors. In the code, an `assert` checks
# everything that must be true on any machine.

# %%
import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import wilcoxon

import surrogate_nas as sn

FOLDER = Path("results/tutorials/task")
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
os.environ["SURROGATE_NAS_HOME"] = str(
    (FOLDER / "home").resolve()
)  # trainings are kept there, not among yours

# %% [markdown]
# ## 1. A file that works
#
# The command `snas new task` writes a file with a task on artificial images. (The function `snas`
# runs the shell command `snas`.)


# %%
def snas(*words: object) -> str:
    print("$ snas", *words)
    made = subprocess.run(
        [sys.executable, "-m", "surrogate_nas", *map(str, words)],
        check=True,
        capture_output=True,
    )
    return made.stdout.decode()


snas("new", "task", "Stripes", "--folder", FOLDER)
FILE = FOLDER / "stripes.py"
print(FILE.read_text())

# %% [markdown]
# A task consists of a function that returns three *splits* of the data, and a few settings. The
# weights are trained on the training split. The search uses the validation split. Results on the
# test split are reported but hidden from the search.
#
# ## 2. Your data
#
# Replace `load` by your own function, which returns images of shape `(n, channels, height, width)`
# and labels that start at 0. Our images show stripes in one of four directions, with noise. A
# network that guesses is wrong for 75 % of the images.

# %%
TASK = '''
import numpy as np

import surrogate_nas as sn


def load():
    """Stripes of four directions in noise, 8×8; 320 to train, 240 to validate, 240 to test."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=800)
    angle, phase = labels * np.pi / 4, rng.uniform(0, 2 * np.pi, 800)
    row, column = np.mgrid[:8, :8]
    across = np.cos(angle)[:, None, None] * row + np.sin(angle)[:, None, None] * column
    images = np.sin(2.2 * across + phase[:, None, None]) + rng.normal(size=(800, 8, 8))
    return sn.split_images(images[:, None], labels, (320, 240, 240))


Stripes = sn.Task(
    name="Stripes",
    title="in which direction do the stripes run?",
    load=load,
    classes=4,
    schedule=sn.Schedule(epochs=4, batch=32),
    source="made here",
)
'''
FILE.write_text(TASK)
task = sn.task_named(f"{FILE}:Stripes")
images, labels = task.data["train"].inputs, task.data["train"].targets
print({name: split.inputs.shape for name, split in task.data.items()})
figure, panels = plt.subplots(1, 4, figsize=(7, 2), layout="constrained")
for direction, axes in enumerate(panels):
    axes.imshow(images[labels == direction][0, 0], cmap="gray")
    axes.set(title=f"class {direction}", xticks=[], yticks=[])
figure.savefig(FOLDER / "stripes.png", dpi=120)
assert len(images) == 320 and sorted(set(labels.tolist())) == [0, 1, 2, 3]

# %% [markdown]
# ## 3. Train
#
# We train two cells: one with two 3×3 convolutions and a shortcut, and one without a path from
# input to output, which can only guess. In a shell, `snas train CELL --task FILE:Stripes` trains a
# cell.

# %%
space = sn.nb201()
able = space.cell(
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
)
cut = space.cell("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
for curve in (curves := sn.train([able, cut], task)):
    errors = " ".join(f"{error:.0f}" for error in curve.values["valid_error"])
    print(
        f"{curve.cell}: valid error after each epoch {errors} %; test error {curve.finals['test_error']:.0f} %"  # noqa: E501
    )
assert (
    curves[0].finals["test_error"] + 20 < curves[1].finals["test_error"]
    and curves[1].finals["test_error"] > 65
)

# %% [markdown]
# The test error of the first cell is lower by more than 20 percentage points. The second cell,
# which has no path from input to output, is wrong about as often as a guess. If it were better than
# a guess, labels would leak into the inputs, or the classes would be imbalanced. It is useful to
# check this before a search.
#
# ## 4. Which loss should train it?
#
# Training minimises a loss, but a metric evaluates the result. We train six random cells, each with
# three losses.

# %%
LOSSES = ("cross_entropy", "label_smoothing", "brier")
cells = sn.drawn_cells(space, 6, seed=1)
made = {loss: sn.train(cells, task.with_loss(loss)) for loss in LOSSES}
error, value = (
    np.array([[curve.finals[name] for curve in made[loss]] for loss in LOSSES])
    for name in ("test_error", "test_loss")
)
for i, loss in enumerate(LOSSES):
    calibration = np.median([curve.finals["test_ece"] for curve in made[loss]])
    print(
        f"{loss:16} loss {np.median(value[i]):.2f} {made[loss][0].units['test_loss']:20} "
        f"error {np.median(error[i]):4.1f} %   calibration error {calibration:4.1f} %"
    )
assert np.median(value, axis=1).max() > 1.2 * np.median(value, axis=1).min()

# %% [markdown]
# The values of the losses are not comparable, because each loss has its own unit. The errors of the
# networks are comparable. The calibration errors, which are the differences between a network's
# confidence and how often it is right, are comparable, too.
#
# Are the differences between the errors real? The same six cells were trained with each loss, so we
# can use a paired test.

# %%
for i, loss in enumerate(LOSSES[1:], 1):
    p = wilcoxon(error[i] - error[0]).pvalue
    print(
        f"{loss} against cross_entropy: better for {(error[i] < error[0]).sum()} of 6 cells, p = {p:.2f}"  # noqa: E501
    )
print(
    f"spread between losses {error.std(axis=0).mean():.1f} points, between cells {error.std(axis=1).mean():.1f}"  # noqa: E501
)
assert error.std(axis=0).mean() < error.std(axis=1).mean()

# %% [markdown]
# The p-value `p` is the probability that chance alone would show so clear a difference (Wilcoxon's
# test). The last printed line matters most: the choice of the network has a larger effect than the
# choice among these losses. This is why we search for architectures.
#
# ## 5. Search where there is no table
#
# `live:TASK` is a benchmark that trains a cell when it is queried. The name after the slash is the
# space: `macro` has 36 stacks of convolutions. Results are stored and reused, so all runs below
# together train at most 36 networks, each only once. The objective adds a penalty for parameters:
# the cost of a median network is worth ten percentage points of error.

# %%
BENCHMARK = f"live:{FILE}:Stripes/macro"
STRATEGIES = ["random", "evolution", "bo"]
found = sn.compare(
    BENCHMARK,
    STRATEGIES,
    "valid_error + 0.1*params",
    runs=10,
    budget=20,
    folder=FOLDER / "comparison",
)
trials = {str(trial.cell): trial for run in found.runs for trial in run.trials}
print(
    f"{sum(len(run.trials) for run in found.runs)} evaluations, {len(trials)} trainings"
)
for name in found.strategies:
    scores = found.scores(name)
    print(
        f"{name:10} mean score {scores.mean():.4f}, from {scores.min():.4f} to {scores.max():.4f}"
    )
for test in found.tests:
    print(
        f"{test.first} against {test.second}: better in {test.wins}, worse in {test.losses}, p = {test.p_holm:.2f}"  # noqa: E501
    )
assert len(trials) <= 36 and all(len(run.trials) == 20 for run in found.runs)
assert "test_error" in found.to_json()["strategies"][0]["best"]["final"]

# %% [markdown]
# Without a table, the optimum is unknown, so there is no regret, but pairs of runs can still be
# tested. Twenty of 36 cells are more than half of the space, so random search does well. A p-value
# above 0.05 means that ten runs show no significant difference. A better strategy has an advantage
# in larger spaces: leave out `/macro` for a space of 15,625 cells, or write `/darts` for a space of
# 10¹⁸ cells.

# %%
best = min(trials.values(), key=lambda trial: trial.score)
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.scatter(
    [10 * t.penalty for t in trials.values()],
    [100 * t.loss for t in trials.values()],
    s=14,
)
axes.scatter(
    10 * best.penalty,
    100 * best.loss,
    marker="*",
    s=120,
    color="tab:red",
    label=f"best: {best.cell}",
)
axes.set(
    xlabel="parameters, in medians of the space",
    ylabel="validation error (%)",
    xscale="log",
    ylim=(0, None),
)
axes.legend(frameon=False)
figure.savefig(FOLDER / "stacks.png", dpi=120)

# %% [markdown]
# `sn.write_report(found, FOLDER / "comparison")` writes a report about these runs.
#
# ## What to try next
#
# - Load your own arrays in `load`. A task can also have another type, such as regression, sequences
#   or a policy. Try `snas new task NAME --kind policy`, and read the tasks in
#   `surrogate_nas/training/tasks/`.
# - Write your own loss: `snas new loss Mine`, then `live:FILE:Stripes?loss=mine.py:Mine`.
# - Make a table of the task for fast and exact comparisons by
#   `snas table FILE:Stripes --out stripes.h5`, which trains every cell.
