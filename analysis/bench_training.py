"""How many cells a minute train: a plain loop with PyTorch's defaults in one process, stacked, and compiled kernels.

Fashion-MNIST as the shipped table has it: 7×7, 4,000 images, 5 epochs, batch 64, the validation split after each
epoch, random functional classes. All ways train the same cells, one way after another in one run.
``python analysis/bench_training.py --cells 16``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from joblib import Parallel, delayed
from torch import nn

from surrogate_nas.making.plan import Plan
from surrogate_nas.network.cells import CellModule, CellNetwork, Reduction
from surrogate_nas.network.pooling import AveragePool
from surrogate_nas.space import Cell, nb201
from surrogate_nas.training import TASKS, train

TASK = TASKS["fashion"]
EPOCHS = TASK.schedule.epochs


def plain_network(cell: Cell) -> CellNetwork:
    """The published network of PyTorch's own layers, dead operations built.

    Args:
        cell: The cell.
    """
    network = nb201().build(cell, TASK.network(), seed=0)
    for module in list(network.modules()):
        if isinstance(module, CellModule):
            for e, operation in enumerate(module.edges):
                if isinstance(operation, AveragePool):
                    module.edges[e] = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        elif isinstance(module, Reduction):
            module.pool = nn.AvgPool2d(2, ceil_mode=True)
    return network


def plain_loop(cell: Cell) -> None:
    """Train one cell as a tutorial would.

    Args:
        cell: The cell.
    """
    (inputs, targets), valid = ([torch.as_tensor(part) for part in TASK.data[name]] for name in ("train", "valid"))
    network = plain_network(cell)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS * -(-len(targets) // 64))
    for _ in range(EPOCHS):
        network.train()
        for chosen in torch.randperm(len(targets)).split(64):
            outputs = network(inputs[chosen])
            loss = F.cross_entropy(outputs, targets[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
        network.eval()
        with torch.no_grad():
            for x, y in zip(*(torch.split(part, 250) for part in valid), strict=True):
                outputs = network(x)
                F.cross_entropy(outputs, y).item()
                (outputs.argmax(1) != y).float().mean().item()


def one_by_one(cells: Sequence[Cell]) -> None:
    """Train cells with the compiled kernels, one after another.

    Args:
        cells: The cells.
    """
    train(cells, TASK, epochs=EPOCHS, test=False)


def main() -> None:
    """Measure and print a table: wall-clock and processor seconds a cell, cells a minute, and the ratio of those."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=16)
    parser.add_argument("--stack", type=int, default=8)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    space = nb201()
    jobs = Plan("fashion", EPOCHS).jobs()[: options.cells]
    cells = [space[job.cell] for job in jobs]
    parallel = Parallel(n_jobs=options.processes)
    parallel(delayed(one_by_one)(cells[:1]) for _ in range(options.processes))  # starts the processes, compiles

    def several() -> None:
        parallel(delayed(one_by_one)(cells[i :: options.processes]) for i in range(options.processes))

    def plain() -> None:
        for cell in cells:
            plain_loop(cell)

    ways: dict[str, Callable[[], object]] = {
        f"plain loop, {torch.get_num_threads()} threads": plain,
        f"stacked {options.stack}, one core": lambda: train(
            cells, TASK, epochs=EPOCHS, at_once=options.stack, test=False
        ),
        "one by one, one core": lambda: one_by_one(cells),
        f"one by one, {options.processes} processes": several,
    }
    print(f"{'way':<28}{'wall s/cell':>12}{'cpu s/cell':>12}{'cells/min':>11}{'ratio':>7}")
    base = 0.0
    # The plain loop goes first: training keeps freed memory for the rest of the process.
    for name, way in ways.items():
        wall, before = time.perf_counter(), time.process_time()
        way()
        wall, processor = (time.perf_counter() - wall) / len(cells), (time.process_time() - before) / len(cells)
        base = base or wall
        text = "" if name.endswith("processes") else f"{processor:.2f}"
        print(f"{name:<28}{wall:>12.2f}{text:>12}{60 / wall:>11.1f}{base / wall:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
