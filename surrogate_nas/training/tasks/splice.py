"""Classification of DNA: does an intron end or begin in the middle of a sequence of 60 bases?

The sequences are primate splice junctions of GenBank 64.1 (Noordewier, Towell and Shavlik, NIPS
1991; UCI, CC BY 4.0). The sequences are read from R's package mlbench, in the form of the Statlog
project with three bits per base. The data file of R's package is read without R. A sequence that
occurs several times is used only once.
"""

import lzma
import os
from pathlib import Path

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.files.whole import expanded
from surrogate_nas.training.tasks import Array, Schedule, Splits, Task, split_images

BASES = 60
MLBENCH_VARIABLE = "SURROGATE_NAS_MLBENCH"
"""The environment variable that names the folder of R's package mlbench; it has precedence over the
folders where R installs packages.
"""
_FOLDERS = [Path(f"/usr/{local}lib/R/site-library/mlbench") for local in ("", "local/")]
_ROWS = 3186
_COLUMNS = 3 * BASES + 1
# How a factor's numbers begin in R's file format: flags and type.
_FACTOR = bytes.fromhex("0000030d")
_SIZES = (1000, 900)


def file() -> Path | None:
    """Return the path of the data file in R's package mlbench; None if the package is not
    installed.
    """
    named = os.environ.get(MLBENCH_VARIABLE)
    own = [expanded(named)] if named else []
    files = [folder / "data" / "DNA.rda" for folder in (*own, *_FOLDERS)]
    return next((file for file in files if file.is_file()), None)


def factors(content: bytes) -> Array:
    """Return the numbers in all columns of the data frame, counted from 0, shape ``(3186, 181)``.

    Args:
        content: Uncompressed content of the file. Every column has a header, the number of rows,
            and a four-byte number, counted from 1, for each row.
    """
    head = _FACTOR + _ROWS.to_bytes(4, "big")
    parts = [part for part in content.split(head)[1:] if len(part) >= 4 * _ROWS]
    columns = [np.frombuffer(part, ">i4", _ROWS) - 1 for part in parts]
    if len(columns) != _COLUMNS:
        raise UserError(
            f"mlbench's file DNA.rda is damaged: it has {len(columns)} of {_COLUMNS} columns."
        )
    return np.stack(columns, 1).astype(np.int64)


def load() -> Splits:
    """Return splits of sequences with 60 positions and one channel for each base: 1,000 for
    training, 900 for validation, the rest for testing.
    """
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
    different, first = np.unique(columns[:, :-1], axis=0, return_index=True)
    bits = different.reshape(-1, BASES, 3).transpose(0, 2, 1)[:, :, None]
    bases = np.concatenate([bits, 1 - bits.sum(1, keepdims=True)], 1)
    return split_images(bases, columns[first, -1], (*_SIZES, len(bases) - sum(_SIZES)))


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
    has_files=lambda: file() is not None,
    # a step against one-hot bases is no other sequence
    measures=(
        "error",
        "nll",
        "ece",
    ),
)
