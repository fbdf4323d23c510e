"""HDF5 files of unknown origin: this module reads only plain values in the file itself.

The HDF5 library follows links to other files, reads raw data from anywhere, and decompresses a
chunk to any size. This module follows only hard links in an HDF5 file. It reads a dataset only if
the dataset's shape, type and storage are as expected and not larger than the file. A chunk is
decompressed only up to its declared size.
"""

import io
import os
import weakref
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from surrogate_nas.core import UserError, reason_of
from surrogate_nas.files.formats import FORMATS, RELEASE, check_version, this_release
from surrogate_nas.files.whole import open_regular, printable, write_whole

LIBVER = ("v110", "v110")
"""The HDF5 version to write, the first in which HDF5 stores checksums of its structure."""
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS: tuple[list[int], ...] = (
    [],
    [h5py.h5z.FILTER_DEFLATE],
    [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE],
)


# elsewhere a file is opened by its path for every reading
_CAN_STAY_OPEN = os.path.isdir("/proc/self/fd")


@contextmanager
def writing(path: Path, kind: str, **texts: str) -> Iterator[h5py.File]:
    """Yield a new HDF5 file, which replaces `path` when the block ends.

    Raises:
        UserError: The folder cannot be written, or the disk is full.
    """
    # HDF5 itself does not survive a full disk, so it writes to memory
    image = io.BytesIO()
    with h5py.File(image, "w", libver=LIBVER) as file:
        # HDF5 2.0.0 cannot write some files of thousands of data sets, such as the table lcdb-1461,
        # if it evicts their metadata from its cache. The file is in memory anyway.
        cache = file.id.get_mdc_config()
        cache.evictions_enabled = False
        cache.incr_mode = cache.flash_incr_mode = cache.decr_mode = 0
        file.id.set_mdc_config(cache)
        file.attrs["version"] = FORMATS[kind].version
        label = f"surrogate_nas {FORMATS[kind].what}"
        set_texts(file, {"format": label, RELEASE: this_release(), **texts})
        yield file
    write_whole(path, image.getvalue())


def is_of(path: Path, kind: str) -> bool:
    """Return whether an HDF5 file declares the given format.

    Return False if the file is unreadable.
    """
    with suppress(Exception), OpenFile(path, kind).opened() as file:
        return _label(file, "format") == f"surrogate_nas {FORMATS[kind].what}"
    return False


class OpenFile:
    """An HDF5 file that stays open, so that every read sees the same content even if the file is
    replaced.

    The file is closed when the object is deleted.

    Attributes:
        path: The path of the file when it was opened.
    """

    def __init__(self, path: Path, kind: str) -> None:
        """Open a file of a format of `FORMATS`.

        Raises:
            UserError: The path is not a regular file, or the file cannot be read.
        """
        self.path = path
        self._kind = kind
        self._descriptor = -1
        with self._guarded(), open_regular(path) as file:
            if _CAN_STAY_OPEN:
                self._descriptor = os.dup(file.fileno())
                weakref.finalize(self, os.close, self._descriptor)

    @contextmanager
    def opened(self) -> Iterator[h5py.File]:
        """Open the file as HDF5 without checking its format.

        A damaged file can cause any exception.
        """
        path = f"/proc/self/fd/{self._descriptor}" if _CAN_STAY_OPEN else self.path
        # a position of its own, which threads and forks do not share
        with open(path, "rb") as raw:
            if raw.read(len(_SIGNATURE)) != _SIGNATURE:
                raise ValueError("it is not an HDF5 file")
            with h5py.File(raw, "r") as file:
                yield file

    @contextmanager
    def reading(self) -> Iterator[h5py.File]:
        """Open the file as HDF5. An exception in the block is reported as a damaged file.

        Raises:
            UserError: The file is damaged, or has another format or version.
        """
        format_ = FORMATS[self._kind]
        with self._guarded(), self.opened() as file:
            version = number(file, "version") if "format" in file.attrs else None
            # the first version wrote its texts in another way
            is_first = version == 1 < format_.version
            is_ours = (
                is_first or _label(file, "format") == f"surrogate_nas {format_.what}"
            )
            if version is None or not is_ours:
                raise UserError(
                    f"{printable(self.path)} is not a surrogate_nas {format_.what}."
                )
            check_version(self.path, self._kind, version, _label(file, RELEASE))
            yield file

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            format_ = FORMATS[self._kind]
            raise UserError(
                f"The {format_.what} {printable(self.path)} is damaged"
                f" ({reason_of(error):.300}). {format_.older}"
            ) from error


def child(group: h5py.Group, name: str) -> Any:
    """Return a group or dataset that a group of an HDF5 file contains.

    Raises:
        LookupError: The group does not contain the name, or the name is a link to another place.
    """
    if not isinstance(group, h5py.Group) or "/" in name:
        raise LookupError(f"there is no group that could contain {name}")
    link = group.get(name, getlink=True)
    if link is None:
        raise LookupError(f"it has no {name}")
    if not isinstance(link, h5py.HardLink):
        raise LookupError(f"{name} is a link to another place")
    return group[name]


def set_texts(item: h5py.Group, texts: Mapping[str, str]) -> None:
    """Write text attributes of fixed length.

    HDF5 would store text of variable length without checksums.
    """
    for name, value in texts.items():
        content = value.encode()
        kind = h5py.string_dtype("utf-8", max(1, len(content)))
        item.attrs.create(name, np.array(content, dtype=kind), dtype=kind)


def text(item: h5py.Group, name: str) -> str:
    """Read an HDF5 attribute that is one text, as `set_texts` writes it.

    Raises:
        ValueError: The attribute is missing or not a text.
    """
    return str(_scalar(item, name, "S").decode())


def _label(item: h5py.Group, name: str) -> str:
    with suppress(ValueError):
        return text(item, name)
    return ""


def number(item: h5py.Group, name: str) -> int:
    """Read an HDF5 attribute that is one whole number.

    Raises:
        ValueError: The attribute is missing or not a whole number.
    """
    return int(_scalar(item, name, "iu"))


def _scalar(item: h5py.Group, name: str, kinds: str) -> Any:
    if name not in item.attrs:
        raise ValueError(f"it has no attribute {name}")
    attribute = item.attrs.get_id(name)
    is_plain = attribute.shape == () and attribute.dtype.kind in kinds
    if not is_plain or attribute.get_storage_size() > _size(item):
        raise ValueError(f"the attribute {name} is not one text or whole number")
    return item.attrs[name]


def array(
    dataset: h5py.Dataset,
    shape: tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
) -> NDArray[Any]:
    """Return the values of an HDF5 dataset that is contiguous, or one-dimensional in gzip chunks.

    Args:
        dataset: The dataset.
        shape: The required shape, or None to accept any shape that fits into the file.
        dtype: The required type of the values, or None to accept any numeric type.

    Raises:
        ValueError: `dataset` is not a dataset, or its shape, type or storage is not as required.
    """
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise ValueError(
            f"{getattr(dataset, 'name', 'something')} is not a dataset of values"
        )
    wanted = dataset.shape if shape is None else shape, np.dtype(dtype or dataset.dtype)
    if wanted != (dataset.shape, dataset.dtype) or dataset.dtype.kind not in "iufb":
        raise ValueError(
            f"{dataset.name} has the wrong type or shape: {dataset.dtype} of shape {dataset.shape}"
        )
    settings = dataset.id.get_create_plist()
    if (
        settings.get_layout() == h5py.h5d.CHUNKED
        and shape is not None
        and len(shape) == 1
    ):
        return _unpacked(dataset, settings)
    if settings.get_layout() != h5py.h5d.CONTIGUOUS or settings.get_external_count():
        raise ValueError(f"{dataset.name} is not stored in one piece in this file")
    stored = dataset.id.get_storage_size() if dataset.size else dataset.nbytes
    if stored != dataset.nbytes or stored > _size(dataset):
        raise ValueError(f"{dataset.name} is larger than its data in the file")
    return np.asarray(dataset[()])


def _unpacked(dataset: h5py.Dataset, settings: Any) -> NDArray[Any]:
    """Decompress chunk by chunk. HDF5 itself would decompress a chunk to any size."""
    (n,), (length,), item = dataset.shape, settings.get_chunk(), dataset.dtype.itemsize
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    if filters not in _FILTERS or not 1 <= length <= n:
        raise ValueError(f"{dataset.name} is compressed by an unsupported method")
    values = np.empty(-(-n // length) * length, dtype=dataset.dtype)
    for start in range(0, n, length):
        chunk = dataset.id.get_chunk_info_by_coord((start,))
        if (
            chunk.byte_offset is None
            or chunk.size > _size(dataset)
            or chunk.filter_mask
        ):
            raise ValueError(f"{dataset.name} lacks a valid chunk")
        raw = bytes(dataset.id.read_direct_chunk((start,))[1])
        raw = (
            _inflated(raw, length * item) if h5py.h5z.FILTER_DEFLATE in filters else raw
        )
        if len(raw) != length * item:
            raise ValueError(f"{dataset.name} has a chunk of the wrong size")
        if h5py.h5z.FILTER_SHUFFLE in filters:
            raw = np.frombuffer(raw, dtype=np.uint8).reshape(item, length).T.tobytes()
        values[start : start + length] = np.frombuffer(raw, dtype=dataset.dtype)
    return values[:n].copy() if len(values) > n else values


def _inflated(packed: bytes, size: int) -> bytes:
    inflate = zlib.decompressobj()
    content = inflate.decompress(packed, size)
    if inflate.decompress(inflate.unconsumed_tail, 1) or not inflate.eof:
        raise ValueError("a chunk decompresses to the wrong size")
    return content


def _size(item: h5py.HLObject) -> int:
    return int(item.file.id.get_filesize())
