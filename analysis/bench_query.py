"""How long a query takes, beside the official package on the same three real records in the same run.

make data && .venv/bin/python analysis/bench_query.py
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from nats_bench import create

import surrogate_nas as sn
from surrogate_nas.tables.sources import nb201

RECORDS = (0, 11, 284)
REPEATS = 5000


def median_microseconds(call: Callable[[int], object], repeats: int = REPEATS) -> float:
    """The median time of one call over the three records."""
    seconds = []
    for i in range(repeats):
        record = RECORDS[i % len(RECORDS)]
        started = time.perf_counter()
        call(record)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e6


def main() -> None:
    """Print the medians and their ratio; opening is timed after another table was, so without the imports."""
    sn.load("fashion")
    started = time.perf_counter()
    bench = sn.load("nb201-cifar10")
    bench.column("valid_error", epochs=12)
    opened = (time.perf_counter() - started) * 1e3
    cells = {record: bench.space[record] for record in RECORDS}
    official = create(str(nb201.records_folder()), "tss", fast_mode=True, verbose=False)
    for record in RECORDS:
        theirs = 100.0 - np.mean(
            [
                official.get_more_info(record, "cifar10-valid", hp="12", is_random=s)["valid-accuracy"]
                for s in (111, 777)
            ]
        )
        assert abs(theirs - bench.query(cells[record], "valid_error", epochs=12)) < 1e-6

    ours = median_microseconds(lambda i: bench.query(cells[i], "valid_error", epochs=12))
    by_text = median_microseconds(lambda i: bench.query(str(cells[i]), "valid_error", epochs=12))
    column = median_microseconds(lambda _: bench.column("valid_error", epochs=12))
    theirs = median_microseconds(lambda i: official.simulate_train_eval(i, "cifar10", hp="12"))
    print(f"open a table and read one column   {opened:8.1f} ms")
    print(f"query of one cell                  {ours:8.1f} µs")
    print(f"query of one cell by its string    {by_text:8.1f} µs")
    print(f"a whole column, held               {column:8.1f} µs")
    print(f"nats_bench simulate_train_eval     {theirs:8.1f} µs")
    print(f"ratio                              {theirs / ours:8.1f}")
    print(f"peak memory, table and column read  {alone():8.1f} MB")


def alone() -> float:
    """Peak memory in MB of a process that opens the table and reads a column."""
    import subprocess
    import sys

    code = (
        "import resource, surrogate_nas as sn; sn.load('nb201-cifar10').column('valid_error');"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
