"""Safe reading of pickles: only names on a source's allow-list are resolved, no other code runs."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

from surrogate_nas.core import UserError, reason_of
from surrogate_nas.files.whole import printable

_NUMBER_BYTES = 16


class AllowListUnpickler(pickle.Unpickler):
    """An unpickler that resolves a global name only if it is on the caller's allow-list, and then
    to the object in that list.
    """

    def __init__(
        self, file: IO[bytes], allowed: Mapping[str, object], origin: Path
    ) -> None:
        """Wrap an open file."""
        super().__init__(file)
        self._allowed = allowed
        self._origin = origin

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a global name in the pickle."""
        full = f"{module}.{name}"
        if full not in self._allowed:
            raise UserError(
                f"{printable(self._origin)} is refused: its pickle asks for {printable(full):.200},"
                " which data of this kind never needs. No code of it was executed."
            )
        return self._allowed[full]


def read_pickle(file: IO[bytes], allowed: Mapping[str, object], origin: Path) -> Any:
    """Read one pickle through an allow-list."""
    try:
        return AllowListUnpickler(file, allowed, origin).load()
    except UserError:
        raise
    except Exception as error:
        reason = printable(reason_of(error))
        raise UserError(f"{printable(origin)} is damaged: {reason:.300}.") from error


def read_pickle_file(path: Path, allowed: Mapping[str, object] | None = None) -> Any:
    """Read a file that contains one pickle, through an allow-list (empty by default)."""
    with path.open("rb") as file:
        return read_pickle(file, allowed or {}, path)


def read_pt(path: Path) -> Any:
    """Read a list or dict of plain numbers and strings in PyTorch's zip format, without PyTorch."""
    with ZipFile(path) as archive:
        (member,) = (
            member
            for member in archive.infolist()
            if member.filename.endswith("/data.pkl")
        )
        with archive.open(member) as packed:
            return read_pickle(packed, {}, path)


def numpy_scalars() -> dict[str, object]:
    """Return the entries of an allow-list that NumPy numbers in a pickle need."""
    import numpy as np

    return {
        "numpy.core.multiarray.scalar": _number,
        "numpy._core.multiarray.scalar": _number,
        "numpy.dtype": np.dtype,
    }


def _number(kind: Any, content: Any) -> Any:
    """Create one number. NumPy's own function would also create arrays of any size, and objects."""
    from numpy._core import multiarray

    if (
        kind.kind not in "biuf"
        or kind.itemsize > _NUMBER_BYTES
        or not isinstance(content, bytes)
    ):
        raise ValueError(f"{kind} is not a type of number")
    return multiarray.scalar(kind, content)
