"""Where fetched and imported data lives, and what the project ships."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from surrogate_nas.errors import UserError

HOME_VARIABLE = "SURROGATE_NAS_HOME"


def home() -> Path:
    """The folder of fetched and imported data: ``SURROGATE_NAS_HOME``, or the user's data folder.

    Raises:
        UserError: The variable names a user (``~NAME``) that does not exist.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    if not chosen:
        return Path(platformdirs.user_data_dir("surrogate_nas"))
    try:
        return Path(chosen).expanduser()
    except RuntimeError as error:
        raise UserError(f"{HOME_VARIABLE}={chosen}: there is no such user; give the folder's whole path.") from error


def table_path(name: str) -> Path:
    """The file of a benchmark's table.

    Args:
        name: The benchmark's name.
    """
    return home() / "tables" / f"{name}.h5"


def shipped(name: str) -> Path:
    """A file of the project's own ``data/``.

    Args:
        name: The file's name there.
    """
    return Path(__file__).parents[1] / "data" / name
