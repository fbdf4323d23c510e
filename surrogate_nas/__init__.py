"""A benchmark-driven surrogate lab for neural architecture search: every strategy, the same regularised objective.

Everything public is here and imported when first used, so that ``import surrogate_nas`` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from surrogate_nas.benchmarks import load
    from surrogate_nas.benchmarks.computed import Computed
    from surrogate_nas.comparison import compare, search
    from surrogate_nas.errors import UserError
    from surrogate_nas.objective import Objective, diversity, energy, latency, loss, macs, metric, params
    from surrogate_nas.space import Cell, ChoiceSpace, EnumerableChoiceSpace, nb201
    from surrogate_nas.strategies import Strategy
    from surrogate_nas.suite import run_suite
    from surrogate_nas.trial import Request, Trial

_ROOMS = {
    "AskTell": "experiment.asktell",
    "Cell": "space",
    "ChoiceSpace": "space",
    "Computed": "benchmarks.computed",
    "EnumerableChoiceSpace": "space",
    "Objective": "objective",
    "Request": "trial",
    "Strategy": "strategies",
    "Trial": "trial",
    "UserError": "errors",
    "compare": "comparison",
    "diversity": "objective",
    "energy": "objective",
    "latency": "objective",
    "load": "benchmarks",
    "loss": "objective",
    "macs": "objective",
    "metric": "objective",
    "nb201": "space",
    "params": "objective",
    "run_suite": "suite",
    "search": "comparison",
}

__all__ = [
    "AskTell",
    "Cell",
    "ChoiceSpace",
    "Computed",
    "EnumerableChoiceSpace",
    "Objective",
    "Request",
    "Strategy",
    "Trial",
    "UserError",
    "compare",
    "diversity",
    "energy",
    "latency",
    "load",
    "loss",
    "macs",
    "metric",
    "nb201",
    "params",
    "run_suite",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'surrogate_nas' has no attribute {name!r}")
    return getattr(importlib.import_module(f"surrogate_nas.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
