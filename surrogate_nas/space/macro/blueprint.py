"""The network of the macro space as a blueprint: convolutions one after another (see `network` beside)."""

from __future__ import annotations

from surrogate_nas.space.cell import Cell
from surrogate_nas.space.macro.choices import layers_and_channels
from surrogate_nas.space.macro.sizes import stage_of_layer
from surrogate_nas.space.network.blueprint import Blueprint
from surrogate_nas.space.network.frame import Network


def stack(cell: Cell, network: Network) -> Blueprint:
    """The whole network of a cell.

    Args:
        cell: From the macro space.
        network: Classes and the shape of the input; the width comes from the cell.
    """
    plan = Blueprint(network)
    x = plan.input()
    layers, channels = layers_and_channels(cell.choices)
    for layer in range(layers):
        if network.strided and layer and stage_of_layer(layer, layers) > stage_of_layer(layer - 1, layers):
            x = plan.halve(x)
        x = plan.relu(plan.convolution_bn(x, f"layers.{layer}", channels, 3, relu=False))
    plan.answer(x)
    return plan
