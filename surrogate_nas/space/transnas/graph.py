"""What the micro space's cells are made of: four nodes, six edges, four operations."""

from __future__ import annotations

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from, to) in the order of the string: all edges into node 1, then into node 2, then into node 3."""
OPERATIONS = ("none", "skip", "conv_1x1", "conv_3x3")
"""The operations by the digit that stands for them."""
NONE, SKIP, CONV1, CONV3 = range(4)
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The four paths from input to output, as edges."""
