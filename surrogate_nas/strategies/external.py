"""External optimiser: a program of the user, in any language, that reads trials and proposes cells
as JSON lines.

Use this strategy to run an existing search program, or to let a language model propose cells. An
example of a language model that proposes cells: Chen, Dohan & So, "EvoPrompting: Language Models
for Code-Level Neural Architecture Search", NeurIPS 2023. The program reads lines of JSON from its
standard input and writes lines of JSON to its standard output:

- The first line describes the problem and contains a seed for the program, ``"seed": 7``.
- A line such as ``{"tell": [{"cell": "|none~0|+…", "score": 0.31, "feasible": true, …}, …]}``
  reports trials. Further fields of a trial are ``epochs`` and ``values``, among others.
- A line such as ``{"ask": 2, "left": {"cells": 38}}`` asks for cells and states the remaining
  budget.

The program answers ``ask`` by the operation ``evaluate`` or ``finish``. Before its answer, the
program may send requests of its own, one per line (see `surrogate_nas.strategies.conversation`). An
invalid message is answered with ``{"error": …}`` and may be corrected. Scores are minimised; the
score of an infeasible cell is above the scores of all feasible cells. If an evaluation failed,
``loss`` and ``penalty`` are null and ``failure`` is the reason.

The program's answers are stored, so a run can be resumed or repeated without asking the program
again.
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
    """A strategy whose cells are proposed by a program of the user.

    Args:
        seed: The seed from which the seed for the program is derived.
        command: The command that starts the program, with its arguments. The command runs in the
            current folder, without a shell.
        timeout_seconds: Maximum time for an answer, in seconds.
        history: Whether the program receives trials. A program without trials is a baseline: the
            best of equally many proposals.

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
        """Return the message that asks the program for `n` cells."""
        self._refused = 0
        return {"ask": n, "left": self.left()}

    def exchange(self, reply: Mapping[str, Any] | None) -> object:
        """Send one line to the program and return its next line.

        Raises:
            UserError: Ten messages in a row were invalid, or the program took too long, ended or
                wrote no JSON.
        """
        self._refused = self._refused + 1 if reply and "error" in reply else 0
        process = self._running
        if reply and self._refused == _MOST_REFUSED:
            process.kill()
            raise UserError(
                f"The program {self.command!r:.200} sent {_MOST_REFUSED} invalid messages in a row:"
                f" {reply['error']}"
            )
        process.send(reply, self.timeout_seconds)
        return process.receive(self.timeout_seconds)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Send trials to the program, unless the option `history` is False.

        Raises:
            UserError: The program ended, or does not read its input.
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
