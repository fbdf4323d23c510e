"""How many cells a minute train on one core: a plain loop with PyTorch's defaults, one by one, and stacked.

Fashion-MNIST at 14×14, C=4, one cell a stage, 4,000 images, 3 epochs, batch 64, the validation split after each epoch.
All ways train the same random cells, in the same process, interleaved. Run it as
``python analysis/bench_training.py --cells 32``.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from surrogate_nas.space import Cell, nb201
from surrogate_nas.training import TASKS, CellNetwork, train
from surrogate_nas.training.engine import EVALUATION_BATCH
from surrogate_nas.training.network import CellModule, Reduction
from surrogate_nas.training.pooling import AveragePool

EPOCHS = 3
TASK = TASKS["fashion"]


def plain_network(cell: Cell) -> CellNetwork:
    """The published network of PyTorch's own layers, dead operations built.

    Args:
        cell: The cell.
    """
    network = CellNetwork(cell, TASK.network(), seed=0)
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
    (inputs, targets), valid = TASK.data["train"], TASK.data["valid"]
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
            for x, y in zip(*(torch.split(part, EVALUATION_BATCH) for part in valid), strict=True):
                outputs = network(x)
                F.cross_entropy(outputs, y).item()
                (outputs.argmax(1) != y).float().mean().item()


def pooling(stack: int = 16, repeats: int = 20) -> None:
    """Print the processor time of 3×3 average pooling, forward and backward, at the sizes of the three stages.

    Args:
        stack: Cells side by side.
        repeats: Passes measured.
    """
    for channels, size in ((4, 14), (8, 7), (16, 4)):
        x = torch.randn(64, stack * channels, size, size).contiguous(memory_format=torch.channels_last)
        x.requires_grad_()
        times = []
        for pool in (nn.AvgPool2d(3, 1, 1, count_include_pad=False), AveragePool()):
            start = time.process_time()
            for _ in range(repeats):
                pool(x).backward(x.detach())
            times.append(1000 * (time.process_time() - start) / repeats / stack)
        print(f"pooling {channels:>2} x {size:>2}²: PyTorch {times[0]:.3f} ms a cell, ours {times[1]:.3f}")


def main() -> None:
    """Measure and print a table: wall-clock, processor time, and cells a minute of processor time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=32)
    parser.add_argument("--stacks", type=int, nargs="*", default=[1, 4, 8, 16, 32])
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = nb201()
    chosen = np.random.default_rng(0).choice(len(space), options.cells, replace=False)
    cells = [space[int(i)] for i in chosen]
    print(f"{'way':<12}{'wall s/cell':>12}{'cpu s/cell':>12}{'cells/min':>11}{'ratio':>7}")
    base = 0.0
    # The plain loop goes first: training keeps freed memory for the rest of the process.
    for stack in [0, *options.stacks]:
        wall, processor = time.perf_counter(), time.process_time()
        if stack:
            train(cells, TASK, epochs=EPOCHS, at_once=stack, test=False)
        else:
            for cell in cells:
                plain_loop(cell)
        wall, processor = (time.perf_counter() - wall) / len(cells), (time.process_time() - processor) / len(cells)
        base = base or processor
        name = f"stacked {stack}" if stack > 1 else "one by one" if stack else "plain loop"
        print(f"{name:<12}{wall:>12.2f}{processor:>12.2f}{60 / processor:>11.1f}{base / processor:>7.2f}", flush=True)
    pooling()


if __name__ == "__main__":
    main()
