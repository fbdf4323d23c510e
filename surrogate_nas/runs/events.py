"""The events that a user's callback receives during runs."""

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
    """An event during a run, a comparison or a suite.

    A search sends an event for new trials, for a change in the number of running trainings, for a
    failed training, and for each finished training of a confirmation. A comparison or a suite sends
    an event at the beginning and at the end of each run. If runs are made one after another on this
    machine, a comparison or suite also sends the events within each run.

    Attributes:
        strategy: The name of the strategy, or an empty string at the beginning of a comparison.
        run: The number of the run.
        trials: The new trials, in the order of the run.
        done: The number of finished runs, or of finished trainings of a confirmation; 0 during a
            search.
        total: The total number of runs, or of trainings of a confirmation; 0 during a search.
        running: The number of trainings that run in parallel workers.
        failed: The reasons of failed trainings, by the strings of their cells.
        is_stopped: Whether `stop` was called, so that the run ends.

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
        """End the run after the trials of this event. If the run has finished already, nothing
        changes.
        """
        self.is_stopped = True

    def __getitem__(self, index: int) -> NoReturn:
        raise UserError(
            "A callback receives an Event: the trials are event.trials, and event.stop() ends the"
            " run."
        )


Callback = Callable[[Event], object]


def as_callback(given: Callable[..., object] | None) -> Callback | None:
    """Return a callback that takes an `Event`. Callbacks in the formats of release 0.1.0, which
    take (done, total) or (strategy, run, trials), or return True to end the run, are converted.
    """
    if given is None or isinstance(given, BuiltinFunctionType):
        return given
    for form in (1, 2, 3):
        with suppress(TypeError):
            inspect.signature(given).bind(*range(form))
            if form > 1:
                warn_renamed(f"A callback of {form} values", "callback(event)", 6)
            return partial(_call, given, form)
    raise UserError("callback must be a function of one surrogate_nas.Event.")


def _call(given: Callable[..., object], form: int, at: Event) -> None:
    """Call a callback with an event, or with the `form` arguments of 0.1.0."""
    if form == 1 and given(at) is True:
        warn_renamed("A callback that returns True", "event.stop()", 3)
        at.stop()
    elif form == 2 and not (at.trials or at.running):
        given(at.done, at.total)
    elif form == 3 and at.trials and given(at.strategy, at.run, at.trials):
        at.stop()
