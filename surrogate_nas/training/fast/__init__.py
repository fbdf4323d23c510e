"""Faster ways to train networks of cells: compiled kernels on a CPU, a stack of many on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from surrogate_nas.network.cells import CellNetwork
from surrogate_nas.training.fast.lanes import LaneNetwork
from surrogate_nas.training.fast.stack import Stack

__all__ = ["LaneNetwork", "Stack", "faster", "fits"]


def fits(network: nn.Module) -> bool:
    """Whether the faster ways know a network.

    Args:
        network: Any network of a space.
    """
    return isinstance(network, CellNetwork)


def faster(networks: Sequence[nn.Module], device: torch.device) -> nn.Module | None:
    """The module that trains networks fastest; None where only PyTorch's own layers do.

    Args:
        networks: Freshly initialised, one or more of one macro architecture.
        device: Where they are trained.
    """
    known = [network for network in networks if isinstance(network, CellNetwork)]
    if len(known) < len(networks):
        return None
    if len(known) > 1:
        return Stack(known)
    on_lanes = device.type == "cpu" and torch.get_default_dtype() == torch.float32
    return LaneNetwork(known[0]) if on_lanes else None
