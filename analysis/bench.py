"""What things cost, measured again: ``python analysis/bench.py WHAT``; ``--help`` lists what there
is.

    python analysis/bench.py query              # needs: snas data fetch nb201
    python analysis/bench.py --json loop > loop.json

Every measurement prints a figure a line while it is made; with ``--json`` it prints one JSON
document at its end, with date, processor and load. Seconds are a processor's where nothing else is
said, since machines are shared; what is compared is made in one run by turns, and a ratio is the
median of the ratios of these turns.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import typer

import surrogate_nas as sn
from surrogate_nas.core.process import one_thread
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment

Figures = Iterator[tuple[str, float, str]]
"""What a measurement yields: what it is, the number, its unit."""
app = typer.Typer(
    help=(__doc__ or "").partition("\n")[0], add_completion=False, no_args_is_help=True
)
AS_JSON = False
HEAVY = (
    "npenas",
    "bananas",
    "gnn_guided",
    "forest",
    "guided",
    "bo",
    "bo_epochs",
    "zero_cost",
    "bohb",
)
"""Strategies that fit a model to what they saw; they are given a hundred cells in `loop`."""


@app.callback()
def frame(
    as_json: bool = typer.Option(
        False, "--json", help="Print one JSON document at the end."
    ),
) -> None:
    """What things cost, measured again."""
    global AS_JSON
    AS_JSON = as_json


def measurement(made: Callable[..., Figures]) -> Callable[..., None]:
    """A command that prints what a measurement yields.

    Args:
        made: The measurement; its arguments are the command's options.
    """

    @wraps(made)
    def run(**options: Any) -> None:
        began = os.getloadavg()[0]
        figures = []
        for what, number, unit in made(**options):
            figures.append({"what": what, "value": number, "unit": unit})
            if not AS_JSON:
                print(f"{what:70s}{number:14,.4g} {unit}", flush=True)
        if AS_JSON:
            about = {
                "command": sys.argv[1:],
                "date": date.today().isoformat(),
                "processor": processor_name(),
            }
            print(
                json.dumps(
                    {**about, "load": [began, os.getloadavg()[0]], "figures": figures},
                    indent=1,
                )
            )

    return app.command(made.__name__.rstrip("_"))(run)


def processor_name() -> str:
    """The processor's, as the device cards have it."""
    import torch

    from surrogate_nas.training.hardware import device_model

    return device_model(torch.device("cpu"))


def seconds(
    work: Callable[[], object], clock: Callable[[], float] = time.process_time
) -> float:
    """The seconds that some work takes by a clock."""
    before = clock()
    work()
    return clock() - before


def command_seconds(*words: str, **surroundings: str) -> float:
    """A processor's seconds of a command and of all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        words, check=True, capture_output=True, env={**os.environ, **surroundings}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


SNAS = (sys.executable, "-m", "surrogate_nas")


@measurement
def start(repeats: int = 5) -> Figures:
    """Python alone, the import of the package, and short commands, each in a fresh process."""
    cases = {
        "python": (sys.executable, "-c", ""),
        "import surrogate_nas": (sys.executable, "-c", "import surrogate_nas"),
        "snas --help": (*SNAS, "--help"),
        "snas benchmarks": (*SNAS, "benchmarks"),
        "snas benchmarks --json": (*SNAS, "benchmarks", "--json"),
    }
    spent = [
        {name: command_seconds(*words) for name, words in cases.items()}
        for _ in range(repeats)
    ]
    for name in cases:
        yield name, statistics.median(one[name] for one in spent), "s"


@measurement
def query(repeats: int = 5000) -> Figures:
    """A query of one cell, by cell and by text, and a column, beside the official package on the
    same real records.
    """
    from nats_bench import create

    from surrogate_nas.tables.sources import nb201

    records = (0, 11, 284)
    bench = sn.load("nb201-cifar10")
    cells = {record: bench.space[record] for record in records}
    official = create(str(nb201.records_folder()), "tss", fast_mode=True, verbose=False)
    for record in records:
        told = [
            official.get_more_info(record, "cifar10-valid", hp="12", is_random=s)[
                "valid-accuracy"
            ]
            for s in (111, 777)
        ]
        assert (
            abs(
                100
                - np.mean(told)
                - bench.query(cells[record], "valid_error", epochs=12)
            )
            < 1e-6
        )
    cases: dict[str, Callable[[int], object]] = {
        "query of one cell": lambda i: bench.query(cells[i], "valid_error", epochs=12),
        "query of one cell by its text": lambda i: bench.query(
            str(cells[i]), "valid_error", epochs=12
        ),
        "a whole column, in memory": lambda _: bench.column("valid_error", epochs=12),
        "nats_bench simulate_train_eval": lambda i: official.simulate_train_eval(
            i, "cifar10", hp="12"
        ),
    }
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for i in range(repeats):
        for name, work in cases.items():
            spent[name].append(
                seconds(lambda w=work, r=records[i % 3]: w(r), time.perf_counter)
            )  # type: ignore[misc]
    medians = {name: 1e6 * statistics.median(found) for name, found in spent.items()}
    yield from ((name, median, "µs") for name, median in medians.items())
    ours = medians["query of one cell"]
    theirs = medians["nats_bench simulate_train_eval"]
    yield "simulate_train_eval over a query", theirs / ours, "times"


@measurement
def loop(
    space: str = "nb201",
    strategies: str = "random,evolution,local_search,reinforce",
    cells: int = 20_000,
    repeats: int = 3,
) -> Figures:
    """Cells a second of the whole search loop on one core, in memory and stored."""
    from surrogate_nas.space import space_named

    if space == "nb201":
        objective = sn.Objective("valid_error + 0.02*params", sn.load("nb201-cifar10"))
    else:
        named = space_named(space)
        bench = sn.Computed(
            named,
            {"valid_error": lambda cell: sum(cell.choices) / len(cell.choices)},
            cheap=True,
        )
        objective = sn.Objective("valid_error + 0.02*params", bench)
    objective.fingerprint  # noqa: B018 - the survey of the space is drawn once a process
    for strategy in strategies.split(","):
        n = min(cells, 100) if strategy.partition("(")[0] in HEAVY else cells
        experiment = Experiment(objective, [strategy], 1, Budget(n))
        for stored in (False, True):
            rounds = []
            for _ in range(repeats):
                with TemporaryDirectory() as folder:
                    place = Path(folder) / "out" if stored else None
                    rounds.append(
                        seconds(
                            partial(experiment.execute, folder=place), time.perf_counter
                        )
                    )
            yield (
                f"{strategy}, {n:,} cells, {'stored' if stored else 'in memory'}",
                n / min(rounds),
                "cells/s",
            )


@measurement
def ask(strategy: str = "bo", cells: int = 500) -> Figures:
    """Milliseconds of an ask and a tell by how many cells were told: two tables and DARTS with
    made-up scores.
    """
    from surrogate_nas.space import space_named

    darts = space_named("darts")
    weights = np.random.default_rng(0).standard_normal(len(darts.reference.choices))
    made_up = sn.Computed(
        darts,
        {"valid_error": lambda cell: 50 + float(np.array(cell.choices) @ weights)},
        cheap=True,
    )
    cases = {
        "nb201": sn.Objective(
            "valid_error[200] + 0.02*params", sn.load("nb201-cifar10")
        ),
        "nbgraph": sn.Objective("valid_error", sn.load("nbgraph-cora")),
        "darts": sn.Objective("valid_error", made_up),
    }
    for name, objective in cases.items():
        for n in (15, cells):  # what is made once a process is not counted
            spent = []
            by_hand = sn.AskTell(objective, strategy, run=1)
            with one_thread():
                while len(by_hand.trials) < n:
                    spent.append(
                        seconds(lambda loop=by_hand: [*map(loop.tell, loop.ask())])
                    )
        for low, high in ((10, 150), (150, 500), (500, 1000), (1000, 2000)):
            if len(spent) > low:
                yield (
                    f"{name}, {low} to {min(high, len(spent))} cells told",
                    1e3 * float(np.mean(spent[low:high])),
                    "ms",
                )


@measurement
def tables(only: str = "") -> Figures:
    """What a process needs to open each table that is here and read a cell; what that needs of
    memory at most.
    """
    from surrogate_nas.benchmarks import available

    code = """
import resource, sys, time
import numpy as np
import surrogate_nas as sn
sn.load("fashion")
started = time.process_time()
bench = sn.load(sys.argv[1])
opened = time.process_time()
metric = next(m for m in bench.metrics if m.kind == "search" and m.n_cells != 0)
bench.query(bench.space.sample(np.random.default_rng(0)), metric.name)
queried = time.process_time()
print(1e3 * (opened - started), 1e3 * (queried - opened), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""  # noqa: E501
    for one in available():
        name = one["name"]
        if not one["available"] or name.startswith("live:") or only not in name:
            continue
        rows = []
        for _ in range(4):  # the first may assemble the table
            made = subprocess.run(
                [sys.executable, "-c", code, name],
                capture_output=True,
                text=True,
                check=True,
            )
            rows.append([float(number) for number in made.stdout.split()])
        opened, queried, memory = min(rows[1:])
        yield f"{name}: open", opened, "ms"
        yield f"{name}: first query", queried, "ms"
        yield f"{name}: memory", memory, "MB"


def plain_loop(cell: sn.Cell, task: Any, seed: int) -> None:
    """Train one cell as a tutorial would: PyTorch's layers, its optimiser and its batches."""
    import torch
    import torch.nn.functional as F

    (inputs, targets), valid = (
        [torch.from_numpy(part) for part in task.data[split]]
        for split in ("train", "valid")
    )
    network = sn.nb201().build(cell, task.network(), seed=seed)
    plan = task.schedule
    optimiser = torch.optim.SGD(
        network.parameters(),
        plan.learning_rate,
        plan.momentum,
        weight_decay=plan.weight_decay,
        nesterov=True,
    )
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, plan.epochs * -(-len(targets) // plan.batch)
    )
    for _ in range(plan.epochs):
        network.train()
        for chosen in torch.randperm(len(targets)).split(plan.batch):
            loss = F.cross_entropy(network(inputs[chosen]), targets[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
        network.eval()
        with torch.no_grad():
            for x, y in zip(*(part.split(250) for part in valid), strict=True):
                outputs = network(x)
                F.cross_entropy(outputs, y).item()
                (outputs.argmax(1) != y).float().mean().item()


@measurement
def training(cells: int = 12, seed: int = 1) -> Figures:
    """Seconds of a cell on every task, beside PyTorch's own loop; a fresh `snas train` and its
    kernels; memory.
    """
    import torch

    from surrogate_nas.training import TASKS, train

    torch.set_num_threads(1)
    space = sn.nb201()
    drawn = [
        space[int(i)]
        for i in np.random.default_rng(seed).choice(len(space), cells, replace=False)
    ]
    for task in TASKS.values():
        if task.is_here() and not task.name.startswith("cifar"):
            train(drawn[:1], task, epochs=1)
            spent = [
                seconds(lambda c=cell, t=task: train([c], t, seed=seed))
                for cell in drawn
            ]  # type: ignore[misc]
            yield (
                f"{task.name}: a cell, {task.schedule.epochs} epochs",
                statistics.median(spent),
                "s",
            )
    for name in ("fashion", "digits"):
        task = TASKS[name]
        ratios = []
        plain_loop(drawn[0], task, seed)
        for cell in drawn:
            theirs = seconds(lambda c=cell, t=task: plain_loop(c, t, seed))  # type: ignore[misc]
            ours = seconds(lambda c=cell, t=task: train([c], t, seed=seed, test=False))  # type: ignore[misc]
            ratios.append(theirs / ours)
        yield f"{name}: PyTorch's own loop", statistics.median(ratios), "times as long"
    words = (*SNAS, "train", "11", "--task", "digits")
    with TemporaryDirectory() as home:
        yield (
            "snas train 11 --task digits, kernels compiled",
            command_seconds(*words, SURROGATE_NAS_HOME=home),
            "s",
        )
        yield (
            "snas train 11 --task digits, kernels there",
            command_seconds(*words, SURROGATE_NAS_HOME=home),
            "s",
        )
    code = (
        "import resource, sys\nfrom surrogate_nas.training import TASKS, train\nimport"
        " surrogate_nas as sn\npeak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss /"
        " 1024\ntask = TASKS[sys.argv[1]]\ntrain([sn.nb201()[0]], task, epochs=1)\nbefore ="
        " peak()\ntrain([sn.nb201()[11]], task)\nprint(peak() - before)"
    )
    for name in ("digits", "fashion", "text"):
        made = subprocess.run(
            [sys.executable, "-c", code, name],
            check=True,
            capture_output=True,
            text=True,
        )
        yield (
            f"{name}: memory of a training after one of one epoch",
            float(made.stdout),
            "MB",
        )


@measurement
def stores(runs: str = "100,1000", cells: int = 25) -> Figures:
    """What a folder of many runs costs to make, to open again and to read, and what it weighs."""
    objective = sn.Objective("valid_error + 0.1*params", sn.load("fashion"))
    for n in map(int, runs.split(",")):
        experiment = Experiment(objective, ["random"], n, Budget(cells))
        with TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            yield (
                f"{n} runs: make",
                seconds(partial(experiment.execute, folder=out)),
                "s",
            )
            yield (
                f"{n} runs: open again",
                seconds(partial(experiment.execute, folder=out)),
                "s",
            )
            yield (
                f"{n} runs: read",
                seconds(partial(sn.read, out)),
                "s",
            )
            yield (
                f"{n} runs",
                sum(file.stat().st_size for file in (out / "runs").iterdir()) / 1e6,
                "MB",
            )


if __name__ == "__main__":
    app()
