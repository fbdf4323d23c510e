"""What a search on several slots costs: how long slots stand idle, and the time beside a training.

    python -m analysis.slots                    # idle shares, trainings of .25 to 6 s
    python -m analysis.slots --small            # 10,000 trainings of .025 s: the time beside each
    python -m analysis.slots --live --cells 60 --epochs 100  # real ones: the gain of a second slot

Trainings are replaced by sleep, so that more slots than cores show what the loop costs and not what
the cores lack. A cell sleeps for a time that only it decides, lognormal with the spread of
``--spread`` between the 5 % and the 95 % quantile; the prediction of it, which orders trainings on
the clock, is wrong by ±30 %. The idle share is that of the time from the first training's begin to
the last one's, so that neither the start of slots nor the end of a budget plays a part. A row of
the table is one search.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

import surrogate_nas as sn
from surrogate_nas.benchmarks.base import Measurement, Question
from surrogate_nas.space import Cell
from surrogate_nas.tables import Seed
from tests.study.delayed import Delayed

QUANTILE = 1.645
WRONG = 0.3
"""The standard deviation of the logarithm of a prediction's error."""


def normal(cell: Cell, stream: str) -> float:
    """A standard normal number that a cell has."""
    digest = blake2b(f"{stream} {cell.text}".encode(), digest_size=8).digest()
    return float(np.random.default_rng(int.from_bytes(digest)).normal())


class Sleeper(Delayed):
    """The table `fashion`, whose answers take time.

    Attributes:
        median: Seconds that half of the cells sleep for.
        spread: How many times longer the slow ones (95 %) sleep than the quick ones (5 %).
        notes: Where each slot notes when it slept, in a file of its own.
    """

    def __init__(self, median: float, spread: float, notes: Path) -> None:
        super().__init__("fashion", knows_costs=False)
        self.median = median
        self.spread = spread
        self.notes = notes
        self.name = "sleeper"
        self.one_curve = False

    @property
    def fingerprint(self) -> str:
        return f"sleeper {self.median} {self.spread} {self.table.fingerprint}"

    def seconds(self, cell: Cell, epochs: int | None) -> float:
        """What a cell sleeps for; fewer epochs sleep for less."""
        sigma = np.log(self.spread) / (2 * QUANTILE)
        whole = self.median * float(np.exp(sigma * normal(cell, "seconds")))
        return whole * (epochs or 5) / 5

    def predicted_cost(self, cell: Cell, epochs: int | None) -> float:
        return self.seconds(cell, epochs) * float(np.exp(WRONG * normal(cell, "prediction")))

    def measure(
        self, cells: Sequence[Cell], questions: Sequence[Question], seed: Seed = "mean"
    ) -> Measurement:
        begun = time.monotonic()
        answer = self.table.measure(cells, questions, seed)
        epochs = max((q.epochs for q in questions if q.epochs is not None), default=None)
        seconds = self.seconds(cells[0], epochs)
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        with (self.notes / str(os.getpid())).open("a") as file:
            file.write(f"{begun} {time.monotonic()}\n")
        return Measurement(answer.values, np.array([seconds]))


def idle(folder: Path, slots: int) -> tuple[float, float]:
    """The share of their time that slots stood idle between the first and the last begin of a
    training, and those seconds.
    """
    spans = [
        tuple(map(float, line.split()))
        for path in folder.iterdir()
        for line in path.read_text().splitlines()
    ]
    first = min(begun for begun, _ in spans)
    last = max(begun for begun, _ in spans)
    busy = sum(max(0.0, min(ended, last) - begun) for begun, ended in spans)
    return 1 - busy / (slots * (last - first)), last - first


def one(
    strategy: str, slots: int, order: str, cells: int, median: float, spread: float
) -> dict[str, float]:
    """One search: idle share, seconds between the first and the last begin, processor seconds of
    the searching process a training, its peak memory in MB.
    """
    with tempfile.TemporaryDirectory() as folder:
        bench = Sleeper(median, spread, Path(folder))
        before = time.process_time()
        run = sn.search(
            bench, strategy, "valid_error", budget=cells, parallel=slots, order=order, seed=7
        )
        own = time.process_time() - before
        share, seconds = idle(Path(folder), slots)
    return {
        "idle": share,
        "seconds": seconds,
        "ms a training": 1e3 * own / len(run.trials),
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def command_seconds(
    strategy: str, slots: int, engine: str, cells: int, epochs: int, home: Path
) -> float:
    """What `snas search live:digits` takes as a process, when nothing was trained before."""
    shutil.rmtree(home / "live", ignore_errors=True)
    words = ["search", "live:digits", strategy, "--budget", str(cells), "--json"]
    words += ["--objective", f"valid_error[{epochs}]"]
    if slots > 1:
        words += ["--parallel", str(slots), "--engine", engine]
    code = "from surrogate_nas.cli import main; main()"
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"SURROGATE_NAS_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begun


def live(strategies: Sequence[str], cells: int, epochs: int, repeats: int = 3) -> None:
    """Print how much faster two slots are than one, by turns; the median of some."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command_seconds("random", 1, "processes", 2, epochs, home)  # compiles the kernels
        for strategy in strategies:
            for engine in ("processes", "dask", "ray"):
                pairs = [
                    [
                        command_seconds(strategy, slots, engine, cells, epochs, home)
                        for slots in (1, 2)
                    ]
                    for _ in range(repeats)
                ]
                one, two = np.median(pairs, axis=0)
                ratio = np.median([first / second for first, second in pairs])
                print(
                    f"{strategy:<12}{cells:>6} cells {engine:<10} one {one:6.1f} s,"
                    f" two {two:6.1f} s, ratio {ratio:.2f}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2, 8])
    parser.add_argument("--strategies", nargs="+", default=["evolution", "asha", "hyperband", "bo"])
    parser.add_argument("--orders", nargs="+", default=["finished", "clock"])
    parser.add_argument("--cells", type=int, help="trainings of a search; 15 a slot if left out")
    parser.add_argument("--median", type=float, default=1.2, help="seconds of a training")
    parser.add_argument("--spread", type=float, default=23.0)
    parser.add_argument("--epochs", type=int, default=10, help="of a training on live:digits")
    parser.add_argument("--small", action="store_true", help="10,000 trainings of .025 s")
    parser.add_argument("--live", action="store_true", help="two slots against one, on live:digits")
    given = parser.parse_args()
    if given.live:
        live(given.strategies, given.cells or 60, given.epochs)
        return
    if given.small:
        given.median, given.spread, given.cells = 0.025, 1.0001, given.cells or 10_000
    print(f"{'strategy':<12}{'slots':>6}{'order':>10}{'idle':>8}{'s':>8}{'ms each':>9}{'MB':>7}")
    for strategy in given.strategies:
        for slots in given.slots:
            for order in given.orders:
                cells = given.cells or 15 * slots + 15
                found = one(strategy, slots, order, cells, given.median, given.spread)
                print(
                    f"{strategy:<12}{slots:>6}{order:>10}{found['idle']:>8.1%}{found['seconds']:>8.1f}"
                    f"{found['ms a training']:>9.1f}{found['MB']:>7.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
