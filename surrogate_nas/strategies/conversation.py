"""The protocol between a run and an external optimiser: a program, a person or an agent that
proposes cells.

The strategy ``external`` and the command ``snas play`` share this protocol. A message of the
optimiser is a JSON object with one operation, and optionally ``usage``, the cost of producing the
message, such as ``{"tokens": 1200}``. The operations are:

- ``{"describe": true}`` asks for the space, the problem and the remaining budget.
- ``{"sample": 3}`` asks for three random cells.
- ``{"neighbours": "|none~0|+…"}`` asks for the cells that are one step away from a cell.
- ``{"query": ["|none~0|+…", …]}`` asks for the terms of cells that need no training: λR,
  feasibility and sizes.
- ``{"history": true}`` asks for all trials of the run. With a number instead of ``true``,
  ``history`` asks for that many of the most recent trials.
- ``{"evaluate": ["|none~0|+…", …]}`` proposes cells to evaluate. An entry of ``evaluate`` is the
  text of a cell, or an object such as ``{"cell": …, "epochs": 12}``.
- ``{"finish": true}`` ends the run.

Only the operation ``evaluate`` is charged against the budget. An invalid message is answered with
``{"error": "one line"}`` and has no effect.
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
    "sample": "a number: that many random cells",
    "neighbours": "a cell: the cells that are one step away",
    "query": "cells: their terms that are available without training",
    "history": "true for all trials, or a number for that many last ones",
    "evaluate": "cells, each a text, or an object with cell and epochs; charged",
    "finish": "true: the run ends",
}
MOST_CELLS = 1000
"""The largest number of cells in a message or an answer."""
_EXAMPLES = 3
_SEEDS = 2**31

Cost = Annotated[float, Meta(ge=0, le=1e15)]


class Usage(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """The cost of producing an answer. The amount ``money`` may be in any currency."""

    tokens: Cost = 0.0
    requests: Cost = 0.0
    money: Cost = 0.0


class Entry(Struct, forbid_unknown_fields=True):
    """A cell to evaluate, with the number of epochs and the additional metrics to read."""

    cell: str
    epochs: int | None = None
    read: list[str] = []


class Message(Struct, forbid_unknown_fields=True):
    """A message of an external optimiser, in which exactly one operation is set."""

    describe: bool = True
    sample: Annotated[int, Meta(ge=1, le=MOST_CELLS)] = 1
    neighbours: str = ""
    query: Annotated[list[str], Meta(min_length=1, max_length=MOST_CELLS)] = []
    history: bool | Annotated[int, Meta(ge=1)] = True
    evaluate: Annotated[list[str | Entry], Meta(min_length=1)] = []
    finish: bool = True
    usage: Usage = Usage()


class Talker(Strategy):
    """A strategy that relays the proposals of an external optimiser; a subclass transmits the
    messages.

    Attributes:
        trials: The trials of the run so far, in the order of evaluation.
        history: Whether the external optimiser may read trials.
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
        """Return the message that opens a request for `n` cells, or None for no message."""

    @abstractmethod
    def exchange(self, reply: Mapping[str, Any] | None) -> object:
        """Send a reply to the external optimiser and return its next message."""

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Answer messages until a message proposes cells, or ends the run by proposing none.

        Raises:
            UserError: The external optimiser has ended or closed the connection.
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
        """Store trials, which the external optimiser may read later."""
        self.trials += trials
        self._sampling = None

    def seed(self) -> int:
        """Return a seed for the external optimiser; a resumed run returns another one."""
        return int(
            np.random.default_rng([self._root, len(self.trials), 1]).integers(_SEEDS)
        )

    def _sample(self, n: int) -> list[str]:
        """Return the texts of random cells; a resumed run does not repeat them."""
        if self._sampling is None:
            self._sampling = np.random.default_rng([self._root, len(self.trials)])
        return [self.space.sample(self._sampling).text for _ in range(n)]

    def answer(
        self, message: object, most: int
    ) -> dict[str, Any] | list[Cell | Request]:
        """Answer a message.

        Args:
            message: The message, decoded from JSON.
            most: Maximum number of cells that the message may evaluate.

        Returns:
            The reply to send, or the list of cells to evaluate; an empty list ends the run.

        Raises:
            UserError: The message is invalid; the error states the reason in one line.
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
                    raise UserError("This run has no history: trials are not shown.")
                last = 0 if isinstance(said.history, bool) else said.history
                return {
                    "trials": list(map(written, self.trials[-last:])),
                    "left": self.left(),
                }
            case "evaluate":
                if len(said.evaluate) > most:
                    raise UserError(
                        f"evaluate accepts at most {most} cells here, not {len(said.evaluate):,}."
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
            raise UserError(f"epochs must be one of {choices} here, not {epochs}.")
        readable = self.readable.get(epochs, ())
        if not {*entry.read} <= {*readable}:
            raise UserError(
                f"read must be a list with elements of: {', '.join(readable) or 'nothing'}."
            )
        return Request(cell, epochs, tuple(entry.read))

    def _free(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        free = self.free
        if free is None:
            raise UserError(
                "Terms that are available without training are withheld from this run."
            )
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
        """The remaining budget by unit; units without a limit are omitted."""
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
        """The best trial with the objective's own number of epochs; None if there is no such trial
        yet.
        """
        own_epochs = self.epochs[-1] if self.epochs else None
        whole = (
            trial
            for trial in self.trials
            if trial.index >= 0 and not trial.failure and trial.epochs == own_epochs
        )
        best = min(whole, key=lambda trial: trial.score, default=None)
        return None if best is None else written(best)

    def description(self) -> dict[str, Any]:
        """Return the description of the problem that an external optimiser receives first.

        In the description, ``size`` is null if the cells of the space cannot be counted, and
        ``positions`` is null if the space is not a `ChoiceSpace`.
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
            f'A message must be a JSON object such as {{"sample": 3}}, not {message!r:.80}.'
        )
    name, *others = [name for name in message if name != "usage"] or [""]
    if not name or others:
        raise UserError(
            f"A message must have one operation of {', '.join(OPERATIONS)}."
        )
    if name not in OPERATIONS:
        raise unknown("operation", name, OPERATIONS)
    try:
        return name, convert(message, Message)
    except ValidationError as error:
        raise UserError(f"{name}: {error}.") from error


def written(trial: Trial) -> dict[str, Any]:
    """Return a trial as a JSON object, in the form that the external optimiser reads."""
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
