"""The graph of a NAS-Bench-201 cell: four nodes, six edges, an operation on each."""

from __future__ import annotations

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the order of `surrogate_nas.space.network.graph`'s numbers."""
