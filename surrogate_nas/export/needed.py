"""A library that only one format needs."""

from __future__ import annotations

from importlib.util import find_spec

from surrogate_nas.errors import UserError


def needed(extra: str, *modules: str) -> None:
    """Refuse to begin where a library is missing.

    Args:
        extra: The extra of this project that installs it.
        modules: What must be importable.

    Raises:
        UserError: One of them is not.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        raise UserError(f"This export needs {missing[0]}: pip install 'surrogate-nas[{extra}]'.")
