"""What a look at a running comparison costs `snas serve`: ten strategies with a hundred runs of 150 cells each.

.venv/bin/python analysis/bench_serving.py [FOLDER]      # makes the comparison in FOLDER first, about a minute
"""

import math
import statistics
import sys
import time
from pathlib import Path

import surrogate_nas as sn
from surrogate_nas.report.live.page import Pages, Places

STRATEGIES = [
    "random", "random_sampling", "local_search", "first_improvement", "iterated_local_search", "evolution",
    "evolution(population=20)", "evolution(population=5)", "nsga2", "reinforce",
]  # fmt: skip
RUNS, CELLS, LOOKS = 100, 150, 20


def seconds(pages: Pages) -> float:
    """The processor time of the answer to a page that asks for news."""
    started = time.process_time()
    pages.part("")
    return time.process_time() - started


def main() -> None:
    """Print the first look, later ones at an unchanged folder, and later ones while a run grows."""
    folder = Path(sys.argv[1] if sys.argv[1:] else "results/serving")
    sn.compare("fashion", STRATEGIES, runs=RUNS, budget=CELLS, workers=2, folder=folder)
    pages = Pages(Places(folder), patience_seconds=math.inf)
    first = seconds(pages)
    still = [seconds(pages) for _ in range(LOOKS)]
    file = folder / "runs" / "random-0.jsonl"
    lines, growing = file.read_bytes().splitlines(keepends=True), []
    try:
        for i in range(LOOKS):
            file.write_bytes(b"".join(lines[: len(lines) - LOOKS + i]))
            growing.append(seconds(pages))
    finally:
        file.write_bytes(b"".join(lines))
    still_ms, growing_ms = (1e3 * statistics.median(looks) for looks in (still, growing))
    sys.stdout.write(
        f"{len(STRATEGIES) * RUNS * CELLS:,} trials: first look {first:.2f} s of processor; medians of {LOOKS} others: "
        f"{still_ms:.0f} ms unchanged, {growing_ms:.0f} ms while a run grows\n"
    )


if __name__ == "__main__":
    main()
