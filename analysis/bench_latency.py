"""Does a measured latency repeat, and do a hundred measured cells tell that of the others?

Measures 300 random cells by the protocol of ``snas measure``, measures 30 of them again, and prints how the two rank
alike; then fits a ridge on the counts of built operations to 100 and ranks the other 200. Run it as
``python analysis/bench_latency.py --task fashion`` or, for the published network, without a task.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from surrogate_nas.space.nb201.encodings import operation_counts
from surrogate_nas.space.network import Network
from surrogate_nas.training import task_named
from surrogate_nas.training.hardware import Protocol, draw_cells, measure


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", help="whose network to time; the published one if left out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--train", type=int, default=100)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--again", type=int, default=30)
    options = parser.parse_args()
    network = task_named(options.task).network() if options.task else Network()
    protocol = Protocol(options.device, options.threads, options.batch, options.rounds)
    cells = draw_cells(options.train + options.test)
    print(f"{network}\n{protocol}, {protocol.clock} clock; load average {os.getloadavg()[0]:.2f}", flush=True)
    started = time.perf_counter()
    first = measure(cells, network, protocol)
    print(f"{len(cells)} cells in {time.perf_counter() - started:.0f} s, drift {first.drift:.1%}", flush=True)
    again = measure(cells[: options.again], network, protocol, seed=1)
    print(f"{options.again} again, drift {again.drift:.1%}; load average {os.getloadavg()[0]:.2f}")
    clocks = ["", "wall"] if protocol.clock == "processor" else [""]
    for clock in clocks:
        both = [np.median(m.timings(clock)[: options.again], axis=1) for m in (first, again)]
        change = np.median(np.abs(both[1] / both[0] - 1))
        rank = spearmanr(*both).statistic
        print(f"measured again, {clock or protocol.clock} clock: Spearman {rank:.4f}, median change {change:.1%}")
    counts = operation_counts(np.array([cell.choices for cell in cells], dtype=np.int8)).astype(float)
    train, test = slice(0, options.train), slice(options.train, None)
    for name, forward, back in (("plain", lambda v: v, lambda v: v), ("log", np.log, np.exp)):
        model = Ridge(alpha=1.0).fit(counts[train], forward(first.latency[train]))
        found, truth = back(model.predict(counts[test])), first.latency[test]
        error = np.median(np.abs(found / truth - 1))
        print(f"ridge on counts, {name} target: Spearman {spearmanr(found, truth).statistic:.4f}, "
              f"median error {error:.1%}")  # fmt: skip
    spread = first.latency
    print(f"latency {spread.min():.3f} to {spread.max():.3f} ms, median {np.median(spread):.3f}")


if __name__ == "__main__":
    main()
