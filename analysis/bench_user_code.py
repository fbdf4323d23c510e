"""What a user's strategy costs beside the same class of ours: seconds of a comparison, and milliseconds of an ask.

.venv/bin/python analysis/bench_user_code.py [--workers 1,2] [--repeats 3]

The class is ours in one measurement and a file's, an entry point's and an object in others, each in a fresh process and
by turns. Four runs of 100 cells of ``bo``, and of strategies whose ask takes .1 ms and 10 ms of processor time; of the
last two an ask is told, the difference of a long and a short comparison, so that what every process begins with is left
out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
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
COMPARE = """
import json, sys, time
import surrogate_nas as sn
from importlib import import_module

def main(how, name, workers, budget):
    found = {"ours": f"surrogate_nas.strategies.timed:{name}", "object": f"users:{name}"}.get(how)
    strategy = {"file": f"users.py:{name}", "entry point": name.lower()}.get(how)
    if found:
        module, _, attribute = found.partition(":")
        strategy = getattr(import_module(module), attribute)
    began = time.perf_counter()
    made = sn.compare(sys.argv[5], [strategy], runs=4, budget=int(budget), workers=int(workers))
    assert not made.failures, made.failures
    print(json.dumps(time.perf_counter() - began))

if __name__ == "__main__":
    main(*sys.argv[1:5])
"""
HOW = ("ours", "file", "entry point", "object")
LENGTHS = {"Bo": (100,), "Quick": (100, 600), "Slow": (20, 70)}
"""Cells of a run; of two lengths the difference is taken."""
RUNS = 4


def prepared(folder: Path) -> dict[str, str]:
    """A folder with the class as a file, as an installed package and as a module of ours; its environment."""
    (folder / "users.py").write_text(CLASSES)
    (folder / "timed.py").write_text(CLASSES)
    (folder / "sitecustomize.py").write_text(OURS.format(file=str(folder / "timed.py")))
    (folder / "compare.py").write_text(COMPARE)
    metadata = folder / "users-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: users\nVersion: 1.0\n")
    points = "".join(f"{name.lower()} = users:{name}\n" for name in LENGTHS)
    (metadata / "entry_points.txt").write_text(f"[surrogate_nas.strategies]\n{points}")
    return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def seconds(folder: Path, environment: dict[str, str], *words: object) -> float:
    """How long a comparison takes, its process's start left out."""
    command = [sys.executable, "compare.py", *map(str, words)]
    made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if made.returncode:
        raise SystemExit(made.stderr)
    return float(json.loads(made.stdout.splitlines()[-1]))


def main() -> None:
    """Measure, and print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default="1,2", help="with commas between")
    parser.add_argument("--classes", default=",".join(LENGTHS), help="with commas between")
    parser.add_argument("--repeats", type=int, default=3, help="by turns; the least is told: others' work only adds")
    parser.add_argument("--benchmark", default="nb201-cifar10")
    options = parser.parse_args()
    print(f"{'class':8}{'workers':>8}{'ours':>12}" + "".join(f"{how:>14}" for how in HOW[1:]))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        environment = prepared(folder)
        for name in options.classes.split(","):
            lengths = LENGTHS[name]
            for workers in options.workers.split(","):
                taken: dict[str, list[float]] = {how: [] for how in HOW}
                for _ in range(options.repeats):
                    for how in HOW:
                        words = (how, name, workers)
                        whole = [seconds(folder, environment, *words, n, options.benchmark) for n in lengths]
                        taken[how].append(whole[-1] - (whole[0] if len(whole) > 1 else 0.0))
                least = {how: min(found) for how, found in taken.items()}
                asks = RUNS * (lengths[-1] - lengths[0])
                ours = f"{1e3 * least['ours'] / asks:.3f} ms" if asks else f"{least['ours']:.2f} s"
                ratios = "".join(f"{least[how] / least['ours']:>13.2f}x" for how in HOW[1:])
                print(f"{name:8}{workers:>8}{ours:>12}{ratios}", flush=True)


if __name__ == "__main__":
    main()
