"""The network of NATS-Bench's size space as a blueprint: five layers, each with channels of its own (see `sizes`)."""

from __future__ import annotations

from surrogate_nas.space.cell import Cell
from surrogate_nas.space.nats_size.sizes import CELL, REDUCTIONS
from surrogate_nas.space.network.around import answered, reduction
from surrogate_nas.space.network.around import cell as one_cell
from surrogate_nas.space.network.blueprint import Blueprint
from surrogate_nas.space.network.frame import Network


def sized(cell: Cell, network: Network) -> Blueprint:
    """The whole network of a cell.

    Args:
        cell: From the size space.
        network: Classes and the shape of the input; widths come from the cell.
    """
    plan = Blueprint(network)
    widths = [8 * (choice + 1) for choice in cell.choices]
    x = plan.convolution_bn(plan.input(), "stem", widths[0], 3, relu=False)
    for layer, width in enumerate(widths):
        name = f"layers.{layer}"
        x = reduction(plan, x, name, width) if layer in REDUCTIONS else one_cell(plan, x, name, CELL, width)
    return answered(plan, x)
