"""NAS-Bench-Graph: all architectures of its space on nine graph data sets, means of three seeds.

Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022 Datasets
and Benchmarks, as the package ``nas-bench-graph`` holds it: validation and test performance,
latency and parameters. Losses, curves, the number of epochs and training times are not in the
package. On ogbn-proteins performance is the ROC-AUC, elsewhere the accuracy.
"""

from __future__ import annotations

from surrogate_nas.space.nbgraph import nbgraph, nbgraph_proteins
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.packaged import read_packaged


def read(name: str) -> Table:
    """Read the installed package's file into a table."""
    space = nbgraph_proteins() if name == "nbgraph-proteins" else nbgraph()
    return read_packaged("nbgraph", name, space, [space.key(cell) for cell in space])
