"""The network of the macro space: convolutions of one width, one after another, then global pooling and a linear layer.

Every convolution is 3×3 with batch normalisation and ReLU. The image is halved by average pooling after each third of
them (a single one is not followed by any, two by one), so ``layers`` and ``channels`` alone fix the network. Signals
and the variants, which keep the size or answer at every position, are as in
`surrogate_nas.space.network.cells.CellNetwork`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.cell import Cell
from surrogate_nas.space.macro.sizes import layers_and_channels, stage_of_layer
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.layers import ConvolutionBN, HalvingPool, answers, initialise


class MacroNetwork(nn.Module):
    """The whole network of a cell of the macro space.

    Example:
        >>> from surrogate_nas.space import macro
        >>> network = MacroNetwork(macro().parse("conv_stack(layers=3, channels=16)"), Network(), seed=0)
        >>> sum(p.numel() for p in network.parameters())
        5306
    """

    def __init__(self, cell: Cell, network: Network, *, seed: int) -> None:
        """Build and initialise the network.

        Args:
            cell: The cell, from the macro space.
            network: Classes and the shape of the input; the width comes from the cell.
            seed: The root of the initial weights.
        """
        super().__init__()
        self.cell, self.network = cell, network
        layers, channels = layers_and_channels(cell.choices)
        inputs = [network.input_channels] + [channels] * (layers - 1)
        self.layers = nn.ModuleList(ConvolutionBN(n, channels, 3, network, relu=False) for n in inputs)
        stages = [stage_of_layer(layer, layers) for layer in range(layers)]
        self.pool_before = [network.strided and i > 0 and stages[i] > stages[i - 1] for i in range(layers)]
        self.pool = HalvingPool()
        self.head = nn.Linear(channels, network.classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(batch, classes)``, or with positions behind (see `answers`).

        Args:
            x: Shape ``(batch, input channels, height, width)``; height 1 for signals.
        """
        for layer, pool_before in zip(self.layers, self.pool_before, strict=True):
            x = F.relu(layer(self.pool(x) if pool_before else x))
        return answers(x, self.head, self.network)
