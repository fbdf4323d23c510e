"""Reading other people's pickles: only names on a source's own list are ever looked up, nothing else is executed."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from surrogate_nas.errors import UserError


class AllowListUnpickler(pickle.Unpickler):
    """An unpickler that resolves a global only if the caller listed it, and to what the caller chose for it."""

    def __init__(self, file: IO[bytes], allowed: Mapping[str, object], origin: Path) -> None:
        """Wrap an open file.

        Args:
            file: The pickle, opened in binary.
            allowed: For every permitted ``module.name`` the object that stands for it.
            origin: The file's path, for messages.
        """
        super().__init__(file)
        self._allowed = allowed
        self._origin = origin

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a global of the pickle.

        Args:
            module: Its module.
            name: Its name there.

        Raises:
            UserError: It is not on the list.
        """
        full = f"{module}.{name}"
        if full not in self._allowed:
            raise UserError(
                f"{self._origin} is refused: its pickle asks for {full}, which data of this kind never needs. "
                "Nothing of it was executed."
            )
        return self._allowed[full]


def read_pickle(file: IO[bytes], allowed: Mapping[str, object], origin: Path) -> Any:
    """Read one pickle through an allow-list.

    Args:
        file: The pickle, opened in binary.
        allowed: For every permitted ``module.name`` the object that stands for it.
        origin: The file's path, for messages.

    Raises:
        UserError: The pickle asks for anything else, or it is damaged.
    """
    try:
        return AllowListUnpickler(file, allowed, origin).load()
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle can raise anything
        raise UserError(f"{origin} is damaged: {str(error) or type(error).__name__}.") from error


def numpy_scalars() -> dict[str, object]:
    """What NumPy numbers in a pickle need."""
    import numpy as np
    from numpy._core import multiarray

    scalar = multiarray.scalar
    return {
        "numpy.core.multiarray.scalar": scalar,
        "numpy._core.multiarray.scalar": scalar,
        "numpy.dtype": np.dtype,
    }
