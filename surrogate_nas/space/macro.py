"""The macro space: plain stacks of equal convolutions, by their number and their width; 36 cells.

The tiny space of the tutorial that this lab began with, where an agent chooses ``num_layers`` and ``num_channels``.
Here a "cell" is the whole network between input and pooling. The space lists its cells by layers, then channels.
"""

from __future__ import annotations

import itertools
import re

from surrogate_nas.errors import UserError
from surrogate_nas.space.base import Cell, Space

LAYERS = ("1", "2", "3", "4", "6", "8")
CHANNELS = ("4", "8", "12", "16", "24", "32")

_FORMAT = re.compile(r"conv_stack\(layers=([0-9]+), channels=([0-9]+)\)")


class Macro(Space):
    """The macro space; use the shared instance `surrogate_nas.space.macro()`.

    Example:
        >>> space = Macro()
        >>> str(space[15]), layers_and_channels(space[15].choices)
        ('conv_stack(layers=3, channels=16)', (3, 16))
    """

    name = "macro"
    positions = ("layers", "channels")
    options = (LAYERS, CHANNELS)

    def _order(self) -> list[tuple[int, ...]]:
        return list(itertools.product(range(len(LAYERS)), range(len(CHANNELS))))

    def _print(self, choices: tuple[int, ...]) -> str:
        layers, channels = layers_and_channels(choices)
        return f"conv_stack(layers={layers}, channels={channels})"

    def parse(self, text: str) -> Cell:
        """Read a string such as ``conv_stack(layers=3, channels=16)``.

        Args:
            text: The string; surrounding white space is ignored.

        Raises:
            UserError: The string has another shape, or there is no stack of that size.
        """
        match = _FORMAT.fullmatch(text.strip())
        if match is None:
            raise UserError(f"Malformed cell {text!r}: a cell of the macro space reads {self[15]}.")
        for name, given, options in zip(self.positions, match.groups(), self.options, strict=True):
            if given not in options:
                raise UserError(f"The macro space has stacks of {', '.join(options)} {name}, not {given}.")
        return self.cell([options.index(given) for given, options in zip(match.groups(), self.options, strict=True)])


def layers_and_channels(choices: tuple[int, ...]) -> tuple[int, int]:
    """How many convolutions a stack has, and how many channels each.

    Args:
        choices: Of a cell of the macro space.
    """
    layers, channels = choices
    return int(LAYERS[layers]), int(CHANNELS[channels])
