"""Zip files: this module writes them reproducibly, and checks them while reading, because their
origin may be unknown.

The end of a zip file is checked before its list of members is read. Every member of a zip file must
be a plain file with a relative name, and must decompress to exactly its stated size.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from surrogate_nas.core import UserError
from surrogate_nas.files.whole import open_regular, replacing

_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\5\6"
_LARGE_MARK = b"PK\6\7"
# of what stands before the end of a zip file of the large kind
_LARGE_BYTES = 20
_ENCRYPTED = 1
_ALWAYS = (1980, 1, 1, 0, 0, 0)
_PLAIN = 0o100644 << 16
_KINDS = 0o170000
_REGULAR = 0o100000
_LONGEST_NAME = 1000
# characters of a member's name, and bytes of its entry in the list
_LONGEST_ENTRY = 1200
_NO_ZIP = (
    BadZipFile,
    struct.error,
    zlib.error,
    ValueError,
    NotImplementedError,
    EOFError,
)


class Limits(NamedTuple):
    """The limits on the size of a zip file and its members.

    Attributes:
        members: Maximum number of files in the zip file.
        packed: Maximum size of the zip file in bytes.
        file: Maximum uncompressed size of one file in bytes.
        unpacked: Maximum total uncompressed size of all files in bytes.
        ratio: Maximum compression ratio: the total uncompressed size divided by the size of the zip
            file.
    """

    members: int = 20_000
    packed: int = 100_000_000
    file: int = 50_000_000
    unpacked: int = 500_000_000
    ratio: int = 100


LIMITS = Limits()


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Write a zip file atomically.

    The bytes of the file depend only on the members' names and contents.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    with replacing(path) as temporary, ZipFile(temporary, "w", compresslevel=9) as file:
        for name, content in members:
            member = ZipInfo(name, _ALWAYS)
            member.external_attr = _PLAIN
            member.compress_type = ZIP_DEFLATED
            file.writestr(member, content)
    return path


def read_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    """Check all members of a zip file, and yield their names and contents.

    Raises:
        UserError: The file is not a zip file or is too large, or a member of the zip file is
            invalid. A member is invalid if its path is outside the folder, if it is not a plain
            file, or if it differs from its stated size.
    """
    try:
        with open_regular(path) as file:
            size = _check_end(path, file)
            with ZipFile(file) as archive:
                members = archive.infolist()
                _check_members(path, members, size)
                for member in members:
                    yield member.filename, archive.read(member)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UserError:
        raise
    except _NO_ZIP as error:
        raise UserError(f"{path} is damaged or not a zip file: {error}.") from error


def _check_end(path: Path, file: BinaryIO) -> int:
    """Check the end of a file, and return its size."""
    size = file.seek(0, 2)
    if size > LIMITS.packed:
        raise UserError(f"{path} has {size:,} bytes; the maximum is {LIMITS.packed:,}.")
    tail = min(size, _END.size + _LARGE_BYTES)
    file.seek(size - tail)
    last = file.read()
    mark, disk, begins, on_disk, count, listed, start, comment = _END.unpack(
        last[-_END.size :]
    )
    if mark != _END_MARK or comment or disk or begins or on_disk != count:
        raise BadZipFile("its end is not that of a plain zip file")
    if last[: -_END.size].startswith(_LARGE_MARK) or count > LIMITS.members:
        raise UserError(
            f"{path} contains too many files; the maximum is {LIMITS.members:,}."
        )
    if start + listed != size - _END.size or listed > count * _LONGEST_ENTRY:
        raise BadZipFile("its list is longer than it states")
    return size


def _check_members(path: Path, members: Iterable[ZipInfo], packed: int) -> None:
    names = set()
    total = 0
    for member in members:
        if wrong := _wrong_with(member):
            raise UserError(
                f"{path} contains {member.orig_filename!r:.120}, which is {wrong}."
            )
        has = f"{path} contains {member.filename!r:.120}"
        if member.filename.casefold() in names:
            raise UserError(f"{has} twice.")
        names.add(member.filename.casefold())
        if member.file_size > LIMITS.file:
            raise UserError(
                f"{has} of {member.file_size:,} bytes; the maximum is {LIMITS.file:,}."
            )
        total += member.file_size
    if total > LIMITS.unpacked or total > LIMITS.ratio * packed:
        raise UserError(
            f"{path} states {total:,} bytes, compressed to {packed:,}. The maximum is"
            f" {LIMITS.unpacked:,} bytes and a compression ratio of {LIMITS.ratio}."
        )


def _wrong_with(member: ZipInfo) -> str:
    name = member.orig_filename
    parts = name.split("/")
    kind = member.external_attr >> 16 & _KINDS
    is_long = len(name) > _LONGEST_NAME
    wrong = {
        "not a valid name of a file": is_long
        or not name.isprintable()
        or {"\\", ":"} & {*name},
        "outside its folder": not all(parts) or {".", ".."} & {*parts},
        "a link or a device, not a file": kind not in (0, _REGULAR),
        "encrypted": member.flag_bits & _ENCRYPTED,
        "compressed by a method other than deflate": (
            member.compress_type not in (ZIP_STORED, ZIP_DEFLATED)
        ),
    }
    return next((text for text, is_so in wrong.items() if is_so), "")
