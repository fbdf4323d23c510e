"""Results of a suite that are made by hand, and what of results is the same everywhere."""

import json
import re

import numpy as np

from surrogate_nas.results.comparison import Comparison
from surrogate_nas.results.curves import ProblemResult, Trace
from surrogate_nas.results.suite import SuiteResult
from surrogate_nas.runs.problem import Entry, Problem, Suite
from surrogate_nas.runs.scale import Reference


def made(problems, weights=None):
    """A suite's result with these regrets, per problem and strategy of shape
    ``(runs, checkpoints)``.
    """
    results = []
    for name, runs in problems.items():
        traces = {
            strategy: [
                Trace(strategy, k, row, "", len(row), len(row) - 1, 2.0, 1.0, 0.5)
                for k, row in enumerate(rows)
            ]
            for strategy, rows in runs.items()
        }
        width = len(next(iter(runs.values()))[0])
        problem = Problem("table", name=name, budget=width, n_random=0)
        reference = Reference(0.0, 10.0, np.linspace(10, 1, width), 1.0, exact=True)
        weight = (weights or {}).get(name, 0.0)
        results.append(
            ProblemResult(
                problem,
                "loss",
                "loss",
                weight,
                name,
                "f",
                "cells",
                "seconds",
                np.arange(1.0, width + 1),
                reference,
                0.3,
                traces,
            )
        )
    strategies = next(iter(problems.values()))
    entries = [Entry(name, len(rows)) for name, rows in strategies.items()]
    return SuiteResult(
        Suite("made", "Made", [r.problem for r in results], entries), results
    )


def steps(*ends):
    """Runs of four checkpoints that end at these regrets, from 5 on."""
    return np.array([[5.0, 5.0, end, end] for end in ends])


def noisy(rng, *means):
    """Ten runs of strategies a, b, c… around these regrets."""
    return {
        name: steps(*(mean + 0.02 * rng.random(10)))
        for name, mean in zip("abcd", means, strict=False)
    }


def bare(result):
    """What a result says, without the seconds that no two machines share."""
    content = json.loads(
        json.dumps(
            result.to_json() if isinstance(result, Comparison) else result.summary
        )
    )
    for strategy in content["strategies"]:
        del strategy["real_seconds"]
    return content


def balanced(text):
    """Whether every environment and every brace is closed, in order."""
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    bare = re.sub(r"\\[{}]", "", text)
    return not opened and bare.count("{") == bare.count("}")
