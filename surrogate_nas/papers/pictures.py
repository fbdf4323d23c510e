"""The pictures of the redone papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from surrogate_nas.benchmarks import load
from surrogate_nas.files import replacing
from surrogate_nas.papers.rows import Row
from surrogate_nas.papers.searches import Found
from surrogate_nas.study.comparison.statistics import interval

Values = NDArray[np.float64]
Indices = NDArray[np.intp]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe & Ito, without the yellow."""
_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def draw_test_curves(runs: Mapping[str, Sequence[Found]], path: Path, seconds: float) -> None:
    """Test accuracy on CIFAR-10 of the best validated cell so far, over simulated seconds; mean and 95 % interval.

    Args:
        runs: The runs of each method, on CIFAR-10.
        path: The PNG.
        seconds: Where the axis ends.
    """
    test = 100.0 - load("nb201-cifar10").column("test_error", 200)
    grid = np.linspace(seconds / 100, seconds, 200)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for (name, made), colour, style in zip(runs.items(), COLOURS, _STYLES, strict=False):
        curves = []
        for run in made:
            curves.append([np.nan if (cell := run.at(moment)) is None else test[cell] for moment in grid])
        samples = np.array(curves)
        shown = np.isfinite(samples).all(axis=0)
        low, high = interval(samples[:, shown])
        axes.plot(grid[shown], samples[:, shown].mean(axis=0), color=colour, label=f"{name} ({len(made)} runs)",
                  linestyle=style, drawstyle="steps-post")  # fmt: skip
        axes.fill_between(grid[shown], low, high, step="post", color=colour, alpha=0.2, linewidth=0)
    axes.set(xlabel="simulated seconds", ylabel="CIFAR-10 test accuracy (%) of the best validated cell",
             ylim=(92.0, 94.5), title="Search on 12-epoch validation, reported after 200 epochs")  # fmt: skip
    axes.axhline(float(test.max()), color="grey", linewidth=0.8)
    axes.annotate("optimum of the table", (seconds, float(test.max())), ha="right", va="bottom", fontsize=8)
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    save(figure, path)


def draw_predictors(rows: Sequence[Row], path: Path) -> None:
    """Kendall's τ of every predictor over the number of training cells, a panel a data set.

    Args:
        rows: The rows of the paper on predictors.
        path: The PNG.
    """
    curves: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    for row in rows:
        tau = row.published if row.ours is None else row.ours
        curves.setdefault((row.dataset, row.method), []).append(
            (int(row.evaluations or 0), tau or 0.0, row.ours_std or 0.0)
        )
    datasets = list(dict.fromkeys(dataset for dataset, _ in curves))
    figure = Figure(figsize=(4.2 * len(datasets), 4.5), layout="constrained")
    for axes, dataset in zip(figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0], datasets, strict=True):
        for (of, method), points in curves.items():
            if of != dataset:
                continue
            sizes, taus, spreads = np.array(points).T
            if len(sizes) == 1 and sizes[0] > _LARGEST_SIZE:
                axes.axhline(taus[0], color="grey", linewidth=0.8)
                axes.annotate(method, (_LARGEST_SIZE, taus[0]), ha="right", va="bottom", fontsize=7)
                continue
            ours = method.endswith("(ours)")
            axes.errorbar(sizes, taus, spreads if ours else None, label=method, marker="o" if ours else ".",
                          linewidth=2 if ours else 0.9, linestyle="-" if ours else "--", capsize=2)  # fmt: skip
        axes.set(xscale="log", xlabel="training cells", title=dataset, ylim=(0.3, 1.0))
        axes.set_xticks(_SIZE_TICKS, [str(n) for n in _SIZE_TICKS])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", fontsize=7)
    figure.supylabel("Kendall's τ with the test error of all cells")
    save(figure, path)


_LARGEST_SIZE = 2000
_SIZE_TICKS = (78, 156, 469, 781, 1563)


def draw_latency(rows: Sequence[Row], path: Path, devices: Sequence[str], mean: str) -> None:
    """Spearman's ρ on unseen devices beside what is published, and its mean over the number of measured cells.

    Args:
        rows: The rows of the paper on latency.
        path: The PNG.
        devices: The unseen devices.
        mean: The name of their mean.
    """
    value = {
        (row.method, row.dataset): row.published if row.ours is None else row.ours
        for row in rows
        if row.metric == "spearman"
    }
    shown = ("FLOPs", "BRP-NAS, 900 cells", "HELP, 10 cells", "ours, 10 cells", "ours, 900 cells")
    names = [*devices, mean]
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    for i, (method, colour) in enumerate(zip(shown, COLOURS, strict=False)):
        heights = [value[method, device] or 0.0 for device in names]
        left.bar(np.arange(len(names)) + (i - 2) * 0.16, heights, width=0.15, color=colour, label=method)
    left.set_xticks(np.arange(len(names)), [name.replace("mean of", "mean of\n") for name in names], fontsize=8)
    left.set(ylim=(0.3, 1.1), ylabel="Spearman's ρ", title="Latency of unseen cells on unseen devices")
    left.legend(loc="upper center", ncols=5, fontsize=8)
    left.grid(axis="y", alpha=0.3)
    sizes = [10, 20, 50, 100, 300, 900]
    for end, colour in (("", COLOURS[3]), (", whole space", COLOURS[5])):
        found = [value[f"ours, {size} cells{end}", mean] or 0.0 for size in sizes]
        right.plot(sizes, found, "o-", color=colour, label=f"ours{end or ', HELP’s test cells'}")
    right.plot(10, value["HELP, 10 cells", mean], "s", color=COLOURS[2], label="HELP")
    right.plot(900, value["BRP-NAS, 900 cells", mean], "D", color=COLOURS[1], label="BRP-NAS")
    right.axhline(value["FLOPs", mean] or 0.0, color=COLOURS[0], linestyle="--", label="FLOPs")
    right.set(xscale="log", xlabel="cells measured on the new device", title=f"{mean[0].upper()}{mean[1:]}")
    right.legend(loc="center right", fontsize=8)
    right.grid(alpha=0.3)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all.

    Args:
        figure: The figure.
        path: The PNG.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def draw_landscape(surfaces: Sequence[tuple[str, Values, Values, Indices, Sequence[Values]]], path: Path) -> None:
    """Accuracy over the distance to the best cell, local optima marked, and one seed against another; a column a set.

    Args:
        surfaces: Of each data set its name, the validation errors (%), the distances, the local optima, and two seeds.
        path: The PNG.
    """
    figure = Figure(figsize=(4.2 * len(surfaces), 7.2), layout="constrained")
    for (dataset, errors, distances, optima, seeds), (top, bottom) in zip(
        surfaces, figure.subplots(2, len(surfaces), squeeze=False).T, strict=True
    ):
        accuracy = 100.0 - errors
        shown = np.percentile(accuracy, 25), float(accuracy.max())
        margin = 0.06 * (shown[1] - shown[0])
        by_distance = [accuracy[distances == d] for d in np.unique(distances)[1:]]
        parts = top.violinplot([values[values > shown[0]] for values in by_distance], np.unique(distances)[1:],
                               showextrema=False, widths=0.8)  # fmt: skip
        for body in parts["bodies"]:
            body.set_facecolor(COLOURS[0])
        top.plot(distances[optima], accuracy[optima], "o", color=COLOURS[1], markersize=5, markeredgecolor="white",
                 label=f"{len(optima)} local optima")  # fmt: skip
        top.set(title=dataset, xlabel="edges on which a cell differs from the best", ylim=(shown[0], shown[1] + margin))
        top.legend(loc="lower left", fontsize=8)
        good = errors <= np.percentile(errors, 25)
        bottom.plot(*(100.0 - seed[good] for seed in seeds), ".", markersize=2, color=COLOURS[2], alpha=0.5)
        bottom.set(xlabel="validation accuracy (%), one seed", title="best quarter: one seed against another")
        for axes in (top, bottom):
            axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("validation accuracy (%), three best quarters")
    figure.axes[len(surfaces)].set_ylabel("another seed")
    save(figure, path)


def draw_caps(rows: Sequence[Row], limits: Sequence[str], path: Path) -> None:
    """Test accuracy under every limit: exact, published and ours, violations marked.

    Args:
        rows: The rows of the paper on limits.
        limits: Their names, in order.
        path: The PNG.
    """
    by_method: dict[str, dict[str, Row]] = {}
    broken = {(row.method, row.dataset): row.ours or 0.0 for row in rows if row.metric == "violations"}
    for row in rows:
        if row.metric == "test_accuracy" and row.dataset in limits:
            by_method.setdefault(row.method, {})[row.dataset] = row
    ours = [method for method in by_method if method.startswith("ours")]
    shown = [method for method in by_method if method not in ours] + ours[-4:-2]
    figure = Figure(figsize=(1.5 + 0.75 * len(limits), 5.0), layout="constrained")
    axes = figure.add_subplot()
    for place, (method, marker) in enumerate(zip(shown, ("D", "_", "1", "o", "s"), strict=False)):
        xs = np.arange(len(limits)) + (0.0 if place in (1, 2) else 0.16 * (place - 2))
        held = [by_method[method].get(limit) for limit in limits]
        ys = [np.nan if row is None else (row.published if row.ours is None else row.ours) for row in held]
        spread = [0.0 if row is None else row.ours_std or 0.0 for row in held]
        axes.errorbar(xs, np.array(ys, dtype=float), spread, fmt=marker, color=COLOURS[place], label=method,
                      markersize=13 if place in (1, 2) else 6, capsize=2, markeredgewidth=1.6)  # fmt: skip
        for x, y, limit, one in zip(xs, ys, limits, held, strict=True):
            share = broken.get((method, limit), float(one is not None and "exceeds" in one.verdict))
            if share:
                text = "!" if one is not None and one.ours is None else f"{share:.0%} !"
                axes.annotate(text, (x, float(y or 0.0)), xytext=(0, 7), textcoords="offset points", ha="center",
                              fontsize=7, color="red")  # fmt: skip
    axes.set_xticks(range(len(limits)), limits, rotation=40, ha="right", fontsize=8)
    axes.set(
        ylabel="CIFAR-100 test accuracy (%)", title="Best cell under a latency limit (!: exceeds it, share of runs)"
    )
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    save(figure, path)


def draw_queries(
    counts: Mapping[tuple[str, str, str], Values], limits: Mapping[str, int],
    published: Mapping[str, Mapping[str, float]], datasets: Sequence[str], path: Path,
) -> None:  # fmt: skip
    """The share of runs that have found the optimum over cells; a column a data set, means above, drawn seeds below.

    Args:
        counts: Of (data set, seed policy, strategy) the cells that each run needed, infinite where it did not find it.
        limits: The most cells of a run, by strategy.
        published: Of each method its published count by data set.
        datasets: In order.
        path: The PNG.
    """
    figure = Figure(figsize=(4.2 * len(datasets), 7.2), layout="constrained")
    grid = figure.subplots(2, len(datasets), squeeze=False, sharex=True, sharey=True)
    for line, (policy, seen) in zip(grid, {"mean": "mean of seeds", "draw": "one drawn seed"}.items(), strict=True):
        for axes, dataset in zip(line, datasets, strict=True):
            for i, (strategy, limit) in enumerate(limits.items()):
                needed = np.sort(counts[dataset, policy, strategy])
                shares = np.arange(len(needed) + 1) / len(needed)
                axes.step(np.minimum([needed[0], *needed], limit), np.where(np.isinf([0, *needed]), np.nan, shares),
                          where="post", color=COLOURS[i % len(COLOURS)], linestyle=_STYLES[i // len(COLOURS)],
                          label=strategy)  # fmt: skip
            axes.axhline(0.5, color="grey", linewidth=0.6)
            told = {name: each[dataset] for name, each in published.items() if policy == "mean" and dataset in each}
            for i, (name, count) in enumerate(sorted(told.items(), key=lambda item: item[1])):
                axes.plot(count, 0.5, "D", color="black", markersize=4)
                axes.annotate(name, (count, 0.48), rotation=90, ha="left" if i % 2 else "right", va="top", fontsize=7)
            axes.set(xscale="log", xlim=(10, max(limits.values())), ylim=(0, 1.02), title=f"{dataset}, {seen}")
            axes.grid(alpha=0.3)
    figure.supxlabel("evaluated cells (◆ published counts, drawn at one half; their conventions differ)")
    figure.supylabel("share of runs that have evaluated the optimum")
    grid[-1, -1].legend(loc="upper left", fontsize=8)
    save(figure, path)
