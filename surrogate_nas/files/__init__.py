"""Files: where they live, how one is replaced whole, how one is locked, and the journal of long work."""

from surrogate_nas.files.home import HOME_VARIABLE, home, shipped, table_path
from surrogate_nas.files.journal import Journal
from surrogate_nas.files.locks import locked
from surrogate_nas.files.replacing import replacing

__all__ = ["HOME_VARIABLE", "Journal", "home", "locked", "replacing", "shipped", "table_path"]
