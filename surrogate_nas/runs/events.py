"""What a user's callback receives while runs are made."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import BuiltinFunctionType
from typing import NoReturn

from surrogate_nas.core import UserError, warn_renamed
from surrogate_nas.space.trial import Trial


@dataclass
class Event:
    """Something that has happened while runs are made.

    In a search: new trials, another number of running trainings, a failed training, or a confirming
    training that has ended. In a comparison or a suite: the beginning, the end of a run, and, where
    runs are made one after another on this machine, also what happens within a run.

    Attributes:
        strategy: The name of the strategy; empty at the beginning of a comparison.
        run: The number of the run.
        trials: The new trials, in the order of the run.
        done: The number of runs that have ended, or of confirming trainings; 0 during a search.
        total: The number of runs or confirming trainings in all; 0 during a search.
        running: The number of trainings that run in parallel workers.
        failed: Why a training has just failed, by the text of its cell.
        is_stopped: Whether `stop` was called.

    Example:
        >>> import surrogate_nas as sn
        >>> def enough(event: sn.Event) -> None:
        ...     if any(trial.score < 0.5 for trial in event.trials):
        ...         event.stop()
        >>> run = sn.search(
        ...     "fashion", "random", "valid_loss", budget=99, callback=enough
        ... )
        >>> len(run.trials) < 99, run.incumbent.score < 0.5
        (True, True)
    """

    strategy: str = ""
    run: int = 0
    trials: Sequence[Trial] = ()
    done: int = 0
    total: int = 0
    running: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    is_stopped: bool = False

    def stop(self) -> None:
        """End the run after these trials. A run that has ended already is not affected."""
        self.is_stopped = True

    def __getitem__(self, index: int) -> NoReturn:
        raise UserError(
            "A callback receives an Event: its trials are event.trials, and event.stop() ends the"
            " run."
        )


Callback = Callable[[Event], object]


def as_callback(given: Callable[..., object] | None) -> Callback | None:
    """A callback that takes an event, also where one of 0.1.0 is given: of (done, total) or
    (strategy, run, trials), or one that returns True to end the run.
    """
    if given is None or isinstance(given, BuiltinFunctionType):
        return given
    for form in (1, 2, 3):
        with suppress(TypeError):
            inspect.signature(given).bind(*range(form))
            if form > 1:
                warn_renamed(f"A callback of {form} values", "callback(event)", 6)
            return partial(_call, given, form)
    raise UserError("callback is a function that takes one surrogate_nas.Event.")


def _call(given: Callable[..., object], form: int, at: Event) -> None:
    """Call a callback with an event, or with so many values as in 0.1.0."""
    if form == 1 and given(at) is True:
        warn_renamed("A callback that returns True", "event.stop()", 3)
        at.stop()
    elif form == 2 and not (at.trials or at.running):
        given(at.done, at.total)
    elif form == 3 and at.trials and given(at.strategy, at.run, at.trials):
        at.stop()
