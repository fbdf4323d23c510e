"""A user's own file: how ``file.py:NAME`` becomes an object, for strategies, spaces and tasks
alike.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from surrogate_nas.core.errors import UserError, in_a_line

_names: set[str] = set()


def import_file(path: Path, what: str) -> ModuleType:
    """Import a user's file under the name ``_WHAT_STEM``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine.py"
        ...     _ = path.write_text("WIDTHS = (16, 64)")
        ...     import_file(path, "space").WIDTHS
        (16, 64)
    """
    check_file(path, what)
    name = f"_{what}_{path.stem}"
    spec = spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    _names.add(name)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise UserError(f"{path} cannot be imported: {in_a_line(error)}.") from error
    return module


def absolute(name: str) -> str:
    """``file.py:NAME`` with the absolute path of the file; any other name unchanged."""
    path, separator, attribute = name.rpartition(":")
    return f"{Path(path).absolute()}:{attribute}" if separator else name


class _FromSource(SourceFileLoader):
    """Compiles the file without a cache, which would miss an edit within the same second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def is_users_file(module: str) -> bool:
    """Whether `import_file` imported a module."""
    return module in _names


def check_file(path: Path, what: str) -> None:
    """Raise a `UserError` for what is no Python file."""
    if not os.path.isfile(path):  # also for a name that is too long
        raise UserError(f"There is no {what} file {str(path):.200}.")
    if path.suffix != ".py":
        raise UserError(f"{path} is not a Python file.")
