"""What a form of results is, and how its texts reach a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from surrogate_nas.files import replacing
from surrogate_nas.report.reading import Source


class Format(NamedTuple):
    """One form of results.

    Example:
        >>> from surrogate_nas.report.export import EXPORTS
        >>> sorted(EXPORTS), EXPORTS["optuna"].default
        (['csv', 'figures', 'latex', 'mlflow', 'optuna', 'trackio'], 'optuna.log')
        >>> EXPORTS["csv"].default, EXPORTS["optuna"].then.format(out="optuna.log")
        ('csv', 'Open it: optuna-dashboard optuna.log')

    Attributes:
        write: Writes it and gives the files.
        default: The name of what it writes, where nobody names it.
        then: What to do with that, for a reader; ``{out}`` stands for where it is.
    """

    write: Callable[[Source, str | Path], list[Path]]
    default: str
    then: str


def write_texts(texts: Mapping[Path, str]) -> list[Path]:
    """Write files, each whole or as it was before."""
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return list(texts)
