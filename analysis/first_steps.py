"""How long a stranger's path takes: set up, compare, a strategy of one's own, its place in a
suite's report.

    python analysis/first_steps.py --workers 2

All of it in a fresh clone, with an environment and a home of its own, by the commands that the
README shows; on a busy machine processor time tells more.
"""

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).parents[1]
STEPS = (
    ("set up", "make setup"),
    ("compare", "make compare WORKERS={workers}"),
    ("write a strategy", ".venv/bin/snas new strategy Mine"),
    ("check it", ".venv/bin/snas check mine.py:Mine"),
    (
        "its place",
        (
            ".venv/bin/snas suite starter --strategies mine.py:Mine,local_search,evolution,random"
            " --runs 5 --workers {workers} --out results/mine --json"
        ),
    ),
)


def processor_seconds() -> float:
    """Those of all commands that have ended, and of what they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def told_seconds(name: str, wall: float, processor: float) -> None:
    """Print what a step took.

    Args:
        name: The step's.
        wall: Seconds that passed.
        processor: Seconds of processor time.
    """
    print(f"{name:20s}{wall:8.1f} s{processor:8.1f} s of processor time", flush=True)


def main() -> None:
    """Walk the path and print the seconds of every step, and the strategy's rank."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(TOP), str(here)], check=True)
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        clean["SURROGATE_NAS_HOME"] = str(Path(folder) / "home")
        started = time.perf_counter()
        told = ""
        for name, line in STEPS:
            begun = time.perf_counter()
            spent = processor_seconds()
            made = subprocess.run(
                shlex.split(line.format(workers=given.workers)),
                cwd=here,
                env=clean,
                capture_output=True,
                text=True,
            )
            told_seconds(name, time.perf_counter() - begun, processor_seconds() - spent)
            if made.returncode:
                sys.exit(f"{line} ended with {made.returncode}: {made.stderr[-2000:]}")
            told = made.stdout
        told_seconds("all", time.perf_counter() - started, processor_seconds())
        ranks = {one["name"]: one["rank_mean"] for one in json.loads(told)["strategies"]}
        shown = "Mine" in (here / "results" / "mine" / "report.html").read_text(encoding="utf-8")
        print(f"average ranks: {ranks}; {'in' if shown else 'not in'} the report")


if __name__ == "__main__":
    main()
