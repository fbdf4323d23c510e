"""What the micro space's cells are made of: four nodes, six edges, four operations."""

from __future__ import annotations

OPERATIONS = ("none", "skip", "conv_1x1", "conv_3x3")
"""The operations by the digit that stands for them."""
NONE, SKIP, CONV1, CONV3 = range(4)
