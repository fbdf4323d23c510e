"""The space ``macro``: 36 plain stacks of equal convolutions, which differ in number and width.

This tiny space comes from a tutorial in which an agent chooses ``num_layers`` and ``num_channels``.
In this space, a "cell" is the whole network between input and pooling. Cells are ordered by their
number of layers, then by their number of channels.

Convolutions with batch normalisation are distributed evenly over three stages. The resolution of
the image is halved between stages. Pooling and a linear layer follow the convolutions.
"""

from functools import lru_cache

from surrogate_nas.space.base import by_name, counted, structural, values_at
from surrogate_nas.space.cell import Cell
from surrogate_nas.space.network import Blueprint, Network
from surrogate_nas.space.product import ChoiceSpace

LAYERS = ("1", "2", "3", "4", "6", "8")
CHANNELS = ("4", "8", "12", "16", "24", "32")


def stack(choices: tuple[int, ...], network: Network) -> Blueprint:
    """Return the whole network of the cell with the given choices."""
    plan = Blueprint(network)
    x = plan.input()
    layers, channels = int(LAYERS[choices[0]]), int(CHANNELS[choices[1]])
    for layer in range(layers):
        if (
            network.strided
            and layer
            and 3 * layer // layers > 3 * (layer - 1) // layers
        ):
            x = plan.halve(x)
        x = plan.relu(
            plan.convolution_bn(x, f"layers.{layer}", channels, 3, relu=False)
        )
    plan.answer(x)
    return plan


class Macro(ChoiceSpace):
    """The space ``macro`` of 36 stacks of convolutions.

    Use the shared instance `surrogate_nas.space.macro()`.

    Example:
        >>> str(Macro()[15])
        'conv_stack(layers=3, channels=16)'
    """

    name = "macro"
    listed = True
    positions = ("layers", "channels")
    texts = (LAYERS, CHANNELS)
    cell_name = "conv_stack"
    analytic = by_name(
        *counted(stack),
        structural("layers", "convolutions, one after another", values_at(LAYERS, 0)),
        structural("channels", "of every convolution", values_at(CHANNELS, 1)),
    )
    complexity = "layers"

    def blueprint(
        self, cell: Cell, network: Network, *, live_only: bool = False
    ) -> Blueprint:
        """Return the network of a cell as a list of layers."""
        return stack(cell.choices, network)


@lru_cache(maxsize=1)
def macro() -> Macro:
    """Return the space ``macro`` of convolution stacks. The instance is shared within a process.

    Example:
        >>> macro() is macro()
        True
    """
    return Macro()
