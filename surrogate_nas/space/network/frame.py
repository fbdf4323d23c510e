"""The macro architecture around a cell: how many stages, channels and classes, and what the input is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from surrogate_nas.files.content import made


@dataclass(frozen=True)
class Network:
    """The macro architecture around the cell.

    Attributes:
        classes: Outputs of the linear layer.
        channels: Channels of the first stage, C; without meaning where a cell is the whole network, as is N.
        cells_per_stage: Cells in each of the three stages, N.
        image_size: Height and width of the input, or the length of a one-dimensional one.
        input_channels: Channels of the input.
        dimensions: 2 for images, 1 for signals, where 3×3 kernels become kernels of length 3.
        causal: Whether padding is on the left only, so that a position sees itself and what is before it; then nothing
            is strided and the linear layer answers at every position, whatever the next two say.
        positions: Whether the linear layer answers at every position instead of after pooling over them.
        strided: Whether the blocks between the stages halve the size.
        residual: Whether the block between stages is the published one; without, only its shortcut is there (pooling
            and a 1×1 convolution), so that in a small network the cell does the work.

    Example:
        >>> Network().stages  # of NAS-Bench-201: channels and image size of each stage
        [(16, 32), (32, 16), (64, 8)]
        >>> Network(classes=10, channels=4, cells_per_stage=1, image_size=28, input_channels=1).stages
        [(4, 28), (8, 14), (16, 7)]
    """

    classes: int = 10
    channels: int = 16
    cells_per_stage: int = 5
    image_size: int = 32
    input_channels: int = 3
    dimensions: int = 2
    causal: bool = False
    residual: bool = True
    positions: bool = False
    strided: bool = True

    def __post_init__(self) -> None:
        if self.causal:
            object.__setattr__(self, "positions", True)
            object.__setattr__(self, "strided", False)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Network:
        """The network that `settings` told of.

        Args:
            settings: As they were read; older files lack `positions` and `strided`.

        Raises:
            ValueError: A field is missing, unknown or of another type.
        """
        later = {"positions": cls.positions, "strided": cls.strided}
        return made(cls, later | settings if isinstance(settings, dict) else settings)

    @property
    def settings(self) -> dict[str, Any]:
        """Its fields as data; `positions` and `strided` only where `causal` does not tell them."""
        told = {"positions": self.causal, "strided": not self.causal}
        return {name: value for name, value in asdict(self).items() if told.get(name) is not value}

    @property
    def taps(self) -> int:
        """Weights of a 3×3 kernel (or one of length 3) between two channels."""
        return int(3**self.dimensions)

    @property
    def stages(self) -> list[tuple[int, int]]:
        """(channels, image size) of the three stages; a stride of 2 rounds an odd size up."""
        sizes = [self.image_size]
        for _ in range(2):
            sizes.append((sizes[-1] + 1) // 2 if self.strided else sizes[-1])
        return [(self.channels * 2**i, size) for i, size in enumerate(sizes)]

    @property
    def answers(self) -> int:
        """At how many positions of the last stage the linear layer answers."""
        return int(self.stages[-1][1] ** self.dimensions) if self.positions else 1
