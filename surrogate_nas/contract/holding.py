"""What an object holds: everything that can be reached from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType, MethodType, ModuleType

import numpy as np

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.objective import Objective
from surrogate_nas.space import Space
from surrogate_nas.study.ledger import Ledger
from surrogate_nas.tables import TableFile

FORBIDDEN = (Benchmark, Objective, Ledger, TableFile)
"""What a strategy may not hold: whatever knows an answer."""


def reachable(*roots: object) -> Iterator[object]:
    """Everything that can be reached from some objects through attributes, containers and closures.

    Spaces, modules, classes and the globals of functions are not entered.

    Args:
        roots: Where to start.
    """
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        this = waiting.pop()
        if id(this) in seen or isinstance(this, (type, ModuleType, str, bytes, int, float, np.ndarray)):
            continue
        seen[id(this)] = this
        yield this
        if isinstance(this, Space):
            continue
        if isinstance(this, Mapping):
            waiting += [*this.keys(), *this.values()]
        elif isinstance(this, (list, tuple, set, frozenset)) or type(this).__name__ == "deque":
            waiting += list(this)  # type: ignore[call-overload]
        elif isinstance(this, FunctionType):
            waiting += [cell.cell_contents for cell in this.__closure__ or ()]
            waiting += [*(this.__defaults__ or ()), *(this.__kwdefaults__ or {}).values()]
        elif isinstance(this, MethodType):
            waiting += [this.__self__, this.__func__]
        else:
            waiting += _attributes(this)


def _attributes(owner: object) -> list[object]:
    slots = [name for kind in type(owner).__mro__ for name in np.atleast_1d(getattr(kind, "__slots__", ()))]
    held = [getattr(owner, str(name)) for name in slots if hasattr(owner, str(name))]
    return held + list(getattr(owner, "__dict__", {}).values())
