"""The command line: ``snas``. One JSON document on standard output with ``--json``; all else goes
to standard error.
"""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run a command; Ctrl-C while its code is imported ends with one line, as it does later.

    Example:
        >>> import contextlib, io
        >>> sys.argv, before = ["snas", "path", "--json"], sys.argv
        >>> with (
        ...     contextlib.redirect_stdout(io.StringIO()) as printed,
        ...     contextlib.suppress(SystemExit),
        ... ):
        ...     main()
        >>> sys.argv = before
        >>> printed.getvalue()[:9]
        '{"path": '
    """
    try:
        from surrogate_nas.cli import app
    except KeyboardInterrupt:
        sys.stderr.write("snas: interrupted before anything was begun.\n")
        sys.exit(130)
    app.main()
