"""What an engine costs a job, how many workers it feeds, and what that says of 100 nodes.

python analysis/scale.py                       # everything; interrupted, it goes on
python analysis/scale.py --engines dask,ray    # only these

Empty jobs tell the overhead: seconds from the first outcome to the last, by job. Jobs that wait a quarter of a second
tell the efficiency: their seconds over workers × elapsed seconds. They wait and do not compute, so that more workers
than cores tell what the engine costs and not what the machine lacks. Stores are timed in processor seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

import surrogate_nas as sn
from surrogate_nas.benchmarks.kept import Kept, Trained
from surrogate_nas.benchmarks.making.plan import Plan
from surrogate_nas.benchmarks.making.train import train_job
from surrogate_nas.files import Journal, shipped
from surrogate_nas.runtime.engines import run_jobs
from surrogate_nas.strategies import STRATEGIES
from surrogate_nas.study.calls import compared, read_comparison
from surrogate_nas.study.options import Budget
from surrogate_nas.study.problem import bind, read_suite
from surrogate_nas.study.runner import Experiment
from surrogate_nas.study.suite import SuiteResult
from surrogate_nas.study.traces import ProblemResult

ENGINES = ("processes", "dask", "ray", "slurm:cluster=local")
WORKERS = (1, 2, 4, 8)
EMPTY, JOB_SECONDS, JOBS_A_WORKER = 1000, 0.25, 12
STORES = (100, 1_000, 10_000)
CELLS, STORED_CELLS = 100, 25
ANSWERS = 500
SUITE = (50, 20, 100)
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


def constants(folder: Path) -> dict[str, float]:
    """Bytes that travel with a job and back, bytes of what is kept, and processor seconds of runs and of a verdict."""
    bench = sn.load("fashion")
    objective = sn.Objective("valid_error + 0.1*params", bench)
    found: dict[str, float] = {}
    for strategy in ("random", "evolution", "bo"):
        experiment = Experiment(objective, [strategy], 1, Budget(CELLS))
        experiment.execute()
        began = time.process_time()
        (run,) = experiment.execute()
        found[f"run of {strategy}"] = time.process_time() - began
    found["training"] = json.loads(shipped("fashion.json").read_bytes())["processor_seconds_a_training"]
    found["function"] = len(cloudpickle.dumps(experiment))
    found["job"] = len(cloudpickle.dumps(("plain", read_suite("starter").entrants[0], 0)))
    found["trace"] = len(pickle.dumps(compared(experiment, [run]).trace(run, Budget(CELLS))))
    plan = Plan("fashion", 5, 1, 0)
    entry = train_job(plan, plan.jobs()[0])
    with Journal(folder / "entry.jsonl", {}) as journal:
        journal.append(entry)
    found["training kept"] = (folder / "entry.jsonl").stat().st_size
    return found | answers(folder / "kept.jsonl", [name for name in entry if name != "job"]) | verdict()


def answers(path: Path, metrics: list[str]) -> dict[str, float]:
    """Bytes of an answer of live training, and seconds (with the disk's) to add one, to read one, and its memory."""
    cells = [cell.text for cell in islice(sn.load("fashion").space, ANSWERS)]
    path.unlink(missing_ok=True)
    kept = Kept(path)
    began = time.perf_counter()
    for cell in cells:
        kept.add((cell, 5, 0), Trained(dict.fromkeys(metrics, 0.123456789), 1.0), {})
    added = (time.perf_counter() - began) / ANSWERS
    tracemalloc.start()
    fresh = Kept(path)
    fresh.find(("", 0, 0))
    memory = tracemalloc.get_traced_memory()[0] / ANSWERS
    tracemalloc.stop()
    began = time.process_time()
    Kept(path).find(("", 0, 0))
    read = (time.process_time() - began) / ANSWERS
    size = path.stat().st_size / ANSWERS
    return {"answer kept": size, "answer added": added, "answer read": read, "answer memory": memory}


def verdict() -> dict[str, float]:
    """Processor seconds to judge a suite of `SUITE`, with curves that are drawn."""
    problems, strategies, runs = SUITE
    base = read_suite("starter")
    first, rng = base.problems[0], np.random.default_rng(0)
    entrants = [replace(base.entrants[0], strategy=name, runs=runs) for name in list(STRATEGIES)[:strategies]]
    objective = bind(sn.load(first.benchmark), first.objective, first.subject_to)
    experiment = Experiment(objective, [one.strategy for one in entrants], runs, first.budget)
    (run,) = Experiment(objective, ["random"], 1, first.budget).execute()
    trace = compared(experiment, [run]).trace(run, first.budget)
    began, results = time.process_time(), []
    for number in range(problems):
        problem = replace(first, name=f"p{number}")
        scores = trace.score + np.abs(rng.normal(0, 0.01, (strategies, runs, len(trace.score)))).cumsum(-1)[..., ::-1]
        drawn = [
            replace(trace, strategy=entrant.label, run=run, score=scores[place, run])
            for place, entrant in enumerate(entrants)
            for run in range(runs)
        ]
        results.append(ProblemResult.of(problem, objective, experiment.labels, drawn))
    suite = replace(base, problems=[one.problem for one in results], entrants=entrants)
    assert SuiteResult(suite, results, []).summary
    return {"verdict": time.process_time() - began}


def measured(journal: Journal, engines: list[str], folder: Path) -> dict[str, Any]:
    """What the journal holds and what it lacks, measured now."""
    found = dict(map(tuple, journal.entries))

    def add(name: str, work: Callable[[], Any]) -> None:
        if name not in found:
            found[name] = work()
            journal.append([name, found[name]])
            print(name, found[name], flush=True)

    add("constants", lambda: constants(folder))
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
    size, store = found["constants"], found[f"store {STORES[-2]}"]
    workers, training = NODES * CORES, size["training"]
    costs = {engine: found[f"{engine} {WORKERS[-1]} empty"]["rest"] / (EMPTY - 1) for engine in engines}
    yield f"\n100 nodes of {CORES} cores are {workers:,} workers. One command feeds them if a job takes at least"
    for engine, cost in costs.items():
        yield f"- {workers * cost:.1f} s on `{engine}` ({1 / cost:,.0f} jobs a second)"
    slowest = max(costs.values())
    longer = CELLS / STORED_CELLS / STORES[-2]
    usual = (size["run of random"] + size["run of evolution"] + size["run of bo"]) / 3
    runs = SUITE[0] * SUITE[1] * SUITE[2]
    trained = 10**6
    works = {
        "table of 15,625 cells": (15_625 / 2, 15_625 * training, 15_625 * size["training kept"], 0.0),
        f"suite of {SUITE[0]} problems × {SUITE[1]} strategies × {SUITE[2]} seeds": (
            runs, runs * usual, runs * store["bytes"] * longer, size["verdict"]
        ),
        "live search of 10⁶ cells, 10⁴ runs of 100": (
            10**4, trained * training, trained * size["answer kept"] + 10**4 * store["bytes"] * longer,
            10**4 * store["read"] * longer,
        ),
    }  # fmt: skip
    heads = ("work", "jobs", "core hours", "workers, min", "handing out, min", "the end, s", "kept, MB")
    yield f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|"
    for name, (jobs, seconds, kept, end) in works.items():
        yield (
            f"| {name} | {jobs:,.0f} | {seconds / 3600:,.1f} | {seconds / workers / 60:,.1f} | "
            f"{jobs * slowest / 60:,.1f} | {end:,.0f} | {kept / 1e6:,.0f} |"
        )
    sent = {name: f"{size[name]:,.0f} bytes" for name in ("function", "job", "trace")}
    yield f"\nSent once a worker {sent['function']}, with a job {sent['job']}, back from it {sent['trace']}."
    yield (
        f"Answers of live training are added under one lock in {1e3 * size['answer added']:.1f} ms, which feeds "
        f"{training / size['answer added']:,.0f} workers; 10⁶ of them take {1e6 * size['answer read']:,.0f} s and "
        f"{size['answer memory'] / 1e3:,.1f} GB of every process that reads them."
    )


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
