"""The macro space: plain stacks of equal convolutions, by their number and their width; 36 cells.

The tiny space of the tutorial that this lab began with, where an agent chooses ``num_layers`` and
``num_channels``. Here a "cell" is the whole network between input and pooling. The space lists its
cells by layers, then channels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from surrogate_nas.space.base import Analytic
from surrogate_nas.space.cell import Cell
from surrogate_nas.space.macro.sizes import (
    ANALYTIC,
    CHANNELS,
    LAYERS,
    layers_and_channels,
    stack,
)
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.blueprint import Blueprint
from surrogate_nas.space.product import EnumerableChoiceSpace


class Macro(EnumerableChoiceSpace):
    """The macro space; use the shared instance `surrogate_nas.space.macro()`.

    Example:
        >>> space = Macro()
        >>> str(space[15])
        'conv_stack(layers=3, channels=16)'
    """

    name = "macro"
    positions = ("layers", "channels")
    options = (LAYERS, CHANNELS)
    cell_name = "conv_stack"
    analytic: ClassVar[Analytic] = ANALYTIC
    complexity = "layers"

    def blueprint(
        self,
        cell: Cell,
        network: Network,
        *,
        live_only: bool = False,  # noqa: ARG002
    ) -> Blueprint:
        """The network of a cell, layer by layer."""
        return stack(cell.choices, network)


@lru_cache(maxsize=1)
def macro() -> Macro:
    """The macro space of convolution stacks, one shared instance a process.

    Example:
        >>> from surrogate_nas.space.network import Network
        >>> network = macro().build(macro()[15], Network(image_size=8, input_channels=1), seed=0)
        >>> sum(weight.numel() for weight in network.parameters())
        5018
    """
    return Macro()


__all__ = ["CHANNELS", "LAYERS", "Macro", "layers_and_channels", "macro"]
