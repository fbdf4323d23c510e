"""The contrasts of the study on regimes again, by h5py, NumPy and SciPy alone.

The rules are written anew from ``analysis/regimes_protocol.md``. To check a folder:
``python -m tests.answer.independent_regimes data/regimes results/regimes/regimes.json``.
"""

import base64
import itertools
import json
import math
import sys
from pathlib import Path

import h5py
import numpy as np
from scipy import stats

from tests.answer.independent import (
    holm,
    numbers,
    order_of,
    pairs_of,
    random_effects,
    resampled,
    told_apart,
)

FACTORS = {"noise": 0, "varied": 1, "x4": 2}
SIGNALS = {
    "δ": ("train_loss", "valid_error", "test_error"),
    "twin": ("train_error", "valid_error", "test_error"),
    "δ at 20 %": ("train_loss_20", "valid_error_20", "test_error"),
    "δ at 50 %": ("train_loss_50", "valid_error_50", "test_error"),
    "half": ("valid_half_error", "valid_error", "test_error"),
    "clean": ("valid_clean_error", "valid_error", "test_error"),
    "δ from clean": ("train_loss", "valid_clean_error", "test_error"),
    "δ of test loss": ("train_loss", "valid_loss", "test_loss"),
}
GIVEN = ("mean", "low", "high", "new_low", "new_high", "p", "between", "detectable")


def name_of(noise, varied, longer):
    parts = ["noise"] * noise + ["varied"] * varied + ["x4"] * longer
    return "-".join(parts) or "x1"


def effect(over, at):
    """Weights of an interaction of some factors, the others at fixed levels."""
    weights = {}
    for levels in itertools.product((0, 1), repeat=len(over)):
        setting = dict(at) | dict(zip(over, levels, strict=True))
        sign = (-1) ** (len(over) - sum(levels))
        weights[name_of(*(setting[f] for f in FACTORS))] = sign
    return weights


def contrasts():
    none = dict.fromkeys(FACTORS, 0)
    long = none | {"x4": 1}
    return {
        "D1": effect(["noise"], long),
        "D2": effect(["varied"], long),
        "D3": effect(["x4"], none),
        "noise, ×1": effect(["noise"], none),
        "varied, ×1": effect(["varied"], none),
        "×4 under noise": effect(["x4"], none | {"noise": 1}),
        "×4 where varied": effect(["x4"], none | {"varied": 1}),
        "noise by length": effect(["noise", "x4"], none),
        "varied by length": effect(["varied", "x4"], none),
        "noise by varied, ×1": effect(["noise", "varied"], none),
        "noise by varied, ×4": effect(["noise", "varied"], long),
        "all three": effect(["noise", "varied", "x4"], none),
        "quarter": {"quarter-x4": 1, "x4": -1},
        "quarter under noise": {"noise-quarter-x4": 1, "noise-x4": -1},
        "×16": {"x16": 1, "x4": -1},
    }


def conditions_of(path, first, n):
    """By condition the columns, shape (seeds, cells), and the places of the cells."""
    with h5py.File(path) as file:
        index = json.loads(file["index"][()].tobytes())
        raw = file["values"][()].astype(np.int64)
    metrics, space = index["metrics"], json.loads(index["texts"]["space"])
    order = order_of(space["of"])
    held = np.frombuffer(base64.b64decode(space["held"]), np.uint8)
    cells = held.reshape(-1, len(next(iter(order)))).tolist()
    at = np.array([order[tuple(cell)] - first for cell in cells])
    values = iter(numbers(raw.reshape(-1, len(cells)), metrics.values()))
    read = {}
    for metric, entry in metrics.items():
        name, condition = metric.split("@")
        for _, seed in entry["columns"]:
            row = np.full(n, np.nan)
            here = (at >= 0) & (at < n)
            row[at[here]] = next(values)[here]
            read.setdefault(condition, {}).setdefault(name, {})[seed] = row
    found = {}
    for condition, names in read.items():
        made = {s: np.isfinite(row) for s, row in names.pop("diverged").items()}
        made = {s: known for s, known in made.items() if known.any()}
        whole = np.flatnonzero(np.all(list(made.values()), axis=0))
        if len(made) < 2 or len(whole) < 2:
            continue
        columns = {}
        for name, rows in names.items():
            if name.split("_")[0] in ("train", "valid", "test") and "sec" not in name:
                worst = {s: np.nanmax(np.where(made[s], rows[s], np.nan)) for s in made}
                filled = [np.where(np.isnan(rows[s]), worst[s], rows[s]) for s in made]
                columns[name] = np.array(filled)[:, whole]
        found[condition] = columns, whole
    return found


def exact_flip(y):
    """Exact two-sided p over all signs of a mean."""
    means = [abs(np.dot(s, y)) for s in itertools.product((1, -1), repeat=len(y))]
    return float(np.mean(np.array(means) >= abs(y.sum()) * (1 - 1e-12)))


def hall_p(y):
    """The two-sided p of a mean by Hall's cubic transformation of Student's t."""
    n, rest = len(y), y - y.mean()
    error = math.sqrt((rest**2).sum() / (n - 1) / n)
    a = (rest**3).sum() / (n - 1) / (n - 2) / n / error**3
    t = y.mean() / error
    t = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
    return 2 * stats.t.sf(abs(t), n - 1)


def deltas_of(folder, tasks, first, n):
    """By signals, condition and task the difference of τ and its resamples."""
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), 1000)
    weights = np.vstack([np.ones(n, dtype=int), drawn])
    deltas = {}
    for task in tasks:
        path = folder / f"{task}.h5"
        every = conditions_of(path, first, n) if path.is_file() else {}
        for condition, (columns, whole) in every.items():
            pairs = pairs_of(weights[:, whole])
            for name, (one, two, goal) in SIGNALS.items():
                if one in columns and two in columns:
                    taus = [
                        resampled(columns[s], columns[goal], pairs) for s in (one, two)
                    ]
                    deltas[name, condition, task] = taus[0] - taus[1]
    return deltas


def line_of(name, contrast, values):
    """The mean of some sources' values with their resamples."""
    y, v = values[:, 0], values[:, 1:].var(axis=1, ddof=1)
    line = random_effects(y, v)
    line["mean"] = line.pop("difference")
    reach = stats.t.ppf(1 - 0.025 / 6, len(y) - 1) + stats.norm.ppf(0.8)
    line["detectable"] = reach * line["error"]
    line |= told_apart(y, np.sqrt(v))
    if contrast in ("D1", "D2", "D3") and name == "δ":
        line["flip"] = exact_flip(y)
        line["hall"] = hall_p(y)
    return line


def recomputed(folder, tasks, first, n):
    """A line for every signal and contrast that three sources have."""
    deltas = deltas_of(folder, tasks, first, n)
    single = {c: {c: 1} for c in dict.fromkeys(key[1] for key in deltas)}
    lines = {}
    for name, (contrast, parts) in itertools.product(
        SIGNALS, (contrasts() | single).items()
    ):
        has = [t for t in tasks if all((name, c, t) in deltas for c in parts)]
        if len(has) < 3:
            continue
        values = np.array(
            [sum(w * deltas[name, c, t] for c, w in parts.items()) for t in has]
        )
        lines[name, contrast] = line_of(name, contrast, values)
    tested = [lines["δ", d] for d in ("D1", "D2", "D3") if ("δ", d) in lines]
    for p, adjusted in (("p", "holm"), ("flip", "flip_holm"), ("hall", "hall_holm")):
        after = holm([line[p] for line in tested] + [1.0] * (3 - len(tested)))[0]
        for line, value in zip(tested, after, strict=False):
            line[adjusted] = value
    for line in tested:
        line["decision"] = decision(line)
    return lines


def decision(line):
    if max(line["holm"], line["flip_holm"], line["hall_holm"]) < 0.025:
        return "higher" if line["mean"] > 0 else "lower"
    small = -0.05 < line["low"] and line["high"] < 0.05
    return "no difference of interest" if small else "too small to tell"


def differing(printed, lines):
    """What the printed contrasts say otherwise, by more than a millionth."""
    told = {
        (line["of"], line["contrast"]): line
        for line in printed["contrasts"] + printed["besides"]
    }
    found = [f"{key} is not in both" for key in told.keys() ^ lines.keys()]
    for key in told.keys() & lines.keys():
        for name in {*GIVEN, *lines[key]} - {"plain", "error"}:
            one, two = told[key][name], lines[key][name]
            is_same = (
                one == two
                if isinstance(one, str)
                else math.isclose(one, two, rel_tol=0, abs_tol=1e-6)
            )
            if not is_same:
                found.append(f"{key} {name}: {one}, not {two}")
    return found


def main(folder, printed):
    text = json.loads(Path(printed).read_text("utf-8"))
    tasks = list(dict.fromkeys(line["task"] for line in text["differences"]))
    lines = recomputed(Path(folder), tasks, 150, 60)
    found = differing(text, lines)
    end = f"{len(lines)} contrasts agree to a millionth."
    sys.stdout.write("\n".join(found or [end]) + "\n")
    return len(found)


if __name__ == "__main__":
    sys.exit(min(1, main(*sys.argv[1:])))
