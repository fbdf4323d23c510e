"""A user's own file: how ``file.py:NAME`` becomes an object, for strategies, spaces and tasks
alike.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from surrogate_nas.core.errors import UserError, in_a_line

_origins: dict[str, tuple[Path, str]] = {}


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
    name = module_name(path, what)
    spec = importlib.util.spec_from_file_location(
        name, path, loader=_FromSource(name, str(path))
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _origins[spec.name] = (path.absolute(), what)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[spec.name], _origins[spec.name]
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


def module_name(path: Path, what: str) -> str:
    """The name that `import_file` gives a file's module."""
    return f"_{what}_{path.stem}"


def origin(module: str) -> tuple[Path, str] | None:
    """The file that a module was imported from by `import_file`, and its noun; None for any other
    module.
    """
    return _origins.get(module)


def check_file(path: Path, what: str) -> None:
    """Refuse what is no Python file: a `UserError`."""
    try:
        there = path.is_file()
    except OSError:  # such as a name that is too long
        there = False
    if not there:
        raise UserError(f"There is no {what} file {str(path):.200}.")
    if path.suffix != ".py":
        raise UserError(f"{path} is not a Python file.")
