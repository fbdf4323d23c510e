"""A user's own file: how ``file.py:NAME`` becomes an object, for strategies and tasks alike."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from surrogate_nas.errors import UserError


def import_file(path: Path, what: str) -> ModuleType:
    """Import a user's file under the name ``_WHAT_STEM``.

    Args:
        path: The file.
        what: The noun for messages, such as ``"strategy"``.

    Raises:
        UserError: There is no such file, it is no Python file, or it fails to import.
    """
    if not os.path.isfile(path):  # unlike Path.is_file, false also for a name that no file can have
        raise UserError(f"There is no {what} file {path}.")
    spec = importlib.util.spec_from_file_location(f"_{what}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - a stranger's file can raise anything
        raise UserError(f"{path} cannot be imported: {type(error).__name__}: {error}.") from error
    return module
