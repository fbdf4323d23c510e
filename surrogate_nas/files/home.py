"""Where fetched and imported data lives, and what the project ships."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "SURROGATE_NAS_HOME"


def home() -> Path:
    """The folder of fetched and imported data: ``SURROGATE_NAS_HOME``, or the user's data folder."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("surrogate_nas"))


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
