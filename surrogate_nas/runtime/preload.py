"""What the fork server imports before all else; all that it has forked ends with it."""

from __future__ import annotations

import atexit
import gc
import os
import warnings

from surrogate_nas.core.threads import VARIABLES
from surrogate_nas.runtime.worker import adopt, end_descendants

_server = os.getpid()


def _end_all() -> None:
    """At the end of the fork server, which is told of that of its parent, even by SIGKILL."""
    if os.getpid() == _server:
        end_descendants()


os.environ.update(VARIABLES)  # before NumPy is imported
os.setsid()  # neither Ctrl-C nor what kills a group reaches it before it has tidied up
adopt()
warnings.filterwarnings("ignore", "forkserver: waitpid")  # of what it has adopted
atexit.register(_end_all)
gc.freeze()  # else the first collection in a fork copies all of our memory
