"""File handling: paths, atomic replacement, locks, journals of long computations, and progress."""

from surrogate_nas.files.journal import Journal
from surrogate_nas.files.locks import HeldError, Holder, holder, locked
from surrogate_nas.files.progress import ProgressLines
from surrogate_nas.files.whole import (
    HOME_VARIABLE,
    home,
    printable,
    read_regular,
    replacing,
    shipped,
    table_path,
    write_whole,
)

__all__ = [
    "HOME_VARIABLE",
    "HeldError",
    "Holder",
    "Journal",
    "ProgressLines",
    "holder",
    "home",
    "locked",
    "printable",
    "read_regular",
    "replacing",
    "shipped",
    "table_path",
    "write_whole",
]
