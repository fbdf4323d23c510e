"""What an engine costs a job, how many workers it feeds, and what that says of 100 nodes.

python analysis/scale.py                       # everything; interrupted, it goes on
python analysis/scale.py --engines dask,ray    # only these

Empty jobs tell the overhead: seconds from the first outcome to the last, by job. Jobs that wait a quarter of a second
tell the efficiency: their seconds over workers × elapsed seconds. They wait and do not compute, so that more workers
than cores tell what the engine costs and not what the machine lacks. Stores are timed in processor seconds.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle

import surrogate_nas as sn
from surrogate_nas.benchmarks.kept import Kept, Trained
from surrogate_nas.comparison import read_comparison
from surrogate_nas.engine import run_jobs
from surrogate_nas.experiment.experiment import Budget, Experiment
from surrogate_nas.files import Journal
from surrogate_nas.making.plan import Plan
from surrogate_nas.making.train import train_job
from surrogate_nas.suite import read_suite
from surrogate_nas.suite.trace import trace_of

ENGINES = ("processes", "dask", "ray", "slurm:cluster=local")
WORKERS = (1, 2, 4, 8)
EMPTY, JOB_SECONDS, JOBS_A_WORKER = 1000, 0.25, 12
STORES = (100, 1_000, 10_000)
CELLS, STORED_CELLS = 100, 25
NODES, CORES = 100, 16


def nothing(number: int) -> int:
    """An empty job."""
    return number


def wait(_: int) -> None:
    """A job that leaves the processor alone."""
    time.sleep(JOB_SECONDS)


KINDS: dict[str, Callable[[int], Any]] = {"empty": nothing, "waiting": wait}


def engine_times(engine: str, workers: int, kind: str) -> dict[str, float]:
    """Seconds until the first outcome, from it to the last, and until all is ended."""
    jobs = range(EMPTY if kind == "empty" else JOBS_A_WORKER * workers)
    began = time.perf_counter()
    outcomes = run_jobs(KINDS[kind], jobs, workers=workers, engine=engine)
    next(outcomes)
    first = time.perf_counter()
    assert sum(1 for _ in outcomes) == len(jobs) - 1
    ended = time.perf_counter()
    return {"jobs": len(jobs), "start": first - began, "rest": ended - first, "load": os.getloadavg()[0]}


def store_times(runs: int, folder: Path) -> dict[str, float]:
    """Processor seconds to make, reopen and read a folder of runs, and its bytes."""
    out = folder / f"store-{runs}"
    experiment = Experiment(
        sn.Objective("valid_error + 0.1*params", sn.load("fashion")), ["random"], runs, Budget(STORED_CELLS)
    )
    seconds = {}
    for name, work in {
        "make": lambda: experiment.execute(folder=out),
        "reopen": lambda: experiment.execute(folder=out),
        "read": lambda: read_comparison(out).to_json(),
    }.items():
        began = time.process_time()
        work()
        seconds[name] = time.process_time() - began
    size = sum(file.stat().st_size for file in (out / "runs").iterdir())
    shutil.rmtree(out)
    return {**seconds, "bytes": size}


def sizes(folder: Path) -> dict[str, float]:
    """Bytes that travel with a job and back, bytes of what is kept, and processor seconds of trainings and runs."""
    bench = sn.load("fashion")
    objective = sn.Objective("valid_error + 0.1*params", bench)
    seconds = {}
    for strategy in ("random", "evolution", "bo"):
        experiment = Experiment(objective, [strategy], 1, Budget(CELLS))
        experiment.execute()
        began = time.process_time()
        (run,) = experiment.execute()
        seconds[f"run of {strategy}"] = time.process_time() - began
    plan = Plan("fashion", 5, 1, 0)
    train_job(plan, plan.jobs()[0])  # the task's data is read, code is compiled
    began = time.process_time()
    entry = train_job(plan, plan.jobs()[1])
    seconds["training"] = time.process_time() - began
    with Journal(folder / "entry.jsonl", {}) as journal:
        journal.append(entry)
    kept = Kept(folder / "kept.jsonl")
    for index in range(CELLS):
        kept.add(
            (bench.space[index].text, 5, 0), Trained({name: 0.123456789 for name in entry if name != "job"}, 1.0), {}
        )
    trace = trace_of(objective, experiment.describe(), run, Budget(CELLS))
    found = {
        **seconds,
        "function": len(cloudpickle.dumps(experiment)),
        "job": len(cloudpickle.dumps(("plain", read_suite("starter").entrants[0], 0))),
        "trace": len(pickle.dumps(trace)),
        "training kept": (folder / "entry.jsonl").stat().st_size,
        "answer kept": kept.path.stat().st_size / CELLS,
    }
    return found | {"answers read": _read_seconds(kept.path)}


def _read_seconds(path: Path) -> float:
    """Processor seconds to read a kept answer."""
    began = time.process_time()
    for _ in range(100):
        Kept(path).find(("", 0, 0))
    return (time.process_time() - began) / 100 / CELLS


def measured(journal: Journal, engines: list[str], folder: Path) -> dict[str, Any]:
    """What the journal holds and what it lacks, measured now."""
    found = dict(map(tuple, journal.entries))

    def add(name: str, work: Callable[[], Any]) -> None:
        if name not in found:
            found[name] = work()
            journal.append([name, found[name]])
            print(name, found[name], flush=True)

    add("sizes", lambda: sizes(folder))
    for runs in STORES[:-1]:
        add(f"store {runs}", lambda runs=runs: store_times(runs, folder))
    for kind in KINDS:
        for workers in WORKERS:
            for engine in engines:
                add(f"{engine} {workers} {kind}", lambda e=engine, w=workers, k=kind: engine_times(e, w, k))
    add(f"store {STORES[-1]}", lambda: store_times(STORES[-1], folder))
    return found


def tables(found: dict[str, Any], engines: list[str]) -> Iterator[str]:
    """Overheads and efficiencies, and the times of stores, as README has them."""
    heads = ["engine", "start, s", *(f"{w}: ms a job" for w in WORKERS), *(f"{w}: efficiency" for w in WORKERS)]
    yield "| " + " | ".join(heads) + " |\n|" + "---|" * len(heads)
    for engine in engines:
        empty = [found[f"{engine} {w} empty"] for w in WORKERS]
        waited = [found[f"{engine} {w} waiting"] for w in WORKERS]
        costs = [f"{1e3 * one['rest'] / (one['jobs'] - 1):.2f}" for one in empty]
        shares = [
            f"{JOB_SECONDS * (one['jobs'] - w) / w / one['rest']:.0%}" for w, one in zip(WORKERS, waited, strict=True)
        ]
        yield f"| `{engine}` | {empty[1]['start']:.1f} | " + " | ".join([*costs, *shares]) + " |"
    yield "\n| runs of 25 cells | MB | s to make | s to reopen | s to read and sum up |\n|---|---|---|---|---|"
    for runs in STORES:
        one = found[f"store {runs}"]
        yield f"| {runs:,} | {one['bytes'] / 1e6:.1f} | " + " | ".join(
            f"{one[name]:.1f}" for name in ("make", "reopen", "read")
        ) + " |"  # fmt: skip


def arithmetic(found: dict[str, Any], engines: list[str]) -> Iterator[str]:
    """What three pieces of work would cost on 100 nodes, and where each would break."""
    size, store = found["sizes"], found[f"store {STORES[-1]}"]
    workers = NODES * CORES
    costs = {e: found[f"{e} {WORKERS[-1]} empty"]["rest"] / (EMPTY - 1) for e in engines}
    yield f"\n100 nodes of {CORES} cores are {workers:,} workers. One head feeds them if a job takes at least"
    for engine, cost in costs.items():
        yield f"- {workers * cost:.1f} s on `{engine}` ({1 / cost:,.0f} jobs a second)"
    slowest = max(costs.values())
    yield "\n| work | jobs | core hours | on 100 nodes | head, s | kept, MB |\n|---|---|---|---|---|---|"
    longer = CELLS / STORED_CELLS / STORES[-1]
    training, read, kept_bytes = size["training"], store["read"] * longer, store["bytes"] * longer
    usual = (size["run of random"] + size["run of evolution"] + size["run of bo"]) / 3
    runs = 50 * 20 * 100
    works = {
        "table of 15,625 cells, one seed": (-(-15_625 // 2), 15_625 * training, 0.0, 15_625 * size["training kept"]),
        "suite, 50 problems × 20 strategies × 100 seeds of 100 cells": (
            runs, runs * usual, runs * read, runs * kept_bytes
        ),
        "live search of 10^6 cells, as 10^4 runs of 100": (
            10_000, 1e6 * training, 10_000 * read, 1e6 * size["answer kept"] + 10_000 * kept_bytes
        ),
    }  # fmt: skip
    for name, (jobs, seconds, reading, kept) in works.items():
        wall = max(seconds / workers, jobs * slowest)
        yield (
            f"| {name} | {jobs:,} | {seconds / 3600:,.1f} | {wall / 60:.1f} min | {jobs * slowest:,.0f} to hand out, "
            f"{reading:,.0f} to read | {kept / 1e6:,.0f} |"
        )
    yield f"\nAnswers of 10^6 trainings take {1e6 * size['answers read']:,.0f} s of each worker that reads them all."
    sent = {name: f"{size[name]:,.0f} bytes" for name in ("function", "job", "trace")}
    yield f"Sent once a worker {sent['function']}, with a job {sent['job']}, back from it {sent['trace']}."


def main() -> None:
    """Measure what was not measured yet and print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--out", type=Path, default=Path("results/scale"))
    options = parser.parse_args()
    engines = options.engines.split(",")
    options.out.mkdir(parents=True, exist_ok=True)
    with Journal(options.out / "measured.jsonl", {"empty": EMPTY, "seconds": JOB_SECONDS}) as journal:
        found = measured(journal, engines, options.out)
    for line in (*tables(found, engines), *arithmetic(found, engines)):
        print(line)


if __name__ == "__main__":
    main()
