"""Classification of DNA: does an intron end or begin in the middle of these 60 bases?

The sequences are primate splice junctions of GenBank 64.1 (Noordewier, Towell and Shavlik, NIPS
1991; UCI, CC BY 4.0) in the form of the Statlog project, a base as three bits, which R's package
mlbench carries. Its file is read without R. Equal sequences are kept once.
"""

from __future__ import annotations

import lzma
import os
from pathlib import Path

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.home import expanded
from surrogate_nas.training.tasks.base import Schedule, Task, split_images
from surrogate_nas.training.tasks.checking import Split

BASES = 60
MLBENCH_VARIABLE = "SURROGATE_NAS_MLBENCH"
"""Names the folder of R's package mlbench, before the folders where R installs it are tried."""
_FOLDERS = [Path(f"/usr/{local}lib/R/site-library/mlbench") for local in ("", "local/")]
_ROWS = 3186
_COLUMNS = 3 * BASES + 1
_FACTOR = bytes.fromhex("0000030d")
"""How a factor's numbers begin in R's file format: flags and type."""
_SIZES = (1000, 900)


def file() -> Path | None:
    """The file of R's package mlbench; None where the package is not here."""
    named = os.environ.get(MLBENCH_VARIABLE)
    own = [expanded(named)] if named else []
    files = [folder / "data" / "DNA.rda" for folder in (*own, *_FOLDERS)]
    return next((file for file in files if file.is_file()), None)


def factors(content: bytes) -> np.ndarray:
    """The numbers of all columns of the data frame, from 0, shape ``(3186, 181)``.

    Args:
        content: Of the file, uncompressed: every column is a head, how many rows, and a number from
            1 of four bytes for each.
    """
    head = _FACTOR + _ROWS.to_bytes(4, "big")
    columns = []
    start = content.find(head)
    while start >= 0 and start + len(head) + 4 * _ROWS <= len(content):
        columns.append(np.frombuffer(content, ">i4", _ROWS, start + len(head)) - 1)
        start = content.find(head, start + len(head) + 4 * _ROWS)
    if len(columns) != _COLUMNS:
        raise UserError(
            f"mlbench's file DNA.rda is damaged: it has {len(columns)} of {_COLUMNS} columns."
        )
    return np.stack(columns, 1).astype(np.int64)


def load() -> dict[str, Split]:
    """Bases as a channel each, 60 positions: 1,000 / 900 / the rest."""
    path = file()
    if path is None:
        raise UserError(
            "The task splice needs R's package mlbench: apt-get install r-cran-mlbench; or"
            f" {MLBENCH_VARIABLE} names the folder of the package, unpacked without R."
        )
    try:
        content = lzma.decompress(path.read_bytes())
    except lzma.LZMAError as error:
        raise UserError(f"mlbench's file DNA.rda is damaged: {error}.") from error
    columns = factors(content)
    _, first = np.unique(columns[:, :-1], axis=0, return_index=True)
    columns = columns[first]
    bits = columns[:, :-1].reshape(-1, BASES, 3).transpose(0, 2, 1)[:, :, None]
    fourth = 1 - bits.sum(1, keepdims=True)
    bases = np.concatenate([bits, fourth], 1)
    return split_images(bases, columns[:, -1], (*_SIZES, len(bases) - sum(_SIZES)))


TASK = Task(
    name="splice",
    title="does an intron end or begin here? 60 bases of DNA",
    load=load,
    classes=3,
    channels=8,
    residual=False,
    schedule=Schedule(epochs=5, batch=32, learning_rate=0.05),
    source=(
        "splice junctions of GenBank (UCI, CC BY 4.0) in R's package mlbench: apt-get install"
        " r-cran-mlbench"
    ),
    is_here=lambda: file() is not None,
    measures=("error", "nll", "ece"),  # a step against one-hot bases is no other sequence
)
