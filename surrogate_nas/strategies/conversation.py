"""The conversation between a run and a program, a person or an agent that decides on its cells.

``external`` and ``snas play`` share it. A message is a JSON object with one operation, and may add
``usage``, what thinking of it cost:

    {"describe": true}                        the space, the problem, what is left of the budget
    {"sample": 3}                             random cells
    {"neighbours": "|none~0|+…"}              the cells that are one step away
    {"query": ["|none~0|+…", …]}              what is known for free: λR, feasibility, sizes
    {"history": true}                         all trials of the run, or the last so many
    {"evaluate": ["|none~0|+…", …],           charged; a cell's text,
     "usage": {"tokens": 1200}}               or {"cell": …, "epochs": 12}
    {"finish": true}                          the run ends here

Everything but ``evaluate`` is free. A message that is wrong gets ``{"error": "one line"}`` and
changes nothing.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from surrogate_nas.core import UserError, unknown
from surrogate_nas.space import Cell, ChoiceSpace, Request, Trial
from surrogate_nas.strategies.base import Strategy

OPERATIONS = {
    "describe": "true: this description",
    "sample": "a number: so many random cells",
    "neighbours": "a cell: the cells that are one step away",
    "query": "cells: what is known of them for free",
    "history": "true, or a number for the last so many trials",
    "evaluate": "cells, each a text, or an object with cell and epochs; charged",
    "finish": "true: the run ends",
}
MOST_CELLS = 1000
"""Cells of one question or answer."""
_EXAMPLES = 3
_SEEDS = 2**31

Cost = Annotated[float, Meta(ge=0, le=1e15)]


class Usage(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """What thinking of an answer cost; money in any currency."""

    tokens: Cost = 0.0
    requests: Cost = 0.0
    money: Cost = 0.0


class Entry(Struct, forbid_unknown_fields=True):
    """A cell to evaluate, and after how many epochs."""

    cell: str
    epochs: int | None = None
    read: list[str] = []


class Message(Struct, forbid_unknown_fields=True):
    """A message; the operations exclude each other."""

    describe: bool = True
    sample: Annotated[int, Meta(ge=1, le=MOST_CELLS)] = 1
    neighbours: str = ""
    query: Annotated[list[str], Meta(min_length=1, max_length=MOST_CELLS)] = []
    history: bool | Annotated[int, Meta(ge=1)] = True
    evaluate: Annotated[list[str | Entry], Meta(min_length=1)] = []
    finish: bool = True
    usage: Usage = Usage()


class Talker(Strategy):
    """A strategy that speaks for somebody outside; a subclass passes the messages.

    Attributes:
        trials: The trials of the run so far, in the order of evaluation.
        history: Whether trials are shown.
    """

    many_objectives: ClassVar[bool] = True
    chooses_epochs: ClassVar[bool] = True
    uses_free: ClassVar[bool] = True
    from_outside: ClassVar[bool] = True

    history: bool = True
    _sampling: np.random.Generator | None = None
    _tokens = 0.0

    def _begin(self) -> None:
        self.trials = list[Trial]()
        self._root = int(self.rng.integers(_SEEDS))
        self._usage = dict[str, float]()

    @abstractmethod
    def opening(self, n: int) -> Mapping[str, Any] | None:
        """The first line of a question for cells; None for no line."""

    @abstractmethod
    def exchange(self, reply: Mapping[str, Any] | None) -> object:
        """Send a line and return the next message."""

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Answer messages until one decides; no cell where it ends the run.

        Raises:
            UserError: The other side is gone.
        """
        said = list[object]()
        self._usage = {}
        reply = self.opening(n)
        while True:
            message = self.exchange(reply)
            try:
                answer = self.answer(message, n)
            except UserError as error:
                reply = {"error": str(error)}
                continue
            said.append(message)
            if isinstance(answer, list):
                self.remarks = {
                    "said": said,
                    **({"usage": self._usage} if self._usage else {}),
                }
                return answer
            reply = answer

    def tell(self, trials: Sequence[Trial]) -> None:
        """Store trials, to show them."""
        self.trials += trials
        self._sampling = None

    def seed(self) -> int:
        """A seed for the other side; a run that resumes gives another one."""
        return int(
            np.random.default_rng([self._root, len(self.trials), 1]).integers(_SEEDS)
        )

    def _sample(self, n: int) -> list[str]:
        """The texts of random cells; a run that resumes does not repeat them."""
        if self._sampling is None:
            self._sampling = np.random.default_rng([self._root, len(self.trials)])
        return [self.space.sample(self._sampling).text for _ in range(n)]

    def answer(
        self, message: object, most: int
    ) -> dict[str, Any] | list[Cell | Request]:
        """Answer a message.

        Args:
            message: The decoded JSON.
            most: The most cells that it may have evaluated.

        Returns:
            The reply; or the cells to evaluate, none to end the run.

        Raises:
            UserError: The message is wrong; one line says why.
        """
        name, said = _checked(message)
        for unit, number in to_builtins(said.usage).items():
            self._usage[unit] = self._usage.get(unit, 0.0) + number
        self._tokens += said.usage.tokens
        match name:
            case "describe":
                return self.description()
            case "sample":
                return {"cells": self._sample(said.sample)}
            case "neighbours":
                near = self.space.neighbours(self.space.cell(said.neighbours))
                return {"cells": [cell.text for cell in near[:MOST_CELLS]]}
            case "query":
                return {
                    "cells": self._free([self.space.cell(text) for text in said.query])
                }
            case "history":
                if not self.history:
                    raise UserError(
                        "This run is made without history: trials are not shown."
                    )
                last = 0 if isinstance(said.history, bool) else said.history
                return {
                    "trials": list(map(written, self.trials[-last:])),
                    "left": self.left(),
                }
            case "evaluate":
                if len(said.evaluate) > most:
                    raise UserError(
                        f"evaluate takes at most {most} cells here, not {len(said.evaluate):,}."
                    )
                return [self._asked(entry) for entry in said.evaluate]
        return []

    def _asked(self, entry: str | Entry) -> Cell | Request:
        if isinstance(entry, str):
            entry = Entry(entry)
        cell = self.space.cell(entry.cell)
        if entry.epochs is None and not entry.read:
            return cell
        epochs = max(self.epochs, default=0) if entry.epochs is None else entry.epochs
        if epochs not in self.epochs:
            choices = ", ".join(map(str, self.epochs)) or "nothing"
            raise UserError(f"epochs is one of {choices} here, not {epochs}.")
        readable = self.readable.get(epochs, ())
        if not {*entry.read} <= {*readable}:
            raise UserError(
                f"read is a list of {', '.join(readable) or 'nothing'} here."
            )
        return Request(cell, epochs, tuple(entry.read))

    def _free(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        free = self.free
        if free is None:
            raise UserError("What is known for free is withheld from this run.")
        metrics = {name: free.metric(name, cells) for name in free.names}
        rows = zip(
            cells,
            free.penalty(cells),
            free.feasible(cells),
            *metrics.values(),
            strict=True,
        )
        return [
            {
                "cell": cell.text,
                "penalty": float(penalty),
                "feasible": bool(feasible),
                "metrics": dict(zip(metrics, map(float, values), strict=True)),
            }
            for cell, penalty, feasible, *values in rows
        ]

    def left(self) -> dict[str, float]:
        """What is left of the budget, by unit, without units that have no limit."""
        budget = (self.problem or {}).get("budget", {})
        own = [trial for trial in self.trials if trial.index >= 0]
        spent = {
            "cells": len(own),
            "seconds": sum(trial.cost for trial in own),
            "tokens": self._tokens,
        }
        return {
            unit: max(limit - spent[unit], 0)
            for unit, limit in budget.items()
            if limit is not None
        }

    def best(self) -> dict[str, Any] | None:
        """The best trial after the objective's own epochs; None before there is one."""
        own_epochs = self.epochs[-1] if self.epochs else None
        whole = (
            trial
            for trial in self.trials
            if trial.index >= 0 and not trial.failure and trial.epochs == own_epochs
        )
        best = min(whole, key=lambda trial: trial.score, default=None)
        return None if best is None else written(best)

    def description(self) -> dict[str, Any]:
        """What there is to know before the first question.

        ``size`` is null where cells cannot be counted, ``positions`` where cells are not choices.
        """
        space = self.space
        problem = {
            name: told
            for name, told in (self.problem or {}).items()
            if name != "budget"
        }
        described = {
            "name": space.name,
            "size": int(space.size) if math.isfinite(space.size) else None,
            "positions": dict(zip(space.positions, space.texts, strict=True))
            if isinstance(space, ChoiceSpace)
            else None,
            "examples": self._sample(_EXAMPLES),
        }
        free = self.free
        return {
            "protocol": 2,
            "space": described,
            "objectives": self.objectives,
            "problem": problem,
            "free": None
            if free is None
            else {
                "terms": list(free.terms),
                "missing": list(free.missing),
                "metrics": list(free.names),
            },
            "epochs": {
                "own": max(self.epochs, default=None),
                "choices": list(self.epochs),
                "larger_is_better": list(self.qualities),
                "readable": {str(n): list(names) for n, names in self.readable.items()},
            },
            "operations": OPERATIONS,
            "left": self.left(),
        }


def _checked(message: object) -> tuple[str, Message]:
    if not isinstance(message, dict):
        raise UserError(
            f'A message is a JSON object such as {{"sample": 3}}, not {message!r:.80}.'
        )
    name, *others = [name for name in message if name != "usage"] or [""]
    if not name or others:
        raise UserError(f"A message has one operation of {', '.join(OPERATIONS)}.")
    if name not in OPERATIONS:
        raise unknown("operation", name, OPERATIONS)
    try:
        return name, convert(message, Message)
    except ValidationError as error:
        raise UserError(f"{name}: {error}.") from error


def written(trial: Trial) -> dict[str, Any]:
    """A trial as the other side reads it."""
    content = {
        "cell": str(trial.cell),
        "score": trial.score,
        "feasible": trial.feasible,
        "loss": None if trial.failure else trial.loss,
        "penalty": None if trial.failure else trial.penalty,
        "epochs": trial.epochs,
        "cost": trial.cost,
        "values": dict(trial.values),
    }
    content |= {"failure": trial.failure} if trial.failure else {}
    return content | ({"scores": list(trial.scores)} if trial.scores else {})
