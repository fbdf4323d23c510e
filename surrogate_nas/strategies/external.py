"""External proposer: a process of yours that reads trials as JSON lines and answers cells, in any
language.

For those who have a search elsewhere, or let a language model propose: Chen, Dohan & So,
"EvoPrompting: Language Models for Code-Level Neural Architecture Search", NeurIPS 2023. The process
reads lines of JSON on its standard input and answers each question, and nothing else, with one line
on its standard output:

    first    {"space": {"name": …, "size": 15625, "positions": {"edge": ["none", …], …},
                        "examples": ["|none~0|+…", …]}, "objectives": 1, "seed": 7}
    then     {"tell": [{"cell": "|none~0|+…", "score": 0.31, "feasible": true, "epochs": 12,
                        "values": {…}, …}, …]}
    and      {"ask": 2}     answered by     {"cells": ["|none~0|+…", …]}

Scores are minimised; an infeasible cell's lies above those of all feasible ones. Where an
evaluation failed, ``loss`` and ``penalty`` are null and ``failure`` says why. `size` is null where
cells cannot be counted, ``positions`` where they are no choices. An answer has 1 to so many cells,
each printed as the examples are. A run that goes on after a crash begins a new process and tells it
everything again. Same seed, same trials, same answers: that is for the process to keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from surrogate_nas.core.arguments import check_number
from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.command import Command
from surrogate_nas.space import Cell, ChoiceSpace, Space
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.base import Strategy

_SEED_BITS = 31
_EXAMPLES = 3


class External(Strategy):
    """Asks a process of the user's.

    Example:
        >>> import sys
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.space import nb201
        >>> proposer = '''
        ... import json, random, sys
        ... for line in sys.stdin:
        ...     message = json.loads(line)
        ...     if "space" in message:
        ...         examples = message["space"]["examples"]
        ...     elif "ask" in message:
        ...         print(json.dumps({"cells": [random.choice(examples)]}), flush=True)
        ... '''
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "propose.py").write_text(proposer)
        ...     search = External(
        ...         nb201(),
        ...         seed=0,
        ...         command=f"{sys.executable} {folder}/propose.py",
        ...         timeout_seconds=60,
        ...     )
        ...     len(search.ask(1))
        1
    """

    many_objectives: ClassVar[bool] = True
    _process: Command | None = None

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        command: str = "",
        timeout_seconds: float = 300.0,
    ) -> None:
        """Store the command; the process starts with the first trial or question.

        Args:
            seed: The root of the seed that the process is told.
            command: What to run, with its arguments, in the current folder; no shell is used.
            timeout_seconds: The longest that an answer may take.

        Raises:
            UserError: No command is given, or the time limit is none.
        """
        super().__init__(space, seed=seed)
        if not command.strip():
            raise UserError(
                "external needs the command of a proposer, as in external(command='python"
                " propose.py')."
            )
        check_number("timeout_seconds of external", timeout_seconds, above=True)
        self.command = command
        self.timeout_seconds = timeout_seconds

    def ask(self, n: int) -> Sequence[Cell]:
        """Have the process answer.

        Raises:
            UserError: It answered something else, took too long, or ended.
        """
        process = self._running()
        process.send({"ask": n}, self.timeout_seconds)
        answer = process.receive(self.timeout_seconds)
        cells = answer.get("cells") if isinstance(answer, dict) else None
        if not isinstance(cells, list) or not 1 <= len(cells) <= n:
            shape = 'not {"cells": […]} with ' + (f"1 to {n} cells" if n > 1 else "1 cell")
            raise self._refused(answer, shape)
        return [self._own(cell) for cell in cells]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the process read trials.

        Raises:
            UserError: It ended, or does not read.
        """
        self._running().send({"tell": [_written(trial) for trial in trials]}, self.timeout_seconds)

    def _running(self) -> Command:
        """The process, started and sent the space where it does not run yet."""
        if self._process is None:
            self._process = Command(self.command, "The proposer")
            seed = int(self.rng.integers(2**_SEED_BITS))
            examples = [str(self.space.sample(self.rng)) for _ in range(_EXAMPLES)]
            greeting = {
                "space": _described(self.space, examples),
                "objectives": self.objectives,
                "seed": seed,
            }
            self._process.send(greeting, self.timeout_seconds)
        return self._process

    def _own(self, reply: Any) -> Cell:
        """The space's own cell for what the process said."""
        if not isinstance(reply, str):
            raise self._refused(reply, "not the text of a cell")
        try:
            return self.space.cell(reply)
        except UserError as error:
            raise self._refused(reply, f"no cell: {error}") from error

    def _refused(self, reply: Any, why: str) -> UserError:
        if self._process is not None:
            self._process.end()
        return UserError(
            f"The proposer {self.command!r:.200} answered {reply!r:.200}, {why.rstrip('.')}."
        )


def _described(space: Space, examples: list[str]) -> dict[str, Any]:
    choices = (
        dict(zip(space.positions, space.options, strict=True))
        if isinstance(space, ChoiceSpace)
        else None
    )
    size = int(space.size) if math.isfinite(space.size) else None
    return {"name": space.name, "size": size, "positions": choices, "examples": examples}


def _written(trial: Trial) -> dict[str, Any]:
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
