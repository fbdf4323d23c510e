"""The command line: ``snas``. One JSON document on standard output with ``--json``; all else goes
to standard error.
"""

from surrogate_nas.cli.app import main

__all__ = ["main"]
