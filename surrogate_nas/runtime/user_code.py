"""Run user code in another process: send the code, call it, and report its errors."""

import inspect
import pickle
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import cloudpickle

from surrogate_nas.core import UserError, in_a_line, one_line
from surrogate_nas.runtime.worker import Lost, Task, Worker, answer

J = TypeVar("J")
R = TypeVar("R")
START_SECONDS = 60.0
"""The longest time in seconds to import a user's file."""
_LATE = "killed by SIGALRM"
_PACKAGE = Path(__file__).parents[1]
# what leads to a user's code
_LEADING = {_PACKAGE / "runtime", _PACKAGE / "runs" / "sandbox.py"}
_LONGEST_TRACE = 100_000


class StrategyError(UserError):
    """A strategy violated its contract, raised an exception, or took too long.

    Attributes:
        trace: The traceback of the exception, or an empty string.
    """

    def __init__(self, line: str, trace: str = "") -> None:
        super().__init__(line)
        self.trace = trace


def as_strategy_error(error: BaseException, when: str, file: str) -> StrategyError:
    """Convert an exception raised by user code to a `StrategyError`."""
    if isinstance(error, StrategyError):
        return error
    if isinstance(error, UserError) and when in ("was loaded", "was created"):
        return StrategyError(str(error))
    try:
        message = str(error)
    except BaseException as nested:  # noqa: BLE001 - a user's exception can raise when printed
        message = f"it cannot be printed ({type(nested).__name__})"
    own = error.__traceback__
    while own is not None and _leads(own.tb_frame.f_code.co_filename):
        own = own.tb_next  # without the frames of ours that lead to the user's
    detail = f": {message}" if message else ""
    calls = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(own)]
    location = _location(calls, file)
    where = f" ({location})" if location else ""
    line = one_line(f"{type(error).__name__} when it {when}{detail}")
    return StrategyError(f"{line}{where}", _printed(error, own))


_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
# what a strategy does, by the function of ours that calls it
_DOING = {
    "_made": "was created",
    "ask": "was asked for cells",
    "tell": "received trials",
}


def location_in_dump(dump: str, file: str) -> tuple[str, str]:
    """Return the location at which a process ended, and the activity of its strategy.

    `dump` is the stack that `faulthandler` printed. The activity is empty if the process did not
    run a strategy.
    """
    frames = _FRAME.findall(dump)
    ours = [name for path, _, name in frames if _leads(path) and name in _DOING]
    when = f" when it {_DOING[ours[-1]]}" if ours else ""
    return _location([(path, int(line)) for path, line, _ in frames[::-1]], file), when


def _leads(file: str) -> bool:
    return not _LEADING.isdisjoint([Path(file), Path(file).parent])


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
    """Return the file that defines a class, or an empty string if the file is unknown."""
    with suppress(TypeError, OSError):
        return inspect.getfile(kind)
    # made by value: its code knows
    functions = filter(inspect.isfunction, vars(kind).values())
    return next((function.__code__.co_filename for function in functions), "")


def pack(*objects: object) -> bytes:
    """Pickle objects for another process.

    Classes that the other process can import are pickled by name. All other classes are pickled by
    value: classes in a user's file, a notebook, the running script or a function's body.

    Raises:
        StrategyError: An object cannot be pickled.
    """
    kinds = [item if isinstance(item, type) else type(item) for item in objects]
    names = {base.__module__ for kind in kinds for base in kind.__mro__}
    with ExitStack() as stack:
        for name in (names - {"__main__"}) & {*sys.modules}:
            if not _can_be_imported(name):
                cloudpickle.register_pickle_by_value(sys.modules[name])
                stack.callback(
                    cloudpickle.unregister_pickle_by_value, sys.modules[name]
                )
        try:
            return cloudpickle.dumps(objects)  # type: ignore[no-any-return]
        except Exception as error:
            named = ", ".join(
                getattr(item, "__name__", type(item).__name__) for item in objects
            )
            raise StrategyError(
                f"{named} cannot be sent to a process of its own ({in_a_line(error)}): define it at"
                " the top of a file and name it as file.py:Class."
            ) from error


def unpack(packed: bytes) -> tuple[Any, ...]:
    """Return the objects that `pack` has pickled.

    Call this function only in the process that receives them.
    """
    return pickle.loads(packed)  # type: ignore[no-any-return]


def _can_be_imported(module: str) -> bool:
    top = module.partition(".")[0]
    return any(finder.find_spec(top, None) is not None for finder in sys.meta_path)


def call_aside(function: Callable[[J], R], argument: J, limit: float) -> R:
    """Call a function in a new process, which ends with the call or after `limit` seconds.

    Raises:
        StrategyError: The function took too long or ended its process.
        Exception: Any exception that the function raised.
    """
    with closing(Worker(Task.of(function, seconds=limit))) as worker:
        reply = worker.do(cloudpickle.dumps(argument))
    if isinstance(reply, Lost):
        raise lost_in(reply)
    return answer(reply)  # type: ignore[no-any-return]


def lost_in(lost: Lost, limit: float = 0.0, file: str = "") -> StrategyError:
    """Build the error for user code in `file` that ended its process.

    `limit` is the time limit in seconds of a call that
    `surrogate_nas.runtime.worker.dump_when_alarmed` may end.
    """
    location, when = location_in_dump(lost.dump, file)
    words = lost.words.replace("its worker", "its process")
    if _LATE in words:
        words = f"it took more than {limit:g} s"
    where = f" ({location})" if location else ""
    return StrategyError(f"{words}{when}{where}.", lost.dump)
