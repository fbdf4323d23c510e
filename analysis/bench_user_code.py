"""What a user's strategy costs beside the same class of ours: seconds of a comparison, and
milliseconds of an ask.

.venv/bin/python analysis/bench_user_code.py [--workers 1,2] [--repeats 3]

The class is ours in one measurement and a file's, an entry point's and an object in others, each in
a fresh process and by turns. ``Bo`` is the processor time of a comparison of four runs of 100
cells, that of every process that it starts with it; of strategies whose ask takes .1 ms and 10 ms
of processor time an ask and what is told after it are timed, the least of many batches, in as many
processes at once as there are workers. The least of all repeats is told: others' work on the
machine only adds.
"""

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLASSES = """
import time
import surrogate_nas as sn
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation

class Bo(BayesianOptimisation):
    pass

class Busy(sn.Strategy):
    seconds = 0.0
    def ask(self, n):
        until = time.process_time() + self.seconds
        while time.process_time() < until:
            pass
        return [self.space.sample(self.rng)]

class Quick(Busy):
    seconds = 1e-4

class Slow(Busy):
    seconds = 1e-2
"""
OURS = """
import sys
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "surrogate_nas.strategies.timed":
            return spec_from_file_location(name, {file!r})

sys.meta_path.append(Finder)
"""
MEASURE = """
import json, sys, time
import surrogate_nas as sn
from importlib import import_module
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies import strategy_entry
from surrogate_nas.runs.sandbox import sandboxed

def main(how, name, workers, benchmark):
    found = {"ours": f"surrogate_nas.strategies.timed:{name}", "object": f"users:{name}"}.get(how)
    strategy = {"file": f"users.py:{name}", "entry point": f"users_{name.lower()}"}.get(how)
    if found:
        module, _, attribute = found.partition(":")
        strategy = getattr(import_module(module), attribute)
    if name != "Bo":
        return asked(strategy, sn.load(benchmark).space, 10 if name == "Slow" else 50)
    if how == "start":
        return sn.load(benchmark).name
    made = sn.compare(benchmark, [strategy], runs=4, budget=100, workers=int(workers))
    assert not made.failures, made.failures

def asked(strategy, space, batch):
    taken = []
    with sandboxed(strategy_entry(strategy), space, seed=0, limit=600) as made:
        for _ in range(40):
            began = time.perf_counter()
            for index in range(batch):
                (cell,) = made.ask(1)
                made.tell([Trial(index, cell, 0.5, 0.5, 0.0, True, 12, 100.0, {"valid_error[12]": 0.5})])
            taken.append((time.perf_counter() - began) / batch)
    return min(taken)

if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
"""  # noqa: E501
HOW = ("ours", "file", "entry point", "object")
TIMED = ("Bo", "Quick", "Slow")
_SUBREAPER = 36


def prepared(folder: Path) -> dict[str, str]:
    """A folder with the class as a file, as an installed package and as a module of ours; its
    environment.
    """
    (folder / "users.py").write_text(CLASSES)
    (folder / "timed.py").write_text(CLASSES)
    (folder / "sitecustomize.py").write_text(OURS.format(file=str(folder / "timed.py")))
    (folder / "measure.py").write_text(MEASURE)
    metadata = folder / "users-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: users\nVersion: 1.0\n")
    points = "".join(f"users_{name.lower()} = users:{name}\n" for name in TIMED)
    (metadata / "entry_points.txt").write_text(f"[surrogate_nas.strategies]\n{points}")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
    }


def processor_seconds(folder: Path, environment: dict[str, str], *what: str) -> float:
    """Of a process and of all that it starts, whoever waits for them: what nobody waits for becomes
    a child of ours.
    """
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "measure.py", *what],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def seconds(
    folder: Path,
    environment: dict[str, str],
    how: str,
    name: str,
    workers: str,
    benchmark: str,
) -> float:
    """Of a comparison, its process's start left out, or of an ask in each of so many processes at
    once.
    """
    if name == "Bo":
        start = processor_seconds(folder, environment, "start", name, workers, benchmark)
        return processor_seconds(folder, environment, how, name, workers, benchmark) - start
    command = [sys.executable, "measure.py", how, name, workers, benchmark]
    processes = [
        subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(int(workers))
    ]
    return max(
        float(json.loads(process.communicate()[0].splitlines()[-1])) for process in processes
    )


def main() -> None:
    """Measure, and print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default="1,2", help="with commas between")
    parser.add_argument("--classes", default=",".join(TIMED), help="with commas between")
    parser.add_argument("--repeats", type=int, default=3, help="by turns")
    parser.add_argument("--benchmark", default="nb201-cifar10")
    options = parser.parse_args()
    print(f"{'class':8}{'workers':>8}{'ours':>12}" + "".join(f"{how:>14}" for how in HOW[1:]))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        environment = prepared(folder)
        for name in options.classes.split(","):
            for workers in options.workers.split(","):
                least = dict.fromkeys(HOW, float("inf"))
                for _ in range(options.repeats):
                    for how in HOW:
                        taken = seconds(folder, environment, how, name, workers, options.benchmark)
                        least[how] = min(least[how], taken)
                ours = f"{least['ours']:.2f} s" if name == "Bo" else f"{1e3 * least['ours']:.3f} ms"
                ratios = "".join(f"{least[how] / least['ours']:>13.2f}x" for how in HOW[1:])
                print(f"{name:8}{workers:>8}{ours:>12}{ratios}", flush=True)


if __name__ == "__main__":
    main()
