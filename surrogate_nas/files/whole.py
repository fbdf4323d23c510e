"""Paths of files, reading of files of unknown origin, and atomic replacement of files.

Only regular files are read, never a FIFO (named pipe), which might never end. Even after a power
cut, a replaced file has either its new or its old content.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

import platformdirs

from surrogate_nas.core import UserError

HOME_VARIABLE = "SURROGATE_NAS_HOME"
"""The environment variable with the path of the data directory."""


def home() -> Path:
    """Return the data directory, which contains fetched and imported data.

    The data directory is ``SURROGATE_NAS_HOME`` if this variable is set, or else a folder in the
    system's standard place for user data.

    Raises:
        UserError: The path starts with ``~NAME``, and there is no user with this name.

    Example:
        >>> table_path("nb201-cifar10").is_relative_to(home())
        True
    """
    path = os.environ.get(HOME_VARIABLE)
    return expanded(path) if path else Path(platformdirs.user_data_dir("surrogate_nas"))


def expanded(path: str) -> Path:
    """Expand ``~`` in a path that a user wrote."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{path} names a user who does not exist. Write the path without ~."
        ) from error


def table_path(name: str) -> Path:
    """Return the path of a benchmark's table in the data directory."""
    return home() / "tables" / f"{name}.h5"


def shipped(name: str) -> Path:
    """Return the path of a data file that ships with the package.

    Example:
        >>> shipped("fashion.h5").is_file()
        True
    """
    return Path(__file__).parents[1] / "data" / name


def printable(text: object) -> str:
    r"""Return a text that every terminal can show: characters that are invalid in UTF-8 are
    escaped.

    Example:
        >>> print(printable("a\0b"))
        a\0b
    """
    return str(text).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading. The caller must close the file.

    Raises:
        OSError: The path is not a regular file, does not exist, or cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "It is not a regular file", str(path))


def read_regular(path: Path) -> bytes:
    """Read a regular file.

    Raises:
        OSError: The path is not a regular file, does not exist, or cannot be read.

    Example:
        >>> read_regular(shipped("manifest.json"))[:1]
        b'{'
    """
    with open_regular(path) as file:
        return file.read()


# where a file system cannot do it, there is nothing to be done
_NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP)


@contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yield a temporary file, which replaces `path` if the block ends without an exception.

    Args:
        path: The file to create or replace.
        lasting: Whether to wait until the file is on the disk. If False, a power cut may leave an
            empty file.

    Raises:
        UserError: The folder cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> path = write_whole(Path(tempfile.mkdtemp()) / "a.txt", "old")
        >>> with replacing(path) as temporary:
        ...     _ = temporary.write_text("new")
        >>> path.read_text()
        'new'
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}-{token_hex(4)}.part")
        part.open("xb").close()  # the system gives it the permissions of any new file
        temporary = part
        yield temporary
        if lasting:
            sync_path(temporary)
        os.replace(temporary, path)
        if lasting:
            sync_path(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"Cannot write {path}: {reason}. It was not changed."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes, *, lasting: bool = True) -> Path:
    """Write a file atomically. Characters that UTF-8 cannot encode are written as escapes.

    Args:
        path: The file to write. The folder of the file is created if necessary.
        content: The content of the file, a text or bytes.
        lasting: Whether to wait until the file is on the disk, as in `replacing`.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    if isinstance(content, str):
        content = content.encode(errors="backslashreplace")
    with replacing(path, lasting=lasting) as temporary:
        temporary.write_bytes(content)
    return path


def sync(descriptor: int) -> None:
    """Wait until an open file is on the disk.

    Raises:
        OSError: The disk is full or broken.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise


def sync_path(path: Path) -> None:
    """Wait until a file, or a folder's list of file names, is on the disk.

    Raises:
        OSError: The disk is full or broken, or the path does not exist.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
