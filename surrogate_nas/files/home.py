"""The home folder of fetched and imported data, and the data that the project ships."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from surrogate_nas.core.errors import UserError

HOME_VARIABLE = "SURROGATE_NAS_HOME"
"""The variable that names the folder of fetched and imported data."""


def home() -> Path:
    """The folder of fetched and imported data: ``SURROGATE_NAS_HOME``, or the user's data folder.

    Raises:
        UserError: It names the home of a user that there is not.

    Example:
        >>> table_path("nb201-cifar10").is_relative_to(home())
        True
    """
    path = os.environ.get(HOME_VARIABLE)
    return expanded(path) if path else Path(platformdirs.user_data_dir("surrogate_nas"))


def expanded(path: str) -> Path:
    """A path as a user writes it, with ``~`` for a home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{path} names the home of a user that there is not; write the path out."
        ) from error


def table_path(name: str) -> Path:
    """The file of a benchmark's table."""
    return home() / "tables" / f"{name}.h5"


def shipped(name: str) -> Path:
    """A file of the project's own ``data/``.

    Example:
        >>> shipped("fashion.h5").is_file()
        True
    """
    return Path(__file__).parents[1] / "data" / name
