"""External optimiser: a process of yours, in any language, that reads trials and proposes cells as
JSON lines.

For those who have a search elsewhere, or let a language model propose: Chen, Dohan & So,
"EvoPrompting: Language Models for Code-Level Neural Architecture Search", NeurIPS 2023. The process
reads lines of JSON on its standard input and writes lines of JSON on its standard output:

    first    the description of the problem, and ``"seed": 7``
    then     {"tell": [{"cell": "|none~0|+…", "score": 0.31, "feasible": true, "epochs": 12,
                        "values": {…}, …}, …]}
    and      {"ask": 2, "left": {"cells": 38}}

It answers a question by ``evaluate`` or ``finish``. Before that it may ask for itself, a line each
(`surrogate_nas.strategies.conversation`). A message that is wrong gets ``{"error": …}`` and may be
repeated. Scores are minimised; an infeasible cell's lies above those of all feasible ones. Where an
evaluation failed, ``loss`` and ``penalty`` are null and ``failure`` says why.

The answers are stored, so that a run resumes, or is repeated, without asking the process twice.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from surrogate_nas.core import UserError, flag, number, text
from surrogate_nas.runtime.command import Command
from surrogate_nas.space import Trial
from surrogate_nas.strategies.conversation import Talker, written

_MOST_REFUSED = 10


class External(Talker):
    """Asks a process of the user's.

    Args:
        seed: The root of the seed that the process is given.
        command: The command with its arguments, run in the current folder without a shell.
        timeout_seconds: The longest that an answer may take.
        history: Whether the process sees trials. Without, it is a baseline: the best of as many
            cells that it thinks of.

    Raises:
        UserError: No command is given, or the time limit is not positive.

    Example:
        >>> import surrogate_nas as sn
        >>> External(sn.nb201(), seed=0, command="python propose.py").timeout_seconds
        300.0
    """

    _refused = 0

    command: str = text("")
    timeout_seconds: float = number(300.0, above=True)
    history: bool = flag(True)

    def _begin(self) -> None:
        super()._begin()
        if not self.command.strip():
            raise UserError(
                "external needs the command of a program, as in external(command='python"
                " propose.py')."
            )

    def opening(self, n: int) -> Mapping[str, Any]:
        """Ask for cells."""
        self._refused = 0
        return {"ask": n, "left": self.left()}

    def exchange(self, reply: Mapping[str, Any] | None) -> object:
        """Send a line to the process and read one.

        Raises:
            UserError: Ten messages in a row were wrong, or the process took too long, ended or
                wrote no JSON.
        """
        self._refused = self._refused + 1 if reply and "error" in reply else 0
        process = self._running
        if reply and self._refused == _MOST_REFUSED:
            process.kill()
            raise UserError(
                f"The program {self.command!r:.200} was wrong {_MOST_REFUSED} times in a row:"
                f" {reply['error']}"
            )
        process.send(reply, self.timeout_seconds)
        return process.receive(self.timeout_seconds)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the process read trials, unless it sees none.

        Raises:
            UserError: It ended, or does not read.
        """
        super().tell(trials)
        if self.history:
            self._running.send(
                {"tell": list(map(written, trials))}, self.timeout_seconds
            )

    @cached_property
    def _running(self) -> Command:
        process = Command(self.command, "The program")
        process.send({**self.description(), "seed": self.seed()}, self.timeout_seconds)
        return process
