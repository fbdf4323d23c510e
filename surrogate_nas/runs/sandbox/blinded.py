"""A strategy that sees disguised cells and metrics; nothing else about its run differs.

It gets a `BlindSpace` and metrics called ``m1``, ``m2``, …; the names are drawn anew for every run,
from its seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from surrogate_nas.runs.sandbox.interface import Sandboxed, Wrapped
from surrogate_nas.space import Cell
from surrogate_nas.space.blind import BlindSpace
from surrogate_nas.space.trial import Request, Trial

_EPOCHS = re.compile(r"^(.*?)(\[[^\]]*\])?$")


class _Names:
    """Metrics under names in the order in which they are first met."""

    def __init__(self) -> None:
        self._hidden: dict[str, str] = {}

    def hide(self, name: str) -> str:
        """``valid_error[12]`` as ``m1[12]``."""
        matched = _EPOCHS.match(name)
        plain, epochs = (matched.group(1), matched.group(2) or "") if matched else (name, "")
        return self._hidden.setdefault(plain, f"m{len(self._hidden) + 1}") + epochs

    def reveal(self, name: str) -> str:
        """The metric of a disguised name; an unknown name is returned unchanged, to be refused
        later.
        """
        return next((plain for plain, hidden in self._hidden.items() if hidden == name), name)


class BlindKnown:
    """What is known of cells for free, asked with disguised cells and names.

    Attributes:
        terms: How many terms are known, under names of their own.
        missing: Those that only an evaluation tells, likewise.
        names: What `metric` can be asked for.
        proxies: Those of them of which larger promises more.
        whole: For each objective, whether what is known is all of it.
    """

    def __init__(self, known: Any, space: BlindSpace, names: _Names) -> None:
        """Wrap the free terms of the undisguised cells.

        Args:
            known: What answers for the cells behind (`surrogate_nas.objective.FreeTerms`).
            space: The disguise.
            names: Of the metrics.
        """
        self._known = known
        self._space = space
        self._names = names
        self.terms = tuple(f"r{place + 1}" for place, _ in enumerate(known.terms))
        self.missing = tuple(f"u{place + 1}" for place, _ in enumerate(known.missing))
        self.names = tuple(map(names.hide, known.names))
        self.proxies = tuple(map(names.hide, known.proxies))
        self.whole = known.whole

    def _cells(self, cells: Sequence[Cell]) -> list[Cell]:
        return [self._space.reveal(self._space.cell(cell)) for cell in cells]

    def metric(self, name: str, cells: Sequence[Cell]) -> Any:
        """A free metric of cells, shape ``(n,)``."""
        return self._known.metric(self._names.reveal(name), self._cells(cells))

    def penalty(self, cells: Sequence[Cell]) -> Any:
        """The known λR of cells, shape ``(n,)``."""
        return self._known.penalty(self._cells(cells))

    def vector(self, cells: Sequence[Cell]) -> Any:
        """The known λR of each objective, shape ``(n, objectives)``."""
        return self._known.vector(self._cells(cells))

    def violation(self, cells: Sequence[Cell]) -> Any:
        """By how much cells break the known limits, shape ``(n,)``."""
        return self._known.violation(self._cells(cells))

    def feasible(self, cells: Sequence[Cell]) -> Any:
        """Whether cells keep all known limits, shape ``(n,)``."""
        return self._known.feasible(self._cells(cells))


class Blinded(Wrapped):
    """A strategy as a run sees it, which itself sees a disguise."""

    def __init__(self, inside: Sandboxed, space: BlindSpace) -> None:
        """Wrap it around the strategy, which was made for the disguised space."""
        super().__init__(inside)
        self._space = space
        self._names = _Names()

    def _set(self, settings: Mapping[str, Any]) -> None:
        given = dict(settings)
        if given.get("known") is not None:
            given["known"] = BlindKnown(given["known"], self._space, self._names)
        readable = {}
        for epochs, names in (given.get("readable") or {}).items():
            readable[epochs] = [self._names.hide(name) for name in names]
        if readable:
            given["readable"] = readable
            given["qualities"] = [self._names.hide(name) for name in given.get("qualities", ())]
        if problem := given.get("problem"):
            given["problem"] = {**problem, **self._named(problem)}
        self._inside.give(given)

    def _named(self, problem: Mapping[str, Any]) -> dict[str, Any]:
        """The parts of a problem that name metrics, under the disguised names."""
        return {
            part: [{**one, "name": self._names.hide(one["name"]), "unit": ""} for one in listed]
            for part in ("terms", "limits")
            if (listed := problem[part])
        }

    def ask(self, n: int) -> list[Cell | Request]:
        """The proposed cells, revealed."""
        return [self._revealed(one) for one in self._inside.ask(n)]

    def _revealed(self, one: Cell | Request) -> Cell | Request:
        if isinstance(one, Request):
            read = tuple(map(self._names.reveal, one.read))
            return Request(self._space.reveal(one.cell), one.epochs, read)
        return self._space.reveal(one)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell it trials of disguised cells."""
        disguised = []
        for trial in trials:
            cell = self._space.hide(trial.cell)
            values = {self._names.hide(name): value for name, value in trial.values.items()}
            disguised.append(replace(trial, cell=cell, values=values))
        self._inside.tell(disguised)
