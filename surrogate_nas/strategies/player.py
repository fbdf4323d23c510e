"""A strategy that speaks for a player at the other end of a `Seat`: a person, or an agent with a
loop of its own (``snas play``).

The run goes on in a thread of its own and waits there for messages
(`surrogate_nas.strategies.conversation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any, ClassVar

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.code import Builder
from surrogate_nas.strategies.conversation import MOST_CELLS, Conversation

_CODE_SECONDS = 10.0


class LeftError(BaseException):
    """The player is gone, so the run ends where it is and can go on later; no failure of the
    strategy, so no plain Exception.
    """


class Seat:
    """Where messages of a player and replies of a run meet.

    Attributes:
        builder: What reads code; None where cells are texts only.
        player: Who was seated; None before the run has begun.
    """

    def __init__(self, code: str = "") -> None:
        """Make an empty one.

        Args:
            code: ``FILE.py:NAME``, a function that gives the text of a cell for code, or empty.

        Raises:
            UserError: There is no such file.
        """
        self.builder = Builder(code, _CODE_SECONDS) if code else None
        self.player: Player | None = None
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._replies: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def exchange(self, message: object) -> dict[str, Any] | None:
        """Hand a message to the run, and wait for what it replies; None where the run has ended
        without one.
        """
        self._messages.put(message)
        return self._replies.get()

    def leave(self) -> None:
        """Tell the run that no message will come."""
        self._messages.put(LeftError)

    def message(self) -> object:
        """The next message.

        Raises:
            LeftError: None will come.
        """
        message = self._messages.get()
        if message is LeftError:
            raise LeftError
        return message

    def reply(self, reply: dict[str, Any] | None) -> None:
        """Reply to the last message."""
        self._replies.put(reply)


class Player(Strategy):
    """Hands on what the player decides; a subclass names the seat.

    Attributes:
        seat: Where the player sits.
        conversation: What was said.
    """

    many_objectives: ClassVar[bool] = True
    chooses_epochs: ClassVar[bool] = True
    uses_known: ClassVar[bool] = True
    from_outside: ClassVar[bool] = True
    seat: ClassVar[Seat]

    def __init__(self, space: Space, *, seed: int) -> None:
        """Take the seat.

        Args:
            space: Where cells come from.
            seed: Of the cells that the player asks to draw.
        """
        super().__init__(space, seed=seed)
        self.conversation = Conversation(self, self.seat.builder)
        self._decided: list[Cell | Request] = []
        self._since: int | None = None
        self.seat.player = self

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """What the player has decided on; it answers free questions until then.

        Raises:
            LeftError: The player is gone.
        """
        if not self._decided:
            if self.is_waited_for:
                self.seat.reply(self.outcome())
            self._decided = self._next()
        asked = self._decided[:n]
        self._decided = self._decided[n:]
        self.remarks = self.conversation.remarks()
        return asked

    def _next(self) -> list[Cell | Request]:
        """The cells that the player wants evaluated; none to end the run."""
        while True:
            message = self.seat.message()
            left = int(self.conversation.left().get("cells", MOST_CELLS))
            try:
                answer = self.conversation.answer(message, min(left, MOST_CELLS))
            except UserError as error:
                answer = {"error": str(error)}
            if isinstance(answer, list):
                self._since = len(self.conversation.trials)
                return answer
            self.seat.reply(answer)

    @property
    def is_waited_for(self) -> bool:
        """Whether the player has asked for an evaluation and was not told what came of it."""
        return self._since is not None

    def outcome(self) -> dict[str, Any]:
        """What came of the last evaluation, which the player is told now."""
        since = self._since or 0
        self._since = None
        return self.conversation.outcome(since)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Keep trials, to show them."""
        self.conversation.tell(trials)
