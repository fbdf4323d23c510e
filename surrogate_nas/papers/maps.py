"""Pictures of τ as coloured tables: by table and loss, and by task and task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surrogate_nas.papers.advice import DECIDES, SINGLE, Finding
from surrogate_nas.papers.candidates import ROLES
from surrogate_nas.papers.pictures import COLOURS, save
from surrogate_nas.papers.ranks import TITLES, WITHIN, Values

_MAP = "RdYlBu"
_CELL = 0.52
_SEEDS = "two seeds\nagree"
_MOST_CURVES = 6
_WANTED = ROLES[-2]
_COLUMNS = (*ROLES, f"{_WANTED}{SINGLE}")


def draw_losses(findings: Sequence[Finding], path: Path) -> None:
    """τ in the best quarter of every table and loss after whole runs, and by cost where runs may end early.

    Args:
        findings: Of the paper on losses.
        path: The PNG.
    """
    held = [f for f in findings if not f.early and f.role and math.isfinite(f.taus[DECIDES])]
    found: dict[tuple[str, str], float] = {}
    for f in held:
        found[f.table, f.role] = max(f.taus[DECIDES], found.get((f.table, f.role), -1.0))
    by_role = sorted((f for f in findings if f.ceiling), key=lambda f: f.role == _WANTED)
    limits = {f.table: f.ceiling[DECIDES] for f in by_role}
    goals = {f.table: f.goal for f in sorted(held, key=lambda f: f.measure)}
    roles = [role for role in _COLUMNS if any(role == named for _, named in found)]
    values = np.array([[*(found.get((t, r), math.nan) for r in roles), limits.get(t, math.nan)] for t in goals])
    early = {f.table for f in findings if f.early and not f.final}
    figure = Figure(figsize=(5.5 + 0.75 * len(roles) + 5.0 * bool(early), max(3.5 + 0.24 * len(goals), 5.0)),
                    layout="constrained")  # fmt: skip
    places = figure.subplot_mosaic(
        [["map", "costs"], ["map", "."]] if early else [["map"]],
        width_ratios=(4.0 + 0.75 * len(roles), 5.0)[: 1 + bool(early)],
    )
    axes = places["map"]
    _colour(axes, values, [f"{table}: {goal}" for table, goal in goals.items()], [*roles, _SEEDS])
    axes.set_title("τ with what is finally wanted, in the best quarter, after whole runs\n"
                   "(the best L of each kind; framed: the best of a table)", fontsize=10)  # fmt: skip
    usual = [role for role in roles if not role.endswith(SINGLE)]
    for i, row in enumerate(values[:, : len(usual)]):
        if np.isfinite(row).any():
            _frame(axes, int(np.nanargmax(row)), i)
    if early:
        _draw_costs(places["costs"], [f for f in findings if f.table in early and not f.final and f.seeds is None])
    save(figure, path)


def _by_count(names: Sequence[str]) -> list[str]:
    """Each name once, the most frequent first."""
    return sorted(dict.fromkeys(names), key=lambda name: -names.count(name))


def _draw_costs(axes: Axes, findings: Sequence[Finding]) -> None:
    """τ in the best quarter over what a loss costs, a line a table and family."""
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for finding in findings:
        curves.setdefault((finding.table, finding.family), []).append((finding.share, finding.taus[DECIDES]))
    names = _by_count([family for _, family in curves])[:_MOST_CURVES]
    tables = list(dict.fromkeys(table for table, _ in curves))
    for (table, family), points in curves.items():
        if family not in names or len(points) < 2:
            continue
        shares, taus = np.array(sorted(points)).T
        style = ("-", "--", ":", "-.")[tables.index(table) % 4]
        axes.plot(shares, taus, style, marker="o", markersize=4, color=COLOURS[names.index(family)],
                  label=f"{family}, {table}")  # fmt: skip
    axes.set(xscale="log", xlabel="cost of knowing it, as a share of a whole run", ylabel="τ, best quarter",
             title="What is known early")  # fmt: skip
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def draw_transfer(matrices: Sequence[tuple[str, Sequence[str], Values, Values]], path: Path) -> None:
    """τ between the tasks of every space: over all cells below the diagonal, in the best quarter above and on it.

    Args:
        matrices: Of every space its name, the tasks, and both matrices, shape ``(tasks, tasks)``.
        path: The PNG.
    """
    columns = min(len(matrices), 3)
    rows = math.ceil(len(matrices) / columns)
    figure = Figure(figsize=(5.2 * columns, 0.6 + 4.9 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (space, tasks, whole, quarter) in zip(places, matrices, strict=False):
        _colour(axes, np.where(np.tri(len(tasks), k=-1, dtype=bool), whole, quarter), tasks, tasks)
        axes.set_title(space)
    for axes in places[len(matrices) :]:
        axes.set_visible(False)
    figure.suptitle("τ between tasks: all cells below the diagonal, best quarter above it, two seeds on it")
    save(figure, path)


def draw_proxies(found: Sequence[tuple[str, str, Mapping[str, float]]], path: Path) -> None:
    """τ of every table and proxy: over all cells, and among cells of equal complexity.

    Args:
        found: Table, proxy, and τ by measure.
        path: The PNG.
    """
    by_pair = {(table, proxy): taus for table, proxy, taus in found}
    named = list(dict.fromkeys(table for table, *_ in found))
    columns = list(dict.fromkeys(proxy for _, proxy, _ in found))
    figure = Figure(figsize=(4.5 + 0.9 * len(columns), max(3.0, 2.2 + 0.3 * len(named))), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("kendall", WITHIN), strict=True):
        taus = [[by_pair.get((t, p), {}).get(measure, math.nan) for p in columns] for t in named]
        _colour(axes, np.array(taus), named, columns)
        axes.set_title(f"τ with what is finally wanted: {TITLES[measure]}", fontsize=10)
    save(figure, path)


def _colour(axes: Axes, values: Values, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.imshow(values, cmap=_MAP, vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8, rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    for (i, j), value in np.ndenumerate(values):
        if math.isfinite(value):
            axes.text(j, i, f"{value:.2f}".replace("0.", ".", 1), ha="center", va="center", fontsize=7,
                      color="white" if abs(value) > 0.8 else "black")  # fmt: skip


def _frame(axes: Axes, column: int, row: int) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, linewidth=1.8, edgecolor="black"))
