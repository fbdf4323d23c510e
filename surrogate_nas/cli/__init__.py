"""The command line: ``snas``. One JSON document on standard output with ``--json``; all else goes
to standard error.
"""

import sys
from typing import NoReturn

__all__ = ["main"]
_INTERRUPTED = 130


def main() -> NoReturn:
    """Run a command; Ctrl-C while its code is imported ends with one line, as it does later."""
    try:
        from surrogate_nas.cli import app
    except KeyboardInterrupt:
        sys.stderr.write("snas: interrupted before anything was begun.\n")
        sys.exit(_INTERRUPTED)
    app.main()
