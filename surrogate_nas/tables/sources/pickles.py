"""Reading other people's pickles: only names on a source's own list are ever looked up, nothing
else is executed.

Before a pickle is loaded it is walked through, opcode by opcode: one that claims more bytes than it
has, numbers its memory otherwise than a pickler does, or goes on without an end is refused before
anything is allocated for it.
"""

from __future__ import annotations

import io
import mmap
import pickle
import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

from surrogate_nas.core.errors import UserError, reason_of
from surrogate_nas.files.paths import printable

MOST_TUPLES = 20_000
"""In a pickle of `SMALL` bytes, where a source says nothing else: the hash of tuples in tuples is
recursive, and deep enough it ends the process; a stack of 8 MB lasts for more than 100,000.
"""
SMALL = 64_000_000
"""Bytes; anything but the one large official file has less."""
_LONGEST_LINE = 1_000_000
_NUMBER_BYTES = 16


class AllowListUnpickler(pickle.Unpickler):
    """An unpickler that resolves a global only if the caller listed it, and to what the caller
    chose for it.
    """

    def __init__(
        self,
        file: IO[bytes],
        allowed: Mapping[str, object],
        origin: Path,
    ) -> None:
        """Wrap an open file."""
        super().__init__(file)
        self._allowed = allowed
        self._origin = origin

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a global of the pickle."""
        full = f"{module}.{name}"
        if full not in self._allowed:
            raise UserError(
                f"{printable(self._origin)} is refused: its pickle asks for {printable(full):.200},"
                " which data of this kind never needs. Nothing of it was executed."
            )
        return self._allowed[full]


def read_pickle(
    file: IO[bytes],
    allowed: Mapping[str, object],
    origin: Path,
    *,
    most_tuples: int = MOST_TUPLES,
) -> Any:
    """Read one pickle through an allow-list."""
    try:
        start = file.tell()
        end = _walked(file, start, most_tuples)
        file.seek(start)
        content = AllowListUnpickler(file, allowed, origin).load()
        file.seek(end)
        return content
    except UserError:
        raise
    except Exception as error:
        reason = printable(reason_of(error))
        raise UserError(f"{printable(origin)} is damaged: {reason:.300}.") from error


def read_pickle_file(
    path: Path, allowed: Mapping[str, object] | None = None, *, most_tuples: int = MOST_TUPLES
) -> Any:
    """Read a file of one pickle through an allow-list, which is empty if left out."""
    with path.open("rb") as file:
        return read_pickle(file, allowed or {}, path, most_tuples=most_tuples)


def read_pt(path: Path) -> Any:
    """A list or dict of plain numbers and strings in PyTorch's zip format, which needs neither
    PyTorch nor a class.
    """
    with ZipFile(path) as archive:
        (member,) = (
            member for member in archive.infolist() if member.filename.endswith("/data.pkl")
        )
        with archive.open(member) as packed:
            content = packed.read(SMALL + 1)
    if len(content) > SMALL:
        raise UserError(f"{path} is damaged: it unpacks to more than {SMALL / 1e6:.0f} MB.")
    return read_pickle(io.BytesIO(content), {}, path)


def _walked(file: IO[bytes], start: int, most_tuples: int) -> int:
    """The end of the pickle that begins at `start`, once it is known to be sound."""
    if isinstance(file, io.BytesIO):
        content = file.getvalue()
        return _walk(content, start, len(content), most_tuples)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _walk(mapped, start, len(mapped), most_tuples)


_PREFIXES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_FIXED = [-1] * 256
"""By opcode the bytes of its argument; -1 where these depend on it or have to be looked at."""
for _code in pickletools.opcodes:
    _FIXED[ord(_code.code)] = max(-1, _code.arg.n) if _code.arg else 0
_LENGTHS = {
    ord(code.code): _PREFIXES[code.arg.n]
    for code in pickletools.opcodes
    if code.arg and code.arg.n < -1
}
"""For opcodes whose argument says its own length: the bytes of that length."""
_LINES = {ord(code.code): 1 for code in pickletools.opcodes if code.arg and code.arg.n == -1} | {
    b"c"[0]: 2,
    b"i"[0]: 2,
}
"""For opcodes whose argument is written out: its lines."""
_STOP = b"."[0]
_PUT = b"p"[0]
_LONG_PUT = b"r"[0]
_FRAME = 0x95
_FIXED[_LONG_PUT] = _FIXED[_FRAME] = -1
_TUPLES = frozenset(b"t\x85\x86\x87")


def _walk(
    content: bytes | mmap.mmap,
    place: int,
    size: int,
    most_tuples: int,
) -> int:
    """Walk from opcode to opcode up to the end; ValueError where that leads out of the file or to
    nonsense.
    """
    begun = place
    tuples = 0
    fixed = _FIXED
    lengths = _LENGTHS
    tuple_codes = _TUPLES
    while place < size:
        code = content[place]
        place += 1
        if fixed[code] >= 0:
            place += fixed[code]
            if code in tuple_codes:
                tuples += 1
            elif code == _STOP:
                if tuples > most_tuples and place - begun <= SMALL:
                    raise ValueError(f"it holds {tuples:,} tuples, more than data of this kind")
                return place
        elif code in lengths:
            prefix = lengths[code]
            length = int.from_bytes(content[place : place + prefix], "little")
            place += prefix + length
            _check_room(length, place - length, size)
        else:
            place = _looked_at(content, code, place, begun)
    raise ValueError("it has no end")


def _looked_at(
    content: bytes | mmap.mmap,
    code: int,
    place: int,
    begun: int,
) -> int:
    """The place behind the argument of an opcode that is rare, or that must be checked."""
    if code == _LONG_PUT:
        _check_memo(int.from_bytes(content[place : place + 4], "little"), place - begun)
        return place + 4
    if code == _FRAME:
        _check_room(int.from_bytes(content[place : place + 8], "little"), place + 8, len(content))
        return place + 8
    if code not in _LINES:
        raise ValueError(f"byte {code} is no opcode")
    for _ in range(_LINES[code]):
        end = content.find(b"\n", place, place + _LONGEST_LINE)
        if end < 0:
            raise ValueError("a line of it has no end")
        line = content[place:end]
        place = end + 1
    if code == _PUT:
        _check_memo(int(line), place - begun)
    return place


def _check_memo(index: int, walked: int) -> None:
    """A pickler numbers what it remembers without gaps, so an index is never above the bytes before
    it.
    """
    if not 0 <= index <= walked:
        raise ValueError(f"it remembers an object as number {index:,} among fewer")


def _check_room(length: int, place: int, size: int) -> None:
    if length > size - place:
        raise ValueError(f"it claims {length:,} bytes and has {max(size - place, 0):,}")


def numpy_scalars() -> dict[str, object]:
    """What NumPy numbers in a pickle need."""
    import numpy as np

    return {
        "numpy.core.multiarray.scalar": _number,
        "numpy._core.multiarray.scalar": _number,
        "numpy.dtype": np.dtype,
    }


def _number(kind: Any, content: Any) -> Any:
    """One number; NumPy's own function also makes arrays of any size, and objects."""
    from numpy._core import multiarray

    if kind.kind not in "biuf" or kind.itemsize > _NUMBER_BYTES or not isinstance(content, bytes):
        raise ValueError(f"{kind} is no type of number")
    return multiarray.scalar(kind, content)
