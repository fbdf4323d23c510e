"""The seats of a cluster's process: jobs are done in workers of our own beside it, never in the process itself.

So a job has one thread, its own working directory and signals, and may crash, whatever the cluster's process is and
however many jobs it takes at once. Seats end with the order, with the process, or after an idle minute.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines.order import Order
from surrogate_nas.runtime.engines.seat import Seat
from surrogate_nas.runtime.engines.worker import failed

_IDLE_SECONDS, _LOOK_SECONDS = 60.0, 10.0
_REMEMBERED = 1000
_lock = threading.Lock()
_busy: defaultdict[str, set[Seat]] = defaultdict(set)
_idle: defaultdict[str, list[tuple[float, Seat]]] = defaultdict(list)
_orders: dict[str, Order] = {}
_ended: deque[str] = deque(maxlen=_REMEMBERED)
_reaper: list[threading.Thread] = []


def know(order: Order) -> None:
    """Take an order for jobs that name it.

    Args:
        order: What all these jobs have in common.
    """
    _orders[order.key] = order


def knows(key: str) -> bool:
    """Whether an order was taken.

    Args:
        key: The order's.
    """
    return key in _orders


def do_known(key: str, job: bytes) -> bytes | str:
    """Do a job of an order that was taken.

    Args:
        key: The order's.
        job: The job, pickled.

    Returns:
        The worker's message, or how it was lost, in words.
    """
    order = _orders.get(key)
    return "it was not wanted any more" if order is None else do(order, job)


def do(order: Order, job: bytes) -> bytes | str:
    """Do a job at a free seat of its order, or at a new one.

    Args:
        order: What all jobs have in common.
        job: The job, pickled.

    Returns:
        The worker's message, or how it was lost, in words.
    """
    try:
        with _lock:
            if order.key in _ended:
                return "it was not wanted any more"
            seat = _idle[order.key].pop()[1] if _idle[order.key] else order.seat()
            _busy[order.key].add(seat)
        found = seat.do(job)
    except (UserError, OSError) as error:
        return failed(error)
    with _lock:
        _busy[order.key].discard(seat)
        if wanted := order.key not in _ended:
            _idle[order.key].append((time.monotonic(), seat))
            _watch()
    if not wanted:
        seat.leave()
    return found


def end(key: str) -> None:
    """End all workers of an order, whatever they do.

    Args:
        key: The order's.
    """
    with _lock:
        _ended.append(key)
        _orders.pop(key, None)
        busy, idle = _busy.pop(key, set()), _idle.pop(key, [])
    for seat in busy:
        seat.close()
    for _, seat in idle:
        seat.leave()


def _watch() -> None:
    if not _reaper:
        _reaper.append(threading.Thread(target=_reap, daemon=True))
        _reaper[0].start()


def _reap() -> None:
    """Let seats go that no job has taken for long: whoever gave the order may be no more."""
    while True:
        time.sleep(_LOOK_SECONDS)
        old = time.monotonic() - _IDLE_SECONDS
        with _lock:
            gone = [seat for held in _idle.values() for since, seat in held if since < old]
            for key, held in list(_idle.items()):
                _idle[key] = [one for one in held if one[0] >= old]
        for seat in gone:
            seat.leave()
