"""A NATS-Bench folder (``NATS-tss-v1_0-3ffb9-simple`` or ``NATS-sss-v1_0-50262-simple``), read one
record at a time.

Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI
2021, describe the benchmark. The folder contains a file ``NNNNNN.pickle.pbz2`` per architecture. If
only some of the files exist, the table contains the architectures of these files. The pickle files
are read through an allow-list, never executed.
"""

import bz2
import io
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from surrogate_nas.core import UserError
from surrogate_nas.files.whole import printable
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.official import (
    SIZE,
    TOPOLOGY,
    Progress,
    Records,
    RecordTables,
    kind_of,
)
from surrogate_nas.tables.sources.pickles import numpy_scalars, read_pickle

PREFIXES = {TOPOLOGY.space: "nats", SIZE.space: "nats-size"}
_RECORD = re.compile(r"\d{6}\.pickle\.pbz2")
_MOST = 64_000_000


def read(folder: Path, progress: Progress | None = None) -> list[Table]:
    """Read a folder into the tables ``nats-cifar10``, ``nats-cifar100`` and ``nats-imagenet16``.

    The tables of the size space are named ``nats-size-cifar10`` and so on.
    """
    allowed = {**numpy_scalars(), "collections.OrderedDict": dict}
    files = _records(folder)
    kind = _kind(_load(files[0], allowed))
    short = "size space" if kind is SIZE else "topology space"
    source = "NATS-Bench folder (github.com/D-X-Y/NATS-Bench), imported"
    tables = RecordTables(PREFIXES[kind.space], f"NATS-Bench, {short}", source, kind)
    for done, path in enumerate(files, start=1):
        tables.add(_load(path, allowed), str(path))
        if progress:
            progress(done, len(files))
    results = tables.tables()
    if not results:
        raise UserError(
            f"The records in {folder} contain no results of CIFAR-10, CIFAR-100 or ImageNet16-120."
        )
    return results


def _records(folder: Path) -> list[Path]:
    """Return the record files of a folder, in order."""
    if not os.path.exists(folder):
        raise UserError(f"There is no folder {printable(folder)}.")
    if not os.path.isdir(folder):
        raise UserError(
            f"{folder} is a file: unpack the NATS-Bench archive and give the resulting folder."
        )
    try:
        files = sorted(
            path for path in folder.iterdir() if _RECORD.fullmatch(path.name)
        )
        inside = sorted(path.name for path in folder.glob("NATS-*") if path.is_dir())
    except OSError as error:
        raise UserError(f"{folder} cannot be imported: {error.strerror}") from error
    if not files:
        hint = f" Did you mean the folder {inside[0]} in it?" if inside else ""
        raise UserError(
            f"{folder} cannot be imported: it contains no records (NNNNNN.pickle.pbz2).{hint}"
        )
    return files


def _kind(record: Any) -> Records:
    """Return the kind of records, from the architecture of the first record."""
    with suppress(AttributeError, StopIteration):
        return kind_of(str(next(iter(record.values())).get("arch_str", ""))) or TOPOLOGY
    return TOPOLOGY


def _load(path: Path, allowed: dict[str, object]) -> Any:
    """Unpack and read one file of at most 64 MB."""
    shown = printable(path)
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {shown}: {error.strerror}.") from error
    decompressor = bz2.BZ2Decompressor()
    try:
        raw = decompressor.decompress(packed, _MOST)
    except OSError as error:
        raise UserError(f"{shown} is damaged: {error}.") from error
    if not decompressor.eof:
        raise UserError(
            f"{shown} is damaged: it is cut off or unpacks to more than 64 MB."
        )
    return read_pickle(io.BytesIO(raw), allowed, path)
