"""A user's own file: how ``file.py:NAME`` becomes an object, for strategies, spaces and tasks alike."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from surrogate_nas.errors import UserError

_origins: dict[str, tuple[Path, str]] = {}


def import_file(path: Path, what: str) -> ModuleType:
    """Import a user's file under the name ``_WHAT_STEM``.

    Args:
        path: The file.
        what: The noun for messages, such as ``"strategy"``.

    Raises:
        UserError: There is no such file, it is no Python file, or it fails to import.
    """
    if not _is_file(path):
        raise UserError(f"There is no {what} file {str(path):.200}.")
    spec = importlib.util.spec_from_file_location(module_name(path, what), path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _origins[spec.name] = (path.absolute(), what)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a stranger's file can raise anything
        del sys.modules[spec.name], _origins[spec.name]
        said = " ".join(str(error).split())
        raise UserError(f"{path} cannot be imported: {type(error).__name__}: {said:.300}.") from error
    return module


def module_name(path: Path, what: str) -> str:
    """The name that `import_file` gives a file's module.

    Args:
        path: The file.
        what: The noun.
    """
    return f"_{what}_{path.stem}"


def origin(module: str) -> tuple[Path, str] | None:
    """The file that a module was imported from by `import_file`, and its noun; None for any other module.

    Args:
        module: The module's name.
    """
    return _origins.get(module)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False
