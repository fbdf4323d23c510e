"""The arrays of a network in lanes: its parameters with their gradients, and what its layers use again."""

from __future__ import annotations

import numpy as np

from surrogate_nas.network.cells import CellNetwork
from surrogate_nas.training.fast.lane_kernels import Array

Shape = tuple[int, int, int]
"""Channels, height, width."""


class Parameters:
    """All parameters and their gradients, flat, with views by the names that `CellNetwork` gives them."""

    def __init__(self, network: CellNetwork) -> None:
        named = [(name, parameter.detach().numpy()) for name, parameter in network.named_parameters()]
        self.values: Array = np.concatenate([array.ravel() for _, array in named])
        self.gradients: Array = np.zeros_like(self.values)
        stops = np.cumsum([0, *(array.size for _, array in named)])
        self._places = {name: (a, b, v.shape) for (name, v), a, b in zip(named, stops[:-1], stops[1:], strict=True)}

    def __call__(self, name: str) -> tuple[Array, Array]:
        """The views of a parameter and of its gradient."""
        start, stop, shape = self._places[name]
        return self.values[start:stop].reshape(shape), self.gradients[start:stop].reshape(shape)


class Buffers:
    """Arrays that a layer uses again in every step, by name and batch size; they start as zeros."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, int], Array] = {}

    def __call__(self, name: str, shape: Shape, batch: int) -> Array:
        found = self._arrays.get((name, batch))
        if found is None:
            channels, height, width = shape
            found = self._arrays[name, batch] = np.zeros((channels, height, width * batch), np.float32)
        return found
