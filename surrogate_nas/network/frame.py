"""The macro architecture around a cell: how many stages, channels and classes, and what the input is."""

from __future__ import annotations

from dataclasses import dataclass


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
        causal: Whether a position sees only itself and what is before it: nothing is strided, and the linear
            layer answers at every position.
        residual: Whether the block between stages is the published one; without, only its shortcut is there (pooling
            and a 1×1 convolution), so that in a small network the cell does the work.
    """

    classes: int = 10
    channels: int = 16
    cells_per_stage: int = 5
    image_size: int = 32
    input_channels: int = 3
    dimensions: int = 2
    causal: bool = False
    residual: bool = True

    @property
    def taps(self) -> int:
        """Weights of a 3×3 kernel (or one of length 3) between two channels."""
        return int(3**self.dimensions)

    @property
    def stages(self) -> list[tuple[int, int]]:
        """(channels, image size) of the three stages; a stride of 2 rounds an odd size up."""
        sizes = [self.image_size]
        for _ in range(2):
            sizes.append(sizes[-1] if self.causal else (sizes[-1] + 1) // 2)
        return [(self.channels * 2**i, size) for i, size in enumerate(sizes)]
