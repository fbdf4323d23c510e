"""The official NAS-Bench-201 file, ``NAS-Bench-201-v1_1-096897.pth`` (4.7 GB), read without
``torch.load``.

Dong & Yang, "NAS-Bench-201", ICLR 2020. The file is in the older format of ``torch.save``: a
sequence of five pickles. The five pickles are a magic number, a protocol version, facts about the
machine, the object, and the list of tensor storages (none, because the published file contains no
weights). The pickles are read through an allow-list, never executed. Tensors are refused.
"""

import os
from pathlib import Path
from typing import IO, Any

from surrogate_nas.core import UserError
from surrogate_nas.files.whole import printable
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.official import Progress, RecordTables
from surrogate_nas.tables.sources.pickles import numpy_scalars, read_pickle

PREFIX = "nb201full"
MEMORY_PER_BYTE = 6
"""Bytes of memory per byte of the file.

The 4.7 GB file needs about 28 GB, as published. In a test with 900 real records, the factor was 5.
"""
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_ZIP = b"PK\x03\x04"


def memory_needed(path: Path) -> int:
    """Estimate the peak memory that `read` uses, in bytes."""
    if not os.path.isfile(path):
        raise UserError(
            f"There is no file {printable(path)}; the official file is called"
            " NAS-Bench-201-v1_1-096897.pth."
        )
    return MEMORY_PER_BYTE * path.stat().st_size


def read(path: Path, progress: Progress | None = None) -> list[Table]:
    """Read the file into the tables ``nb201full-{cifar10,cifar100,imagenet16}``.

    The whole file is unpickled first (see `memory_needed`). Each record is released from memory
    after its numbers are read. A data set without values has no table.
    """
    try:
        with path.open("rb") as file:
            records = _records(file, path)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    tables = RecordTables(
        PREFIX,
        "NAS-Bench-201",
        f"official file {path.name} (github.com/D-X-Y/NAS-Bench-201), imported",
    )
    total = len(records)
    for done, index in enumerate(sorted(records), start=1):
        tables.add(records.pop(index), f"{path} (architecture {index})")
        if progress:
            progress(done, total)
    results = tables.tables()
    if not results:
        raise UserError(
            f"{path} contains no results of CIFAR-10, CIFAR-100 or ImageNet16-120."
        )
    return results


def _records(file: IO[bytes], path: Path) -> dict[int, Any]:
    """Return the file's ``arch2infos``: by index, state dicts of ``ArchResults`` by run."""
    start = file.read(len(_ZIP))
    if start == _ZIP:
        raise UserError(
            f"{path} is in the newer zip format of torch.save, but the published NAS-Bench-201 file"
            " is in the older format. Download it again, or save it with"
            " _use_new_zipfile_serialization=False."
        )
    file.seek(0)
    if (
        read_pickle(file, {}, path) != _MAGIC
        or read_pickle(file, {}, path) != _PROTOCOL
    ):
        raise UserError(f"{path} was not written by torch.save.")
    read_pickle(file, {}, path)
    allowed = {
        **numpy_scalars(),
        "_codecs.encode": _latin1,
        "collections.OrderedDict": dict,
        "__builtin__.set": set,
        "builtins.set": set,
    }
    content = read_pickle(file, allowed, path)
    if read_pickle(file, {}, path) != []:
        raise UserError(
            f"{path} is refused: it contains tensors, but the published file does not."
        )
    records = content.get("arch2infos") if isinstance(content, dict) else None
    if not isinstance(records, dict) or not all(
        isinstance(index, int) for index in records
    ):
        raise UserError(
            f"{path} is not a NAS-Bench-201 file: it has no arch2infos by architecture."
        )
    content.clear()
    return records


def _latin1(text: str, encoding: str) -> bytes:
    """Encode bytes as a pickle of protocol 2 does, the only allowed use of ``_codecs.encode``."""
    if encoding != "latin1":
        raise ValueError(f"unexpected encoding {encoding!r}")
    return text.encode("latin1")
