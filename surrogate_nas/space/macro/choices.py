"""What a stack of the macro space may be: how many convolutions, and how wide."""

from __future__ import annotations

LAYERS = ("1", "2", "3", "4", "6", "8")
CHANNELS = ("4", "8", "12", "16", "24", "32")


def layers_and_channels(choices: tuple[int, ...]) -> tuple[int, int]:
    """How many convolutions a stack has, and how many channels each.

    Args:
        choices: Of a cell of the macro space.
    """
    layers, channels = choices
    return int(LAYERS[layers]), int(CHANNELS[channels])
