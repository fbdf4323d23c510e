"""A NATS-Bench topology folder (``NATS-tss-v1_0-3ffb9-simple``), read one record at a time.

Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI 2021. The folder holds
``meta.pickle.pbz2`` and a file ``NNNNNN.pickle.pbz2`` per architecture; a part of them imports what it holds. The
pickles are read through an allow-list, never executed. Memory stays that of one record and the columns.
"""

from __future__ import annotations

import bz2
import io
import os
import re
from pathlib import Path
from typing import Any

from surrogate_nas.errors import UserError
from surrogate_nas.files.paths import printable
from surrogate_nas.sources.official import Progress, RecordTables, refuse_size_space
from surrogate_nas.sources.pickles import SMALL, numpy_scalars, read_pickle
from surrogate_nas.table import Table

PREFIX = "nats"
_RECORD = re.compile(r"\d{6}\.pickle\.pbz2")
_META = "meta.pickle.pbz2"


def read(folder: Path, progress: Progress | None = None) -> list[Table]:
    """Read a folder into the tables ``nats-cifar10``, ``nats-cifar100`` and ``nats-imagenet16``.

    A data set that no record holds anything of has no table.

    Args:
        folder: The unpacked folder.
        progress: Called with (records done, records in all).

    Raises:
        UserError: It is not a topology folder, holds no records, or a record is damaged or refused.
    """
    files = _records(folder)
    tables = RecordTables(
        PREFIX, "NATS-Bench, topology space", "NATS-Bench folder (github.com/D-X-Y/NATS-Bench), imported", "MIT"
    )
    allowed = {**numpy_scalars(), "collections.OrderedDict": dict}
    for done, path in enumerate(files, start=1):
        tables.add(_load(path, allowed), str(path))
        if progress:
            progress(done, len(files))
    made = tables.tables()
    if not made:
        raise UserError(f"The records in {folder} hold no results of CIFAR-10, CIFAR-100 or ImageNet16-120.")
    return made


def _records(folder: Path) -> list[Path]:
    """The record files of a topology folder, in order."""
    if not os.path.exists(folder):
        raise UserError(f"There is no folder {printable(folder)}.")
    if not os.path.isdir(folder):
        raise UserError(f"{folder} is a file: unpack the NATS-Bench archive and give the folder that it makes.")
    try:
        refuse_size_space(folder.resolve().name)
        meta = folder / _META
        architectures = _load(meta, {})["meta_archs"] if meta.exists() else []
        refuse_size_space(str(architectures[0]) if architectures else "")
        files = sorted(path for path in folder.iterdir() if _RECORD.fullmatch(path.name))
        if not files:
            inside = sorted(path.name for path in folder.glob("NATS-*") if path.is_dir())
            hint = f" Did you mean the folder {inside[0]} in it?" if inside else ""
            raise UserError(f"it holds no records (NNNNNN.pickle.pbz2).{hint}")
    except (UserError, OSError) as error:
        raise UserError(f"{folder} cannot be imported: {getattr(error, 'strerror', None) or error}") from error
    except (LookupError, TypeError, RecursionError) as error:
        raise UserError(f"{meta} is not NATS-Bench's list of architectures.") from error
    return files


def _load(path: Path, allowed: dict[str, object]) -> Any:
    """Unpack and read one file, which is small also when unpacked."""
    shown = printable(path)
    try:
        with path.open("rb") as file:
            packed = file.read(SMALL + 1)
    except OSError as error:
        raise UserError(f"Cannot read {shown}: {error.strerror}.") from error
    unpacker = bz2.BZ2Decompressor()
    try:
        raw = unpacker.decompress(packed, SMALL)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{shown} is damaged: {error}.") from error
    if not unpacker.eof:
        wrong = f"unpacks to more than {SMALL / 1e6:.0f} MB" if len(raw) >= SMALL else "is cut off"
        raise UserError(f"{shown} is damaged: it {wrong}.")
    return read_pickle(io.BytesIO(raw), allowed, path)
