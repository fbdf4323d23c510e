"""An error in a user's code: one line for messages, the whole traceback for the results."""

from __future__ import annotations

import inspect
import re
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from surrogate_nas.core.errors import UserError, one_line

_PACKAGE = Path(__file__).parents[1]
_LEADING = (_PACKAGE / "runtime", _PACKAGE / "runs" / "sandbox")
_LONGEST_TRACE = 100_000


class StrategyError(UserError):
    """A strategy broke its contract, raised, or took too long.

    Attributes:
        trace: Its own traceback, or empty.
    """

    def __init__(self, line: str, trace: str = "") -> None:
        super().__init__(line)
        self.trace = trace


def as_strategy_error(error: BaseException, when: str, file: str) -> StrategyError:
    """What a user's code raised, as its failure."""
    if isinstance(error, StrategyError):
        return error
    if isinstance(error, UserError) and when in ("was loaded", "was made"):
        return StrategyError(str(error))
    try:
        message = str(error)
    except BaseException as nested:  # noqa: BLE001 - a user's exception can raise when printed
        message = f"it cannot be printed ({type(nested).__name__})"
    own = error.__traceback__
    while own is not None and Path(own.tb_frame.f_code.co_filename).parent in _LEADING:
        own = own.tb_next  # without the frames of ours that lead to the user's
    detail = f": {message}" if message else ""
    calls = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(own)]
    location = _location(calls, file)
    where = f" ({location})" if location else ""
    line = one_line(f"{type(error).__name__} when it {when}{detail}")
    return StrategyError(f"{line}{where}", _printed(error, own))


_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
# what a strategy does, by the function of ours that calls it
_DOING = {"_made": "was made", "ask": "was asked", "tell": "was told"}


def location_in_dump(dump: str, file: str) -> tuple[str, str]:
    """Where a process was, by what `faulthandler` printed of it, and what it did, if it was a
    strategy.
    """
    frames = _FRAME.findall(dump)
    ours = [
        name for path, _, name in frames if Path(path).parent in _LEADING and name in _DOING
    ]
    when = f" when it {_DOING[ours[-1]]}" if ours else ""
    return _location([(path, int(line)) for path, line, _ in frames[::-1]], file), when


def _location(frames: list[tuple[str, int]], file: str) -> str:
    """The innermost frame in the strategy's file, or else outside this package: ``file:line``."""
    foreign = [frame for frame in frames if not Path(frame[0]).is_relative_to(_PACKAGE)]
    inside = [frame for frame in frames if frame[0] == file]
    return "".join(f"{name}:{line}" for name, line in (inside or foreign)[-1:])


def _printed(error: BaseException, trace: TracebackType | None) -> str:
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
        return text[-_LONGEST_TRACE:]
    except BaseException as nested:  # noqa: BLE001 - a user's exception can raise when printed
        return f"{type(error).__name__}, which cannot be printed: {type(nested).__name__}\n"


def file_of(kind: type) -> str:
    """The file that a class is defined in; empty if unknown."""
    with suppress(TypeError, OSError):
        return inspect.getfile(kind)
    # made by value: its code knows
    functions = filter(inspect.isfunction, vars(kind).values())
    return next((function.__code__.co_filename for function in functions), "")
