"""Initialise the fork server, which imports this module first.

When the fork server ends, all its child processes end.
"""

import atexit
import gc
import os
import signal
import warnings
from contextlib import suppress
from importlib import import_module

from surrogate_nas.core import VARIABLES, one_thread
from surrogate_nas.runtime.worker import SHARED_VARIABLE, adopt, end_descendants

_server = os.getpid()
_shared = open(os.environ.pop(SHARED_VARIABLE, os.devnull), "rb")


def _end_all() -> None:
    """Run at the end of the fork server, which ends with its parent, even after SIGKILL."""
    if os.getpid() == _server:
        end_descendants()


def _fork() -> int:
    """Fork the server, after it has computed the values that workers find in their caches.

    A hook of `os.register_at_fork` is not used, because an import may register further hooks.
    """
    vars(os)["fork"] = _usual_fork
    for line in _shared.readlines():
        with suppress(Exception):
            function, _, argument = os.fsdecode(line[:-1]).partition(" ")
            module, _, name = function.partition(":")
            getattr(import_module(module), name)(argument)
    with one_thread():  # looks for pools of threads, which workers then know
        gc.freeze()
    if process := os.fork():
        vars(os)["fork"] = _fork
    return process


os.environ.update(VARIABLES)  # before NumPy is imported
os.setsid()  # neither Ctrl-C nor what kills a group reaches it before it has tidied up
_usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets what came before
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
signal.signal(signal.SIGINT, _usual)
adopt()
warnings.filterwarnings("ignore", "forkserver: waitpid")  # of what it has adopted
atexit.register(_end_all)
atexit.register(_shared.close)
_usual_fork, vars(os)["fork"] = os.fork, _fork
gc.freeze()  # else the first collection in a fork copies all of our memory
