"""Layers of small networks on a CPU, compiled by Numba: the examples of a batch lie side by side in the vector lanes.

Images of a few channels leave most of a vector register empty when channels are innermost, and PyTorch spends more on
starting such a small operation than on its arithmetic. Here a tensor has the shape ``(channels, height, width·batch)``:
a row of an image is contiguous over the whole batch, a neighbouring pixel is ``batch`` numbers further on, and every
inner loop runs over a whole row. (Loops index slices from their start: a shifted index could be negative for all that
the compiler knows, and then it does not vectorise.) All arrays are float32 and C-contiguous; ``batch`` is the number
of examples.

Padded arrays have a border of zeros that nobody writes to. Sums may be reordered (``fastmath``), always alike on one
machine.
"""

from __future__ import annotations

from surrogate_nas.training.fast.lane_kernels.compiled import Array
from surrogate_nas.training.fast.lane_kernels.convolution import (
    add_gradient,
    convolve,
    convolve_halving,
    pad,
    spread,
    weight_gradient,
    weight_gradient_halving,
)
from surrogate_nas.training.fast.lane_kernels.normalisation import (
    EPSILON,
    fixed_gradient,
    normalise,
    normalise_gradient,
)
from surrogate_nas.training.fast.lane_kernels.pooling import average, halve

__all__ = [
    "EPSILON", "Array", "add_gradient", "average", "convolve", "convolve_halving", "fixed_gradient", "halve",
    "normalise", "normalise_gradient", "pad", "spread", "weight_gradient", "weight_gradient_halving",
]  # fmt: skip
