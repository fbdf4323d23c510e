"""The golden trajectories: which cells each strategy asks for. ``make golden`` rewrites them."""

import json
from pathlib import Path

import surrogate_nas as sn
from surrogate_nas.strategies import STRATEGIES

FILE = Path(__file__).with_name("golden.json")
CELLS = 60


def trajectories() -> dict[str, list[int]]:
    """The indices of the first cells of run 0 of every strategy on the embedded table."""
    bench = sn.load("analog-cifar10")
    return {name: [trial.cell.index for trial in sn.search(bench, name, budget=CELLS).trials] for name in STRATEGIES}


if __name__ == "__main__":
    FILE.write_text(json.dumps(trajectories()) + "\n")
