"""Folders of results with forged contents, sealed as if they had been written so."""

import json
import shutil
from hashlib import sha256

import surrogate_nas as sn
from surrogate_nas.core.digests import json_check
from surrogate_nas.core.errors import UserError
from surrogate_nas.results.archive import create
from surrogate_nas.results.verification import verify
from surrogate_nas.runs.run import RunLog
from surrogate_nas.runs.store import Store


def compared(folder):
    """A small comparison in ``out``."""
    sn.compare(
        "fashion", ["random", "evolution"], runs=2, budget=12, folder=folder / "out"
    )
    return Store(folder / "out")


def resealed(store, change):
    """A description with a change, sealed as if it had been written so."""
    path = store.folder / "experiment.json"
    content = json.loads(path.read_text())
    del content["check"]
    change(content)
    path.write_text(json.dumps({**content, "check": json_check(content)}))


def setting(field, value):
    """Set a field, or a field in a field after a full stop."""
    *path, last = field.split(".")

    def change(content):
        for name in path:
            content = content[name]
        content[last] = value

    return change


def rewritten(store, strategy, run, change):
    """A run's lines with a change, sealed as if they had been written so."""
    path = store.path(strategy, run)
    root = f"{Store(store.folder)._root} {strategy} {run}"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.unlink()
    resealed_run(path, root, lines)


def resealed_run(path, root, lines):
    """Write a run's lines with new seals."""
    log = RunLog(path, root)
    log._chain.append(*[{k: v for k, v in one.items() if k != "seal"} for one in lines])
    log.close()


EMPTY = sha256(b"").hexdigest()


FLAGS = {
    "engine": ("torch",),
    "fingerprint": ("0123456789abcdef",),
    "benchmark": ("nb201-cifar10", "Fashion"),
    "address": ("nb201-cifar10", "live:digits"),
    "objective.expression": ("valid_loss[5]", "valid_error[5]"),
    "objective.benchmark": ("nb201-cifar10",),
    "objective.objectives": ([],),
    "objective.terms": ([],),
    "objective.diversity_weight": (0.5,),
    "objective.constraints": (["params <= 1"],),
    "objective.seed": (0,),
    "objective.seed_policy": ("draw",),
    "objective.search_on_final": (["test_error"],),
    "objective.cost": ("queries",),
    "objective.fingerprint": ("0123456789abcdef",),
    "objective.more": (1,),
    "data.space": ("nb101",),
    "data.runs": ({}, {"valid_loss": {"5": "0123456789abcdef"}}),
    "data.known": ({"terms": [], "missing": []},),
    "data.conventions": (1,),
    "strategies": (["evolution", "random"], ["random ", "evolution"]),
    "budget": ({"cells": 11, "seconds": None}, {"cells": None, "seconds": 1e9}),
    "numbers": ([0, 7], [1, 0]),
    "seed": (7,),
    "first_cells": (0, 9),
    "simulated_workers": (2, 12),
    "in_flight": (1, 12),
    "order": ("clock", "finished"),
    "memory_each": ("4GB",),
    "target": (1e9,),
    "sources": ({"random": {"a.py": EMPTY}}, {"nobody": {"a.py": EMPTY}}),
    "files": ({"nobody": {"a.txt": "0"}},),
    "versions": ({"nobody": 2},),
    "reference": ({},),
    "reference.optimum": (0.0,),
    "beginning": (
        {"first": ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"], "known": []},
    ),
    "merged": (["random: from the archive of somebody else."],),
}
"""By field of the description of `COMPARE`, values that do not fit it."""


IDLE_FLAGS = {
    "at_end": ("stop",),
    "budget_tokens": (1,),
    "hidden": (True,),
    "target": (-1e9,),
    "provenance": ({},),
    "extensions": ([{"runs": 1}],),
    "data.others": ({},),
    "data": (None,),
    "reference": (None,),
    "strategies": (["Mine", "evolution"],),
    "runs": (1,),
}
"""Values that are possible, so that they must not hide what was forged."""


def flagged(folder, field, value, *, cheats):
    """An archive of ``out`` whose description has another value, sealed as if it had been made so.

    Args:
        folder: Where ``out`` lies.
        field: The field, or a field in a field after a full stop.
        value: Its value.
        cheats: Whether a run of random search has cells that it did not draw, with their true
            scores, for a thousandth of their charges.
    """
    copied = folder / "flagged"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(folder / "out", copied)
    lines = {
        (label, run): [
            json.loads(line) for line in Store(copied).path(label, run).open()
        ]
        for label in ("random", "evolution")
        for run in (0, 1)
    }
    if cheats:
        cheat(lines["random", 0], lines["random", 1])
    resealed(Store(copied), setting(field, value))
    shutil.rmtree(copied / "runs")
    described = Store(copied).read()
    labels = dict(zip(("random", "evolution"), described["strategies"], strict=True))
    for (label, run), entries in lines.items():
        run_of = labels[label], run
        resealed_run(
            Store(copied).path(*run_of), Store(copied).root_of(*run_of), entries
        )
    for label, sources in (described.get("sources") or {}).items():
        (copied / "sources" / label).mkdir(parents=True)
        for name in sources:
            (copied / "sources" / label / name).touch()
    create(copied, folder / "flagged.zip")
    return folder / "flagged.zip"


def cheat(lines, others):
    """Take the last cells of another run, for a thousandth of their charges."""
    now = lines[9]["finished"]
    for place in (10, 11):
        lines[place] = {
            **others[place],
            "cost_seconds": others[place]["cost_seconds"] / 1000,
        }
        lines[place]["started"] = now
        now = lines[place]["finished"] = now + lines[place]["cost_seconds"]


def unfit_flags(folder):
    """Seal archives with every value of `FLAGS`, over true runs, and of `IDLE_FLAGS`, over forged
    ones.

    Raises:
        AssertionError: One is valid, or a field of the description has no value there.
    """
    compared(folder)
    fields = {name.partition(".")[0] for name in (*FLAGS, *IDLE_FLAGS)}
    left_out = (
        Store(folder / "out").read().keys() - fields - {"version", "written_by", "with"}
    )
    if left_out:
        raise AssertionError(f"{', '.join(left_out)} is not attacked")
    n = 0
    for flags, all_cheat in ((FLAGS, False), (IDLE_FLAGS, True)):
        for field, values in flags.items():
            for value in values:
                n += 1
                try:
                    path = flagged(folder, field, value, cheats=all_cheat)
                except UserError:  # it cannot even be sealed
                    continue
                if verify(path, replay_all=True).valid is not False:
                    raise AssertionError(f"{field}: {value!r} is valid")
    return f"{n} fields that do not fit are refused"


SUITE = """
budget = 12
runs = 2
strategies = ["random", "evolution"]

[[problems]]
name = "one"
benchmark = "fashion"
"""


LOCKS = {
    "an infinite number": b'{"pid": 1e999, "host": "here", "since": ""}',
    "an endless number": b'{"pid": 1' + b"0" * 400 + b', "host": "here"}',
    "lists in lists": b"[" * 100_000,
    "lists in lists, short": b"[" * 999,
}


DESCRIPTIONS = {
    f"{field}, {value!r:.20}": setting(field, value)
    for field, values in {
        "budget.cells": ("many", 10**400),
        "budget.seconds": ([1],),
        "objective.objectives": (3,),
        "objective.seed": ([],),
        "objective.seed_policy": (7,),
        "objective.terms": ("x",),
        "objective.constraints": (None,),
        "objective.search_on_final": (4,),
        "objective.cost": ([2],),
        "address": (5, None),
        "benchmark": ("a\nb",),
        "with": (["/nowhere.h5"],),
        "runs": (10**30, 10**7),
        "seed": (10**400,),
        "first_cells": (10**30,),
        "simulated_workers": ("two",),
        "hidden": ("no",),
        "target": ("best", float("nan")),
        "strategies": (["random", "x" * 5000],),
        "provenance": ({"numpy": [[[[["x"]]]]]},),
        "sources": ("x",),
        "extensions": ([{"runs": "x", "provenance": 4}],),
        "version": (True,),
    }.items()
    for value in values
}


def in_trials(**values):
    def change(lines):
        for line in lines[:-1]:
            line.update(values)

    return change


def in_the_end(**values):
    return lambda lines: lines[-1].update(values)


def best_by(change):
    def lower(lines):
        lines[5]["score"] = lines[5]["loss"] = change

    return lower


LINES = {
    "a score of 10**400": in_trials(score=10**400),
    "a score that is a text": in_trials(score="low"),
    "epochs: null in every trial": in_trials(epochs=None),
    "epochs: null at the end": in_the_end(epochs=None),
    "epochs: null everywhere": lambda lines: [
        line.update(epochs=None) for line in lines
    ],
    "other epochs": lambda lines: [line.update(epochs=1) for line in lines],
    "values: null": in_trials(values=None),
    "values without the objective's": in_trials(values={}),
    "scores of two objectives": in_trials(scores=[1.0, 2.0]),
    "real_seconds of 1e308": in_the_end(real_seconds=1e308, strategy_seconds=1e308),
    "finished of 1e308": in_trials(finished=1e308, cost_seconds=1e308),
    "a diagnosis of lists": in_the_end(diagnosis={"a": [1]}),
    "an end that is no count": in_the_end(end="all"),
}


def first_raised(lines):
    worst = max(range(len(lines) - 1), key=lambda i: float(lines[i]["score"]))
    lines[worst]["loss"] += 0.5
    lines[worst]["score"] += 0.5
