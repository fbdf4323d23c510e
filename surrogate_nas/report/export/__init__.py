"""Exports: results in the forms that other people's tools open; one file a format, which itself
says its ``EXPORT``.

An installed package brings a format by an entry point of the group ``surrogate_nas.exports``, and a
user names one as ``FILE.py:NAME``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from surrogate_nas.core import Registry, places_in

if TYPE_CHECKING:
    from surrogate_nas.report.reading import Source


class Format(NamedTuple):
    """One form of results.

    Example:
        >>> optuna = EXPORTS["optuna"]
        >>> optuna.default, optuna.then.format(out="optuna.log")
        ('optuna.log', 'Open it: optuna-dashboard optuna.log')

    Attributes:
        write: Given a results folder (of a comparison, a suite, or a path over λ) or a comparison
            in memory, and where to write, writes it and gives the files. What is unfinished is
            exported as far as it is made.
        default: The name of what it writes, where nobody names it.
        then: What to do with that, for a reader; ``{out}`` stands for where it is.
        summary: What it writes, a line in the guide.
        needs: The libraries that it takes, as Python imports them.
    """

    write: "Callable[[Source, str | Path], list[Path]]"
    default: str
    then: str
    summary: str = ""
    needs: tuple[str, ...] = ()


EXPORTS = Registry(
    "format", Format, places_in(__name__, "EXPORT"), group="surrogate_nas.exports"
)
"""Every format by its name: the ``EXPORT`` of the file of that name, which is imported when it is
asked for.
"""
