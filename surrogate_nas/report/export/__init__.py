"""Exports: results in the formats of other tools. Each export format is a module that defines
``EXPORT``.

An installed package adds a format with an entry point of the group ``surrogate_nas.exports``. A
user can also pass a format as ``FILE.py:NAME``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from surrogate_nas.core import Registry, places_in

if TYPE_CHECKING:
    from surrogate_nas.report.reading import Source


class Format(NamedTuple):
    """One export format.

    Example:
        >>> optuna = EXPORTS["optuna"]
        >>> optuna.default, optuna.then.format(out="optuna.log")
        ('optuna.log', 'Open it: optuna-dashboard optuna.log')

    Attributes:
        write: The function that exports results to a file or folder and returns the written files.
            Its input is a folder of results or a comparison in memory. Of unfinished results, only
            the finished part is exported.
        default: The default name of the output file or folder.
        then: A hint on how to use the output, in which ``{out}`` stands for its path.
        summary: A description of the output, used in the guide.
        needs: The import names of the required libraries.
    """

    write: "Callable[[Source, str | Path], list[Path]]"
    default: str
    then: str
    summary: str = ""
    needs: tuple[str, ...] = ()


EXPORTS = Registry(
    "format", Format, places_in(__name__, "EXPORT"), group="surrogate_nas.exports"
)
"""The available formats by name. Each is the ``EXPORT`` of the module with the same name, which is
imported on demand.
"""
