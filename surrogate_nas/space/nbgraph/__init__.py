"""NAS-Bench-Graph's architectures: trees of graph operations, which of them are the same, drawing, structure."""

from surrogate_nas.space.nbgraph.space import OPERATIONS, PROTEINS_OPERATIONS, NBGraph, nbgraph, nbgraph_proteins
from surrogate_nas.space.nbgraph.trees import LINKS

__all__ = ["LINKS", "OPERATIONS", "PROTEINS_OPERATIONS", "NBGraph", "nbgraph", "nbgraph_proteins"]
