"""Tables of the experiment on regimes that nobody trained, with a design of their own."""

import json

import numpy as np

from analysis.building.jobs import class_order
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import Sampled, listed, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_compact

TASKS = "digits fashion mnist1d languages scripture words splice glyphs".split()
FIRST, CELLS, SEEDS = 150, 24, 3
NOISE = {"x1": 0.5, "x4": 0.1, "noise-x4": 3.0, "varied-x4": 0.1}
"""By condition the noise of the training loss; that of validation is .3."""
DESIGN = f"""
[every]
tasks = {json.dumps(TASKS)}
losses = "usual"
first = {FIRST}
classes = {CELLS}
first_seed = 10
seeds = {SEEDS}
shares = [0.2, 0.5]
""" + "".join(f'[[steps]]\ncondition = "{name}"\n' for name in NOISE)


def write(path, task, seed, conditions=NOISE, cells=CELLS):
    """A table that nobody trained; a training of its last condition diverged."""
    of = listed(space_named("nb201"))
    held = Sampled(of, of.choices[sorted(class_order("nb201")[FIRST : FIRST + cells])])
    rng, shape = np.random.default_rng(seed), (SEEDS, cells)
    about = (f"losses-{task}", held.definition, "simulated", "nobody", "l", "c")
    objective = f"valid_loss@{next(iter(conditions))}"
    card = json.dumps({"task": task, "judged_by": "valid_error"})
    table = Table(*about, objective, Network(), epochs="curve", card=card)
    worth = rng.standard_normal(cells)
    names = [
        f"{s}_{q}" for s in ("train", "valid", "valid_half") for q in ("loss", "error")
    ]
    names = [n + e for n in names for e in ("", "_20", "_50")]
    for condition, noise in conditions.items():
        diverged = np.zeros(shape)
        diverged[1, 5 % cells] = condition == [*conditions][-1]
        for name in [*names, "valid_error_best", "test_loss", "test_error"]:
            spread = noise if name.startswith("train") else 0.3
            values = 20 + 2 * (worth + spread * rng.standard_normal(shape))
            values = np.where(diverged, np.nan, values.round(2))
            kind = "final" if name.startswith("test") else "search"
            quantity = "loss" if "loss" in name else "error"
            split = name.partition("_")[0]
            metric = Metric(f"{name}@{condition}", "", kind, quantity, split=split)
            known = {10 + i: row for i, row in enumerate(values)}
            table.add(metric, 20, values[0], 1, known)
        metric = Metric(f"diverged@{condition}", "", "record", "structure")
        known = {10 + i: row for i, row in enumerate(diverged)}
        table.add(metric, 20, diverged[0], 1, known)
    write_compact(table, path / f"{task}.h5")


def write_regimes(folder):
    """A whole study that nobody trained, with its design."""
    folder.mkdir(exist_ok=True)
    (folder / "design.toml").write_text(DESIGN)
    for seed, task in enumerate(TASKS):
        write(folder, task, seed)
