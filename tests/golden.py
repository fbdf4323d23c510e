"""The golden trajectories: which cells each swift strategy asks for. ``make golden`` rewrites them.

Whole trajectories, bo's too: it takes the largest of real numbers, but equal cells share one point and so tie exactly,
runs use one thread, and the kernels of OpenBLAS (from SSE2 to AVX-512) gave the same 100 cells in four runs.
"""

import json
from pathlib import Path

import surrogate_nas as sn
from tests.conftest import SWIFT_STRATEGIES

STEADY = [name for name in SWIFT_STRATEGIES if name != "guided"]
"""The others maximise a likelihood or train networks step by step, which other processors round otherwise."""
FILE = Path(__file__).with_name("golden.json")
CELLS = 60


def trajectories() -> dict[str, list[int]]:
    """The indices of the first cells of run 0 of every strategy on the embedded table."""
    bench = sn.load("analog-cifar10")
    return {name: [trial.cell.index for trial in sn.search(bench, name, budget=CELLS).trials] for name in STEADY}


if __name__ == "__main__":
    FILE.write_text(json.dumps(trajectories()) + "\n")
