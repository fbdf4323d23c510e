"""Read results from the pickles of an installed package, in which every cell has a key.

The package does not name its seeds, so seeds are numbered from 0 in the order of the package's
lists. The digest of the numbers must equal the declared digest, whatever the version of the
package.
"""

import hashlib

import numpy as np

from surrogate_nas.core import UserError, package_folder
from surrogate_nas.files.whole import printable
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources.base import package_of, reading, source_of
from surrogate_nas.tables.sources.declaration import (
    columns_of,
    declaration,
    space_of,
    table_of,
)
from surrogate_nas.tables.sources.pickles import numpy_scalars, read_pickle_file


def read(name: str) -> Table:
    """Convert a file of an installed package to a table on all cells of a space.

    The declaration of the source names the space, the file, and the digest of its numbers. The key
    of a cell is given by the space, or consists of the indices of its choices.
    """
    source = source_of(name) or ""
    package = package_of(source)
    spec = declaration(source)
    words = spec.tables[name]
    path = package_folder(package) / words["file"]
    space = space_of(spec, words)
    key = getattr(space, "key", lambda cell: "".join(map(str, cell.choices)))
    fields = sorted(
        {column.keys(own)[0] for column, own in columns_of(spec, name, words)}
    )
    with reading(path, f"file of {package[0]}"):
        records = read_pickle_file(path, numpy_scalars())
        rows = [records[key(cell)] for cell in space]
        results: dict[str, Values] = {
            field: np.array([row[field] for row in rows], dtype=np.float64)
            for field in fields
        }
    if digest_of(results) != words["digest"]:
        raise UserError(
            f"{printable(path)} was altered or belongs to another version: its numbers differ from"
            f" those of {package[0]}."
        )
    return table_of(source, name, space, results)


def digest_of(results: dict[str, Values]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of all numbers."""
    total = hashlib.sha256()
    for field in sorted(results):
        total.update(
            field.encode() + np.ascontiguousarray(results[field], dtype="<f8").tobytes()
        )
    return total.hexdigest()[:16]
