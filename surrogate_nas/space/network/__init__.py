"""The network around a cell: its frame here, its PyTorch layers in the files beside (imported where they are used)."""

from surrogate_nas.space.network.frame import Network
from surrogate_nas.space.network.graph import Graph

__all__ = ["Graph", "Network"]
