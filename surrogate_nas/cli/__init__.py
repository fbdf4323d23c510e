"""The command line, ``snas``. With ``--json``, a command prints one JSON document on standard
output. Progress and messages go to standard error.
"""

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run a command. Ctrl-C while the command's code is imported ends the process with a one-line
    message.

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
        sys.stderr.write("snas: interrupted before the command started.\n")
        sys.exit(130)
    app.main()
