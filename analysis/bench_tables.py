"""How long every table takes to open in a fresh process, and how much memory that process has then.

SURROGATE_NAS_MIRROR=… snas data fetch all; .venv/bin/python analysis/bench_tables.py
A table of an installed package is assembled first, which is timed apart. Seconds are the process's own (a busy machine
inflates the wall's); the import of the package comes before.
"""

import subprocess
import sys

OPEN = """
import resource, sys, time
import surrogate_nas as sn
sn.load("fashion")
started = time.process_time()
bench = sn.load(sys.argv[1])
opened = time.process_time()
metric = next(m for m in bench.metrics if m.kind == "search" and m.n_cells != 0)
bench.query(bench.space.sample(__import__("numpy").random.default_rng(0)), metric.name)
queried = time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(1e3 * (opened - started), 1e3 * (queried - opened), peak, len(bench.space), len(bench.metrics))
"""


def opened(name: str) -> list[float]:
    """Milliseconds to open, milliseconds of the first query, megabytes, cells, metrics.

    Args:
        name: The benchmark.
    """
    made = subprocess.run([sys.executable, "-c", OPEN, name], capture_output=True, text=True, check=True)
    return [float(number) for number in made.stdout.split()]


def main() -> None:
    """Print a row for every benchmark that is here."""
    from surrogate_nas.benchmarks import available

    print(f"{'benchmark':34}{'first use, ms':>14}{'open, ms':>10}{'query, ms':>11}{'MB':>6}{'cells':>9}{'metrics':>9}")
    worst = [0.0, 0.0]
    for entry in available():
        name = entry["name"]
        if not entry["available"] or name.startswith("live:"):
            continue
        first = opened(name)
        again = min((opened(name) for _ in range(3)), key=lambda row: row[0])
        worst = [max(worst[0], again[0]), max(worst[1], again[2])]
        print(
            f"{name:34}{first[0]:14.0f}{again[0]:10.1f}{again[1]:11.1f}{again[2]:6.0f}{again[3]:9.0f}{again[4]:9.0f}",
            flush=True,
        )
    print(f"worst: {worst[0]:.1f} ms, {worst[1]:.0f} MB")


if __name__ == "__main__":
    main()
