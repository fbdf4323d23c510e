"""What a program or a person outside may ask between two evaluations, and how cells are named.

The second version of the protocol of ``external`` and ``snas play`` share it. A message is a JSON
object with one operation, and may tell ``usage``, what it cost to think of it:

    {"describe": true}                        the space, the problem, what is left of the budget
    {"sample": 3}                             random cells
    {"neighbours": "|none~0|+…"}              the cells that are one step away
    {"query": ["|none~0|+…", …]}              what is known for free: λR, feasibility, sizes
    {"history": true}                         all trials of the run, or the last so many
    {"evaluate": ["|none~0|+…", …],           charged; a cell's text, or
     "usage": {"tokens": 1200}}               {"cell": …, "epochs": 12}, or {"code": "…"}
    {"finish": true}                          the run ends here

Everything but ``evaluate`` is free. What cannot be answered is ``{"error": "one line"}``, and
changes nothing.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from surrogate_nas.core.arguments import check_number, check_whole
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.space import Cell, ChoiceSpace, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.code import Builder

USAGE = ("tokens", "requests", "money")
"""What may be told as ``usage``; money in whatever currency the user counts."""
EXAMPLES = 3
_SEEDS = 2**31
_DEEPEST = 10
"""Levels of a message."""
MOST_CELLS = 1000
"""Cells of one question or answer."""
OPERATIONS = {
    "describe": "true: this description",
    "sample": "a number: so many random cells",
    "neighbours": "a cell: the cells that are one step away",
    "query": "cells: what is known of them for free",
    "history": "true, or a number for the last so many trials",
    "evaluate": "cells, each a text, or an object with cell and epochs, or with code; charged",
    "finish": "true: the run ends",
}


class Conversation:
    """A strategy's side of it.

    Attributes:
        trials: What the run has told so far, in the order of evaluation.
    """

    def __init__(
        self, strategy: Strategy, builder: Builder | None = None, *, history: bool = True
    ) -> None:
        """Speak for a strategy, which is given `known`, `epochs` and `problem` before the first
        message.

        Args:
            strategy: Its space, generator, and what it was given.
            builder: What reads code; None where cells are texts only.
            history: Whether trials are shown.
        """
        # it ends with the strategy that holds it, and lets go what that holds
        self._strategy: Strategy = weakref.proxy(strategy)
        self._builder = builder
        self._history = history
        self._said: list[Any] = []
        self._tokens = 0.0
        self._usage = dict[str, float]()
        self.trials = list[Trial]()
        self._drawing: np.random.Generator | None = None

    @property
    def space(self) -> Space:
        """Where cells come from."""
        return self._strategy.space

    @cached_property
    def _root(self) -> int:
        return int(self._strategy.rng.integers(_SEEDS))

    def seed(self) -> int:
        """A seed for whoever is told of the run now; another one when the run goes on later."""
        return int(np.random.default_rng([self._root, len(self.trials), 1]).integers(_SEEDS))

    def _draw(self, n: int) -> list[str]:
        """The texts of random cells; a run that goes on later does not draw the same ones again."""
        if self._drawing is None:
            self._drawing = np.random.default_rng([self._root, len(self.trials)])
        return [self.space.sample(self._drawing).text for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Note what was evaluated.

        Args:
            trials: New ones, in the order of evaluation.
        """
        self.trials += trials
        self._drawing = None

    def remarks(self) -> dict[str, Any]:
        """What was said and told as usage since the last call, to be stored."""
        remarks = {"said": self._said, **({"usage": self._usage} if self._usage else {})}
        self._said = []
        self._usage = {}
        return remarks

    def answer(self, message: object, most: int) -> dict[str, Any] | list[Cell | Request]:
        """Answer a message.

        Args:
            message: As JSON was read.
            most: How many cells it may have evaluated.

        Returns:
            The reply; or the cells to evaluate, none to end the run.

        Raises:
            UserError: It cannot be answered; one line says why and what would be right.
        """
        self._note(message)
        assert isinstance(message, dict)
        operations = [name for name in message if name != "usage"]
        if len(operations) != 1:
            raise UserError(
                f"A message has one operation of {', '.join(OPERATIONS)}, not {len(operations)}."
            )
        (name,) = operations
        given = message[name]
        match name:
            case "describe":
                return self.description()
            case "sample":
                return {"cells": self._draw(check_whole("sample", given, 1, MOST_CELLS))}
            case "neighbours":
                near = self.space.neighbours(self._cell(given))
                return {"cells": [cell.text for cell in near[:MOST_CELLS]]}
            case "query":
                return {"cells": self._known(self._cells(given, MOST_CELLS))}
            case "history":
                return {"trials": list(map(written, self._shown(given))), "left": self.left()}
            case "evaluate":
                return [self._asked(one) for one in _several(name, given, most)]
            case "finish":
                return []
        raise unknown("operation", str(name), OPERATIONS)

    def _note(self, message: object) -> None:
        """Note what was said, and what it cost; refuse what is no object."""
        if _is_deep(message):
            raise UserError("A message is a JSON object of few levels.")
        self._said.append(message)
        if not isinstance(message, dict):
            raise UserError(
                f'A message is a JSON object such as {{"sample": 3}}, not {message!r:.80}.'
            )
        told = message.get("usage", {})
        if not isinstance(told, dict):
            raise UserError(f'usage is an object such as {{"tokens": 1200}}, not {told!r:.80}.')
        for name, value in told.items():
            if name not in USAGE:
                raise unknown("usage", str(name), USAGE)
            number = check_number(f"usage of {name}", value)
            self._usage[name] = self._usage.get(name, 0.0) + number
            self._tokens += number if name == "tokens" else 0.0

    def _shown(self, given: object) -> Sequence[Trial]:
        if not self._history:
            raise UserError("This run is made without history: trials are not shown.")
        if given is True:
            return self.trials
        last = check_whole("history", given, 1)
        return self.trials[-last:]

    def _cell(self, given: object) -> Cell:
        if not isinstance(given, str):
            raise UserError(f"A cell is named by its text, not {given!r:.80}.")
        return self.space.cell(given)

    def _cells(self, given: object, most: int) -> list[Cell]:
        return [self._cell(one) for one in _several("query", given, most)]

    def _asked(self, given: object) -> Cell | Request:
        """What one entry of ``evaluate`` stands for."""
        if not isinstance(given, dict):
            return self._cell(given)
        if foreign := sorted({*given} - {"cell", "code", "epochs", "read"}):
            raise unknown("part of a cell", foreign[0], ("cell", "code", "epochs", "read"))
        if ("cell" in given) == ("code" in given):
            raise UserError("Name a cell by its text (cell), or write its code (code).")
        text = self._built(given["code"]) if "code" in given else given["cell"]
        cell = self._cell(text)
        if "epochs" not in given and "read" not in given:
            return cell
        return self._request(cell, given)

    def _request(self, cell: Cell, given: Mapping[str, Any]) -> Request:
        choices = self._strategy.epochs
        if not choices:
            raise UserError("Nothing of this problem has epochs; leave out epochs and read.")
        epochs = given.get("epochs", choices[-1])
        if epochs not in choices or isinstance(epochs, bool):
            raise UserError(f"epochs is one of {', '.join(map(str, choices))}, not {epochs!r:.40}.")
        read = given.get("read", [])
        readable = self._strategy.readable.get(epochs, ())
        if not isinstance(read, list) or not all(name in readable for name in read):
            raise UserError(f"read is a list of {', '.join(readable) or 'nothing'} here.")
        return Request(cell, int(epochs), tuple(read))

    def _built(self, code: object) -> str:
        if self._builder is None:
            raise UserError("Cells of this run are named by their texts, not by code.")
        return self._builder.text(code)

    def _known(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        known = self._strategy.known
        if known is None:
            raise UserError("What is known for free is withheld from this run.")
        metrics = {name: np.asarray(known.metric(name, cells)) for name in known.names}
        penalty = known.penalty(cells)
        feasible = known.feasible(cells)
        return [
            {
                "cell": cell.text,
                "penalty": float(penalty[place]),
                "feasible": bool(feasible[place]),
                "metrics": {name: float(values[place]) for name, values in metrics.items()},
            }
            for place, cell in enumerate(cells)
        ]

    def left(self) -> dict[str, float]:
        """What is left of the budget, by unit; a limit that there is none of is left out."""
        budget = (self._strategy.problem or {}).get("budget", {})
        own = [trial for trial in self.trials if trial.index >= 0]
        spent = {
            "cells": len(own),
            "seconds": sum(trial.cost_seconds for trial in own),
            "tokens": self._tokens,
        }
        return {
            unit: max(limit - spent[unit], 0) for unit, limit in budget.items() if limit is not None
        }

    def outcome(self, since: int) -> dict[str, Any]:
        """What came of an evaluation: the trials from a place on, the best so far, what is left."""
        told = list(map(written, self.trials[since:]))
        return {"trials": told, "best": self.best(), "left": self.left()}

    def best(self) -> dict[str, Any] | None:
        """The best trial after the objective's own epochs; None before there is one."""
        whole = [
            trial
            for trial in self.trials
            if trial.index >= 0 and not trial.failure and trial.epochs == self._own_epochs
        ]
        best = min(whole, key=lambda trial: trial.score, default=None)
        return None if best is None else written(best)

    @property
    def _own_epochs(self) -> int | None:
        return self._strategy.epochs[-1] if self._strategy.epochs else None

    def description(self) -> dict[str, Any]:
        """What there is to know before the first question."""
        strategy = self._strategy
        known = strategy.known
        problem = dict(strategy.problem or {})
        problem.pop("budget", None)
        if problem:
            problem = {
                "words": in_words(problem),
                "expression": expression_of(problem),
                "direction": "minimise",
                **problem,
            }
        return {
            "protocol": 2,
            "space": space_described(self.space, self._draw(EXAMPLES)) | self._code_described(),
            "objectives": strategy.objectives,
            "problem": problem,
            "free": None
            if known is None
            else {
                "terms": list(known.terms),
                "missing": list(known.missing),
                "metrics": list(known.names),
            },
            "epochs": {
                "own": self._own_epochs,
                "choices": list(strategy.epochs),
                "larger_is_better": list(strategy.qualities),
                "readable": {str(n): list(names) for n, names in strategy.readable.items()},
            },
            "operations": OPERATIONS,
            "left": self.left(),
        }

    def _code_described(self) -> dict[str, Any]:
        return {} if self._builder is None else {"code": f"read by {self._builder.place}"}


def _is_deep(message: object) -> bool:
    """Whether lists and objects stand in each other so often that they could not be stored."""
    level = [message]
    for _ in range(_DEEPEST):
        inside: list[object] = []
        for one in level:
            if isinstance(one, dict | list):
                inside.extend(one.values() if isinstance(one, dict) else one)
        level = inside
    return bool(level)


def _several(name: str, given: object, most: int) -> list[Any]:
    """The entries of a list of 1 to `most`."""
    if not isinstance(given, list) or not given:
        raise UserError(f"{name} takes a list of cells, not {given!r:.80}.")
    if len(given) > most:
        raise UserError(f"{name} takes at most {most} cells here, not {len(given):,}.")
    return given


def space_described(space: Space, examples: Sequence[str]) -> dict[str, Any]:
    """A space as a program is told it: ``size`` is null where cells cannot be counted, and
    ``positions`` where they are no choices.
    """
    choices = (
        dict(zip(space.positions, space.options, strict=True))
        if isinstance(space, ChoiceSpace)
        else None
    )
    size = int(space.size) if math.isfinite(space.size) else None
    return {"name": space.name, "size": size, "positions": choices, "examples": list(examples)}


def written(trial: Trial) -> dict[str, Any]:
    """A trial as a program is told it."""
    content = {
        "cell": str(trial.cell),
        "score": trial.score,
        "feasible": trial.feasible,
        "loss": None if trial.failure else trial.loss,
        "penalty": None if trial.failure else trial.penalty,
        "epochs": trial.epochs,
        "cost_seconds": trial.cost_seconds,
        "values": dict(trial.values),
    }
    content |= {"failure": trial.failure} if trial.failure else {}
    return content | ({"scores": list(trial.scores)} if trial.scores else {})


def expression_of(problem: Mapping[str, Any]) -> str:
    """A problem as the command line writes it.

    Example:
        >>> term = {"name": "valid_loss[5]", "weight": 1.0, "objective": 0}
        >>> limit = {"name": "params", "relation": "<=", "limit": 20000.0}
        >>> expression_of({"terms": [term], "limits": [limit], "diversity": 0.0})
        'valid_loss[5] subject to params <= 20000'
    """
    parts: dict[int, list[str]] = {}
    for term in problem["terms"]:
        weight = "" if term["weight"] == 1 else f"{_number(term['weight'])}*"
        parts.setdefault(term["objective"], []).append(f"{weight}{term['name']}")
    if problem["diversity"]:
        parts[0].append(f"{_number(problem['diversity'])}*diversity")
    limits = " and ".join(map(_limit, problem["limits"]))
    text = ", ".join(" + ".join(part) for part in parts.values())
    return f"{text} subject to {limits}" if limits else text


def in_words(problem: Mapping[str, Any]) -> str:
    """A problem in sentences, with units and directions."""
    terms = problem["terms"]
    several = len({term["objective"] for term in terms}) > 1
    sentences = [
        "Minimise every score; none may be traded for another."
        if several
        else "Minimise the score, L + λR: lower is better."
    ]
    for part, what in (("L", "L adds"), ("R", "λR adds")):
        if mine := [term for term in terms if term["part"] == part]:
            sentences.append(f"{what} {'; '.join(map(_term, mine))}.")
    if problem["diversity"]:
        sentences.append("Cells that resemble the best ones found before are charged a penalty.")
    if problem["limits"]:
        limits = " and ".join(map(_limit, problem["limits"]))
        sentences.append(f"A cell must keep {limits}; one that does not ranks after all that do.")
    if problem["epochs"] is not None:
        sentences.append(f"Only a cell after {problem['epochs']} epochs can be the answer.")
    if problem["drawn_seeds"]:
        sentences.append("A value is of one training seed, which was drawn.")
    return " ".join(sentences)


def _term(term: Mapping[str, Any]) -> str:
    """One term of a score."""
    unit = f" {term['unit']}" if term["unit"] else ""
    share = f"{term['name']} / {_number(term['divisor'])}{unit}"
    if term["larger_is_better"]:
        return f"{_number(term['weight'])} × (1 − {share}), larger is better"
    return f"{_number(term['weight'])} × {share}"


def _limit(limit: Mapping[str, Any]) -> str:
    return f"{limit['name']} {limit['relation']} {_number(limit['limit'])}"


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
