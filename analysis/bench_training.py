"""What a training costs: seconds of a processor a cell by task, beside PyTorch's own loop; the start; two workers.

Every figure is of random cells of the NAS-Bench-201 space, each trained once on one core; what is compared is made in
one run, a cell at a time by turns, since machines are shared. ``python analysis/bench_training.py --cells 12``.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from surrogate_nas.space import Cell, nb201
from surrogate_nas.training import TASKS, Task, train

SEED = 1
"""Draws the cells and trains them."""


def processor(work: Callable[[], object]) -> float:
    """The seconds of a processor that some work takes.

    Args:
        work: The work.
    """
    before = time.process_time()
    work()
    return time.process_time() - before


def plain_loop(cell: Cell, task: Task) -> None:
    """Train one cell as a tutorial would: PyTorch's layers, its optimiser and its loader of batches.

    Args:
        cell: The cell.
        task: A task of classes.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    from surrogate_nas.space.network.cells import CellModule, Reduction
    from surrogate_nas.space.network.layers import AveragePool

    (inputs, targets), valid = ([torch.from_numpy(part) for part in task.data[split]] for split in ("train", "valid"))
    network = nb201().build(cell, task.network(), seed=SEED)
    for module in list(network.modules()):
        if isinstance(module, CellModule):
            for e, operation in enumerate(module.edges):
                if isinstance(operation, AveragePool):
                    module.edges[e] = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        elif isinstance(module, Reduction):
            module.pool = nn.AvgPool2d(2, ceil_mode=True)
    schedule = task.schedule
    optimiser = torch.optim.SGD(
        network.parameters(), lr=schedule.learning_rate, momentum=schedule.momentum, nesterov=True,
        weight_decay=schedule.weight_decay,
    )  # fmt: skip
    steps = schedule.epochs * -(-len(targets) // schedule.batch)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(schedule.epochs):
        network.train()
        for chosen in torch.randperm(len(targets)).split(schedule.batch):
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


def of_tasks(cells: list[Cell]) -> None:
    """Print the seconds of a cell on every task whose data is here.

    Args:
        cells: What is trained.
    """
    print(f"{'task':<16}{'median s':>10}{'mean s':>10}{'epochs':>8}")
    for task in TASKS.values():
        if not task.is_here() or task.name.startswith("cifar"):
            continue
        train(cells[:1], task, epochs=1)
        seconds = [processor(lambda cell=cell, task=task: train([cell], task, seed=SEED)) for cell in cells]  # type: ignore[misc]
        print(
            f"{task.name:<16}{np.median(seconds):>10.3f}{np.mean(seconds):>10.3f}{task.schedule.epochs:>8}", flush=True
        )


def beside_plain(cells: list[Cell], name: str) -> None:
    """Print how many times as long PyTorch's own loop takes, cell by cell in turns, on one core.

    Args:
        cells: What is trained.
        name: Of the task.
    """
    import torch

    torch.set_num_threads(1)
    task = TASKS[name]
    train(cells[:1], task, epochs=1)
    plain_loop(cells[0], task)
    ratios = []
    for cell in cells:
        theirs = processor(lambda cell=cell: plain_loop(cell, task))  # type: ignore[misc]
        ratios.append(theirs / processor(lambda cell=cell: train([cell], task, seed=SEED, test=False)))  # type: ignore[misc]
    spread = f"({min(ratios):.1f} to {max(ratios):.1f})"
    print(f"{name}: PyTorch's own loop takes {np.median(ratios):.1f} times as long {spread}")


def start(what: str, *, cached: bool) -> None:
    """Print the seconds of a processor of a command in a fresh process.

    Args:
        what: The command's words behind ``snas``.
        cached: Whether the kernels were compiled before.
    """
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "SURROGATE_NAS_HOME": folder}
        command = [sys.executable, "-m", "surrogate_nas", *what.split()]
        for _ in range(1 + cached):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, env=env, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"snas {what}, kernels {'there' if cached else 'compiled'}: {seconds:.2f} s of a processor")


def _one(index: int) -> None:
    train([nb201()[index]], TASKS["fashion"], seed=SEED, test=False)


def workers(cells: list[Cell]) -> None:
    """Print how many times as many cells two processes train as one, in turns; of two free cores.

    Args:
        cells: What is trained, over and over.
    """
    indices = [cell.index for cell in cells] * 2
    seconds: dict[int, list[float]] = {1: [], 2: []}
    pools = {n: ProcessPoolExecutor(n, mp_context=get_context("spawn")) for n in seconds}
    for _ in range(4):
        for n, pool in pools.items():
            list(pool.map(_one, indices[:n]))
            began = time.perf_counter()
            list(pool.map(_one, indices))
            seconds[n].append(time.perf_counter() - began)
    ratio = np.median(np.array(seconds[1][1:]) / np.array(seconds[2][1:]))
    print(f"fashion: two processes train {ratio:.2f} times as many cells as one")


def memory() -> None:
    """Print how much more memory a process holds at most for a training than for the imports and the data."""
    code = (
        "import resource, sys\n"
        "from surrogate_nas.space import nb201\n"
        "from surrogate_nas.training import TASKS, train\n"
        "from surrogate_nas.training.fast.compiled import kernels\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "task = TASKS[sys.argv[1]]\n"
        "kernels(), nb201()[11], [measure.title for measure in task.measured]\n"
        "imported = peak()\n"
        "task.data\n"
        "held = peak()\n"
        "train([nb201()[11]], task)\n"
        "print(f'{task.name}: {(held - imported) / 1024:.0f} MB for its data, '\n"
        "      f'{(peak() - held) / 1024:.0f} MB for a training')\n"
    )
    for name in ("digits", "fashion", "text", "generation"):
        if TASKS[name].is_here():
            subprocess.run([sys.executable, "-c", code, name], check=True)


def main() -> None:
    """Measure all of it and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=12)
    options = parser.parse_args()
    space = nb201()
    drawn = np.random.default_rng(SEED).choice(len(space), options.cells, replace=False)
    cells = [space[int(i)] for i in drawn]
    memory()
    of_tasks(cells)
    for name in ("fashion", "digits"):
        beside_plain(cells, name)
    for cached in (False, True):
        start("train 11 --task digits", cached=cached)
    workers(cells)


if __name__ == "__main__":
    main()
