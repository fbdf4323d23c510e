"""The network of NATS-Bench's size space: five layers, each with channels of its own (see `sizes`)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.cell import Cell
from surrogate_nas.space.nats_size.sizes import CELL, REDUCTIONS
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.cells import CellModule, Reduction
from surrogate_nas.space.network.layers import ConvolutionBN, answers, initialise


class SizeNetwork(nn.Module):
    """The whole network of a cell of the size space.

    Example:
        >>> from surrogate_nas.space.nats_size import nats_size
        >>> network = SizeNetwork(nats_size().parse("8:8:40:32:40"), Network(), seed=0)
        >>> sum(p.numel() for p in network.parameters())
        144834
    """

    def __init__(self, cell: Cell, network: Network, *, seed: int) -> None:
        """Build and initialise the network.

        Args:
            cell: The cell, from the size space.
            network: Classes and the shape of the input; widths come from the cell.
            seed: The root of the initial weights.
        """
        super().__init__()
        self.cell, self.network = cell, network
        widths = [8 * (choice + 1) for choice in cell.choices]
        self.stem = ConvolutionBN(network.input_channels, widths[0], 3, network, relu=False)
        self.layers = nn.ModuleList(
            Reduction(width, network, inputs) if layer in REDUCTIONS else CellModule(CELL, width, network, inputs)
            for layer, (inputs, width) in enumerate(zip([widths[0], *widths], widths, strict=False))
        )
        self.last = nn.BatchNorm2d(widths[-1])
        self.head = nn.Linear(widths[-1], network.classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(batch, classes)``, or with positions behind (see `answers`).

        Args:
            x: Shape ``(batch, input channels, height, width)``; height 1 for signals.
        """
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return answers(F.relu(self.last(x)), self.head, self.network)
