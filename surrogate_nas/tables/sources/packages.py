"""Installed packages whose files are read as data; their code is never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from surrogate_nas.core import extras
from surrogate_nas.core.errors import UserError


def is_installed(package: tuple[str, str] | tuple[()]) -> bool:
    """Whether a package is there.

    Args:
        package: As pip and as Python call it; empty for none.
    """
    return len(package) == 2 and extras.is_installed(package[1])


def package_folder(package: tuple[str, str]) -> Path:
    """Where a package's files lie.

    Args:
        package: As pip and as Python call it.

    Raises:
        UserError: It is not installed.
    """
    spec = importlib.util.find_spec(package[1])
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"The package {package[0]} is not installed: {extras.command(package[1], package[0])}.")
    return Path(spec.submodule_search_locations[0])
