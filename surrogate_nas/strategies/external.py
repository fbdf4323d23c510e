"""External optimiser: a process of yours, in any language, that reads trials and answers with cells
as JSON lines.

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

With ``protocol=2`` the first line is the whole description of the problem and the seed, and a
question is ``{"ask": 2, "left": {"cells": 38}}``. Before the process answers it with ``evaluate``
or ``finish``, it may itself ask (`surrogate_nas.strategies.conversation`), a line each. What is
wrong is answered by ``{"error": …}`` and may be said again.

What it answers then is stored, so that a run goes on, or is made again, without asking it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from surrogate_nas.core.arguments import check_number, check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.command import Command
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.code import Builder
from surrogate_nas.strategies.conversation import (
    EXAMPLES,
    Conversation,
    space_described,
    written,
)

_SEED_BITS = 31
_VERSIONS = (1, 2)
_MOST_REFUSED = 10
"""Messages in a row that cannot be answered, after which the run has failed."""


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
        protocol: int = 1,
        history: bool = True,
        code: str = "",
        code_seconds: float = 10.0,
    ) -> None:
        """Store the command; the process starts with the first trial or question.

        Args:
            seed: The root of the seed that the process is told.
            command: What to run, with its arguments, in the current folder; no shell is used.
            timeout_seconds: The longest that an answer may take.
            protocol: Its version, 1 or 2.
            history: Whether the process is told trials; without, it is a control: the best of so
                many cells that it thinks of.
            code: ``FILE.py:NAME``, a function that gives the text of a cell for code, which answers
                of version 2 may then hold.
            code_seconds: The longest that this may take for one cell.

        Raises:
            UserError: No command is given, there is no such version or file, or a time limit is
                none.
        """
        super().__init__(space, seed=seed)
        if not command.strip():
            raise UserError(
                "external needs the command of a proposer, as in external(command='python"
                " propose.py')."
            )
        check_number("timeout_seconds of external", timeout_seconds, above=True)
        if check_whole("protocol of external", protocol) not in _VERSIONS:
            raise UserError(f"protocol of external is 1 or 2, not {protocol}.")
        if code and protocol == 1:
            raise UserError("Code is answered by version 2 of the protocol: add protocol=2.")
        for flag in ("chooses_epochs", "uses_known", "from_outside"):
            setattr(self, flag, protocol == 2)
        self.command = command
        self.timeout_seconds = timeout_seconds
        self.protocol = protocol
        self.history = history
        builder = Builder(code, code_seconds) if code else None
        self._conversation = Conversation(self, builder, history=history)

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Have the process answer; no cell where it ends the run.

        Raises:
            UserError: It answered something else, took too long, or ended.
        """
        process = self._running()
        if self.protocol == 2:
            asked = self._talk(process, n)
            self.remarks = self._conversation.remarks()
            return asked
        process.send({"ask": n}, self.timeout_seconds)
        answer = process.receive(self.timeout_seconds)
        cells = answer.get("cells") if isinstance(answer, dict) else None
        if not isinstance(cells, list) or not 1 <= len(cells) <= n:
            shape = 'not {"cells": […]} with ' + (f"1 to {n} cells" if n > 1 else "1 cell")
            raise self._refused(answer, shape)
        return [self._own(cell) for cell in cells]

    def _talk(self, process: Command, n: int) -> Sequence[Cell | Request]:
        """What the process decides on in version 2, after what it asks itself."""
        message: Mapping[str, Any] = {"ask": n, "left": self._conversation.left()}
        refused = 0
        while True:
            process.send(message, self.timeout_seconds)
            said = process.receive(self.timeout_seconds)
            try:
                answer = self._conversation.answer(said, n)
            except UserError as error:
                refused += 1
                if refused == _MOST_REFUSED:
                    raise self._refused(said, f"wrong {refused} times in a row: {error}") from error
                message = {"error": str(error)}
                continue
            refused = 0
            if isinstance(answer, list):
                return answer
            message = answer

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the process read trials, where it is told any.

        Raises:
            UserError: It ended, or does not read.
        """
        self._conversation.tell(trials)
        if self.history:
            told = {"tell": [written(trial) for trial in trials]}
            self._running().send(told, self.timeout_seconds)

    def _running(self) -> Command:
        """The process, started and sent the space where it does not run yet."""
        if self._process is None:
            self._process = Command(self.command, "The proposer")
            if self.protocol == 2:
                talk = self._conversation
                greeting = {**talk.description(), "seed": talk.seed()}
            else:
                seed = int(self.rng.integers(2**_SEED_BITS))
                examples = [str(self.space.sample(self.rng)) for _ in range(EXAMPLES)]
                greeting = {
                    "space": space_described(self.space, examples),
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
