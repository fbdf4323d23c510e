"""What things cost, measured again: ``python analysis/bench.py WHAT``; ``--help`` lists what there
is.

    python analysis/bench.py query              # needs: snas data fetch nb201
    python analysis/bench.py --json scale > scale.json

Every measurement prints a figure a line while it is made; with ``--json`` it prints one JSON
document at its end, with date, processor and load. Seconds are a processor's where nothing else is
said, since machines are shared; what is compared is made in one run by turns, and a ratio is the
median of the ratios of these turns.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import typer

import surrogate_nas as sn
from surrogate_nas.core.process import one_thread
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.scale import expected
from surrogate_nas.surrogates import model_class

Figures = Iterator[tuple[str, float, str]]
"""What a measurement yields: what it is, the number, its unit."""
app = typer.Typer(
    help=(__doc__ or "").partition("\n")[0], add_completion=False, no_args_is_help=True
)
AS_JSON = False


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
    with suppress(ChildProcessError):  # what outlived the command, see `user_code`
        while True:
            os.wait()
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


USERS = """
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation

class Own(BayesianOptimisation):
    pass
"""
SUBREAPER = 36
"""Makes processes that outlive their parent children of this one (Linux)."""


@measurement
def user_code(pairs: int = 10, runs: int = 10, budget: int = 100) -> Figures:
    """A comparison of `bo` from a user's file, by turns with one of `bo`: the ratio of processor
    seconds, its median and its quartiles.
    """
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    ratios = []
    with TemporaryDirectory() as folder:
        (Path(folder) / "users.py").write_text(USERS)
        for number in range(pairs):
            ours, users = (
                command_seconds(
                    *(*SNAS, "compare", "nb201-cifar10", "--strategies", name),
                    *("--runs", str(runs), "--budget", str(budget)),
                    *("--out", f"{folder}/{number}-{name[-3:]}"),
                )
                for name in ("bo", f"{folder}/users.py:Own")
            )
            ratios.append(users / ours)
    for name, share in (
        ("median", 0.5),
        ("first quartile", 0.25),
        ("third quartile", 0.75),
    ):
        yield (
            f"a user's bo over ours, {name}",
            float(np.quantile(ratios, share)),
            "times",
        )


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


ROWS = 10_000, 100_000, 1_000_000
"""Of a table: a space of so many cells that is listed, or so many of a larger space."""
CASES: dict[str, tuple[tuple[int, int, int], Callable[[int, Any], None]]] = {}
"""By name three sizes, and what measures at one of them."""
SPACES = """
import surrogate_nas as sn

def ten(name, positions):
    options = {f"p{i}": range(10) for i in range(positions)}
    return sn.ChoiceSpace(name, options, listed=positions < 7)

globals().update({f"listed_{10 ** n}": ten(f"listed-{n}", n) for n in range(2, 7)})
sampled = ten("large", 12)
"""


def case(name: str, *sizes: int) -> Callable[[Callable[[int, Any], None]], None]:
    """Register what measures at three sizes."""

    def register(work: Callable[[int, Any], None]) -> None:
        CASES[name] = sizes, work  # type: ignore[assignment]

    return register


class Meter:
    """Processor seconds of this process and of those that it started, and the peak of memory."""

    def __init__(self) -> None:
        self.figures: list[tuple[str, float, str]] = []

    @contextmanager
    def __call__(self, what: str, parts: int = 1) -> Iterator[None]:
        """Measure what is done inside, in so many equal parts."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
        before, children = time.process_time(), sum(os.times()[2:4])
        yield
        others = sum(os.times()[2:4]) - children
        spent = time.process_time() - before + others
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        if others:  # the largest process that was started
            peak = max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        self.figures += [(what, spent / parts, "s"), (what, peak / 1024, "MB")]


def imported(kind: str, n: int, meter: Any = nullcontext) -> str:
    """The name of a table of a kind and size, which is imported unless it is there."""
    name, folder = f"{kind}-{n}", Path(os.environ["SURROGATE_NAS_HOME"])
    file = folder / f"{name}.csv"
    if not file.exists():
        rng = np.random.default_rng(0)
        digits = len(str(n)) - 1 if kind == "listed" else 12
        cells = np.arange(n) if kind == "listed" else rng.choice(10**12, n, False)
        options = cells[:, None] // 10 ** np.arange(digits)[::-1] % 10
        error = 5 + 10 * rng.random(n) + options.mean(axis=1)
        frame = pd.DataFrame(options, columns=[f"p{i}" for i in range(digits)])
        frame = frame.assign(**{"valid_error (%)": error, "energy": 1 + options[:, 0]})
        frame.to_csv(file, index=False)
        (folder / "spaces.py").write_text(SPACES)
        place = "sampled" if kind == "sampled" else f"listed_{n}"
        words = (
            "data",
            "import",
            "csv",
            file,
            "--space",
            f"{folder}/spaces.py:{place}",
        )
        with meter(f"snas data import csv, {kind} space"):
            subprocess.run(
                list(map(str, (*SNAS, *words))), check=True, capture_output=True
            )
    return name


def objective_on(kind: str, n: int) -> sn.Objective:
    """Loss and a term that is observed, on a table of a kind and size."""
    return sn.Objective("valid_error + 0.1*energy", imported(kind, n))


@case("import", *ROWS)
def imports(n: int, meter: Any) -> None:
    """The import of a CSV file."""
    imported("listed", n, meter)
    imported("sampled", n, meter)


@case("table", *ROWS)
def table(n: int, meter: Any) -> None:
    """What is done with a whole table."""
    name = imported("sampled", n)
    with meter("open a table and query a cell"):
        bench = sn.load(name)
        bench.query(bench.space[1], "valid_error")
    objective = objective_on("sampled", n)
    with meter("scores of all cells"):
        objective.over_space()
    with meter("reference curve of 1,000 cells"):
        expected(objective, Budget(1_000), 50.0)


@case("search", *ROWS)
def searches(n: int, meter: Any) -> None:
    """Searches of 1,000 cells on tables of many rows."""
    for kind in ("listed", "sampled"):
        objective = objective_on(kind, n)
        for strategy, cells in (
            ("random", 1_000),
            ("local_search", 1_000),
            ("bo", 100),
        ):
            with meter(f"{strategy}, {cells:,} cells of a {kind} table"):
                sn.search(objective.benchmark, strategy, str(objective), budget=cells)
        with (
            meter(f"random, stored, 1,000 cells of a {kind} table"),
            TemporaryDirectory() as out,
        ):
            sn.search(
                objective.benchmark,
                "random",
                str(objective),
                budget=1_000,
                folder=out + "/a",
            )


def compared(
    meter: Any, benchmark: str, penalty: str, *, runs: int, budget: int
) -> None:
    """Measure a stored comparison of two strategies, and what is done with its folder."""
    with TemporaryDirectory() as folder:
        out = f"{folder}/a"
        for what in ("compare", "compare again in the finished folder"):
            with meter(what):
                made = sn.compare(
                    benchmark,
                    ["random", "evolution"],
                    f"valid_error + {penalty}",
                    runs=runs,
                    budget=budget,
                    folder=out,
                )
        with meter("read"):
            sn.read(out)
        with meter("write_report"):
            sn.write_report(made, f"{folder}/b")


@case("trials", 1_000, 10_000, 100_000)
def trials(n: int, meter: Any) -> None:
    """A comparison of so many trials."""
    compared(meter, imported("listed", 100_000), "energy", runs=1, budget=n // 2)


@case("runs", 20, 200, 2_000)
def runs(n: int, meter: Any) -> None:
    """A comparison of so many runs of 25 cells."""
    compared(meter, "fashion", "params", runs=n // 2, budget=25)


@case("problems", 6, 20, 60)
def problems(n: int, meter: Any) -> None:
    """A suite of so many problems, and its verdict."""
    several = [
        sn.Problem(
            "fashion", f"valid_error + {i / 100}*params", budget=20, name=f"p{i}"
        )
        for i in range(n)
    ]
    with meter("run_suite, two strategies, 4 runs"):
        sn.run_suite(several, ["random", "evolution"], runs=4)


@case("surrogate", 1_000, 10_000, 100_000)
def surrogates(n: int, meter: Any) -> None:
    """Predictions for so many cells from 1,000."""
    bench = sn.load(imported("listed", 100_000))
    seen, asked = bench.space[::100], bench.space[:n]
    values = bench.column("valid_error")[::100]
    for kind, options in (("xgboost", {}), ("gp", {"blocks": ("one_hot",)})):
        model = model_class(kind)("error", **options).fit(
            seen, values, space=bench.space
        )
        with meter(f"{kind} predicts"):
            model.predict(asked)


@case("step", 250, 500, 1_000)
def steps(n: int, meter: Any) -> None:
    """One ask and tell of `bo` after so many, over a tenth more: its models are fitted once."""
    for name in ("fashion", imported("sampled", 100_000)):
        by_hand = sn.AskTell(sn.Objective("valid_error", name), "bo", run=1)
        while len(by_hand.trials) < n:
            list(map(by_hand.tell, by_hand.ask()))
        with meter(f"a step of bo on {name}", parts=n // 10):
            while len(by_hand.trials) < 1.1 * n:
                list(map(by_hand.tell, by_hand.ask()))


PAUSED = """
import time
from pathlib import Path

def trained(cell):
    Path(__file__).with_name(cell.text).write_text(repr(time.time()))
    time.sleep(6)
    return 2.0 + cell.choices[0]
"""
"""A training in a file of its own, so that slots import what it names and nothing of this file."""


@case("slots", 8, 32, 128)
def slots(n: int, meter: Any) -> None:
    """The start of so many slots: processor seconds, and on the wall until trainings begin."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "paused.py").write_text(PAUSED)
        sys.path.append(folder)
        trained = importlib.import_module("paused").trained
        space = sn.ChoiceSpace("pairs", {"a": range(16), "b": range(16)})
        bench = sn.Computed(space, {"valid_error": trained})
        started = time.time()
        resources = sn.Resources(parallel=n)
        with meter("all slots"):
            sn.search(bench, "random", "valid_error", budget=n, resources=resources)
        stamps = [float(file.read_text()) for file in Path(folder).glob("pairs*")]
        begun = min(stamps) - started, max(stamps) - started
    meter.figures += [
        ("the first training begins", begun[0], "s on the wall"),
        ("all trainings have begun", begun[1], "s on the wall"),
    ]


def measured(work: Callable[[int, Any], None], n: int) -> list[tuple[str, float, str]]:
    """The figures of a case at one size, made in a process of its own."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def run() -> None:
        meter = Meter()
        with one_thread():
            work(n, meter)
        there.send(meter.figures)

    process = context.Process(target=run)
    process.start()
    there.close()
    figures: list[tuple[str, float, str]] = here.recv()
    process.join()
    return figures


@measurement
def scale(only: str = "") -> Figures:
    """Processor seconds and peak memory by size, each size in a process of its own, and the
    exponent from the second size to the third.
    """
    with TemporaryDirectory() as home:
        os.environ["SURROGATE_NAS_HOME"] = home
        for name, (sizes, work) in CASES.items():
            if only not in name:
                continue
            rows = [measured(work, n) for n in sizes]
            for figures in zip(*rows, strict=True):
                what, _, unit = figures[0]
                for n, (_, number, _) in zip(sizes, figures, strict=True):
                    yield f"{what}: {n:,} {name}", number, unit
                growth = max(figures[2][1], 1e-3) / max(figures[1][1], 1e-3)
                exponent = float(np.log(growth) / np.log(sizes[2] / sizes[1]))
                yield f"{what}: exponent of {unit}", exponent, ""


if __name__ == "__main__":
    app()
