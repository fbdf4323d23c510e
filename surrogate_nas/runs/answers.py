"""What a strategy that speaks for a program or a person outside (`Strategy.from_outside`) has
answered, kept with its run.

``answers/STRATEGY-RUN.journal`` holds a sealed line an answer, written before its cells are
evaluated: the cells, and what was said for them. A run that goes on, or is made again, takes its
answers from there. The strategy itself is told everything and asked only when these are used up, so
that a run is made again where the program or the model is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Journal
from surrogate_nas.runs.sandbox.interface import (
    Sandboxed,
    Wrapped,
    cells_from_json,
    cells_to_json,
)
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial

_CELLS = "cells"
USAGE = "usage"
"""What an answer says of its costs, by that name."""
ENDED_EARLY = "ended early"
"""What the diagnosis of a run says that was ended from outside, or by its budget in tokens."""


class Recorded(Wrapped):
    """A strategy whose answers are kept, and given again.

    Attributes:
        usage: What its answers cost, as it told, added up by name.
    """

    def __init__(
        self, inside: Sandboxed, journal: Journal, space: Space, epochs: Sequence[int]
    ) -> None:
        """Wrap it around a strategy.

        Args:
            inside: The strategy, to which nothing was told yet.
            journal: Its answers so far; further ones are added.
            space: Where cells come from.
            epochs: What a request may ask for.
        """
        super().__init__(inside)
        self._journal = journal
        self._space = space
        self._epochs = epochs
        self._answers = deque(journal.entries)
        self._untold: list[Trial] | None = [] if self._answers else None
        self.usage = dict[str, float]()

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """What it tells of the run, and what its answers cost."""
        usage = {USAGE: self.usage} if self.usage else {}
        return {**super().diagnosis(), **usage}

    def ask(self, n: int) -> list[Cell | Request]:
        """The next answer that was kept, or a new one; none where the run ends."""
        if self._answers:
            return self._again(self._answers.popleft(), n)
        if self._untold is not None:
            untold, self._untold = self._untold, None
            if untold:
                self._inside.tell(untold)
        asked = self._inside.ask(n)
        remarks = dict(self._inside.remarks())
        self._add(remarks.get(USAGE, {}))
        self._journal.append({_CELLS: cells_to_json(asked), **remarks})
        self._journal.commit()
        return asked

    def _again(self, entry: Any, n: int) -> list[Cell | Request]:
        """An answer that was kept; what does not fit any more is left for the next question."""
        try:
            kept = entry[_CELLS]
            if len(kept) > n:
                self._answers.appendleft({_CELLS: kept[n:]})
            self._add(entry.get(USAGE, {}))
            return cells_from_json(kept[:n], n, self._space, self._epochs, may_end=True)
        except (StrategyError, UserError, TypeError, KeyError, AttributeError, ValueError) as error:
            raise UserError(
                f"{self._journal.path} holds an answer that is none ({error}). Delete it to have"
                " the strategy asked anew."
            ) from error

    def _add(self, usage: Mapping[str, float]) -> None:
        for name, value in usage.items():
            self.usage[name] = self.usage.get(name, 0.0) + float(value)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell it trials, or keep them until it is asked."""
        if self._untold is None:
            self._inside.tell(trials)
        else:
            self._untold += trials
