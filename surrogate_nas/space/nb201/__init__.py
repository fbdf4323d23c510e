"""NAS-Bench-201's cells: the space, when two cells are the same, what a model sees, sizes, drawing."""

from surrogate_nas.space.four_nodes import EDGES
from surrogate_nas.space.nb201.graph import OPERATIONS
from surrogate_nas.space.nb201.space import NASLIB_EDGES, NASLIB_OPERATIONS, NB201, nb201

__all__ = ["EDGES", "NASLIB_EDGES", "NASLIB_OPERATIONS", "NB201", "OPERATIONS", "nb201"]
