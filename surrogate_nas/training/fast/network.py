"""A network on a CPU: its blueprint as a program in an arena of its own, stepped through by compiled kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.network.blueprint import Blueprint
from surrogate_nas.training.fast.compiled import kernels
from surrogate_nas.training.fast.program import TABLES, Ends, Program, Tensor, Words

Array = NDArray[np.float32]
_LINE = 64
"""Bytes: the arena begins at a line of the cache."""


class CompiledNetwork:
    """A network in float32 with its gradients, written out once and computed without a library.

    A backward pass belongs to the forward pass before it: what lies between the layers is kept once.

    Example:
        >>> from surrogate_nas.network import Graph, Network
        >>> from surrogate_nas.network.around import around
        >>> plan = around(Graph(((0, 1),), (3,)), Network(channels=4, cells_per_stage=1, image_size=8))
        >>> CompiledNetwork(plan, seed=0, batch=64).answer(np.zeros((2, 3, 8, 8), np.float32)).shape
        (2, 10)
    """

    def __init__(self, plan: Blueprint, *, seed: int, batch: int) -> None:
        """Translate a network and draw its weights.

        Args:
            plan: The network.
            seed: The root of the initial weights.
            batch: The most examples at once.

        Raises:
            UserError: There is no compiler.
        """
        self._kernels = kernels()
        self.plan, self.batch = plan, batch
        self.program = Program(plan, batch, self._kernels.shape)
        self._arena = _aligned(self.program.size)
        self._slope: tuple[Words, Ends] | None = None
        self._folded = False
        for name, weight in plan.weights(seed).items():
            place = self.program.weight(name)
            self._arena[place : place + weight.size] = _inner(weight).ravel()
        self._set_up()

    def _set_up(self) -> None:
        from surrogate_nas.training.fast.program import shares

        for name, place in self.program.fixed.places.items():
            what, _, layer = name.rpartition(" ")
            if what == "running variance":
                self._arena[place : place + self.plan.layers[int(layer)].shape[0]] = 1
            elif what == "shares":
                windows = self.plan.layers[int(layer)].windows
                assert windows
                self._arena[place : place + windows.size[0] * windows.size[1]] = shares(windows)

    def forward(self, x: Array) -> Array:
        """Answers while training, as a view, shape ``(batch, outputs[, rows, columns])``; see `answer`.

        Args:
            x: Shape ``(batch, channels, height, width)``, as many examples as there were said to be at most.

        Raises:
            ValueError: The inputs are of another shape than the network is for: kernels would read beside them.
        """
        ends = self.program.step_ends
        self._enter(x, ends)
        self._run(self.program.step[: ends.forwards], len(x))
        self._folded = False
        return self._answers(ends, len(x))

    def backward(self, gradient: Array) -> None:
        """The gradients of all weights, from that of the answers of `forward`.

        Args:
            gradient: Of the shape of the answers.
        """
        ends = self.program.step_ends
        self._put(ends, gradient)
        self._run(self.program.step[ends.forwards :], len(gradient))

    def descend(self, rate: float, momentum: float, decay: float) -> None:
        """A step of stochastic gradient descent by the gradients of `backward`.

        Args:
            rate: The learning rate.
            momentum: Of Nesterov's kind.
            decay: Of all weights.
        """
        places, base = self.program.fixed.places, self._arena.ctypes.data
        addresses = (base + 4 * places[what] for what in ("weights", "gradients", "momenta"))
        self._kernels.descend(*addresses, self.program.parameters.size, rate, momentum, decay)
        self._folded = False

    def answer(self, x: Array) -> Array:
        """Answers by running statistics, shape ``(n, outputs)``, or ``(n, outputs, rows, columns)`` at positions.

        Args:
            x: Shape ``(n, channels, height, width)``.

        Raises:
            ValueError: See `forward`.
        """
        ends, found = self.program.answer_ends, []
        self._fold()
        for start in range(0, len(x), self.batch):
            part = x[start : start + self.batch]
            self._enter(part, ends)
            self._run(self.program.answer, len(part))
            found.append(self._answers(ends, len(part)).copy())
        return np.concatenate(found) if len(found) != 1 else found[0]

    def slope(self, x: Array, gradient_of: Any) -> Array:
        """The gradient by the input, in batches, with running statistics.

        Args:
            x: Shape ``(n, channels, height, width)``.
            gradient_of: From the answers to a part of the inputs, and where it begins, to the gradient by them.

        Raises:
            ValueError: See `forward`.
        """
        if self._slope is None:
            words, ends, size = self.program.slope()
            self._slope = words, ends
            if size > len(self._arena):
                larger = _aligned(size)
                larger[: len(self._arena)] = self._arena
                self._arena = larger
        words, ends = self._slope
        self._fold()
        found = np.empty(x.shape, np.float32)
        for start in range(0, len(x), self.batch):
            part = x[start : start + self.batch]
            self._enter(part, ends)
            self._run(words[: ends.forwards], len(part))
            self._put(ends, gradient_of(self._answers(ends, len(part)), start))
            self._run(words[ends.forwards :], len(part))
            if ends.input_gradient is None:
                found[:] = 0
                break
            found[start : start + self.batch] = self._view(ends.input_gradient, len(part)).reshape(part.shape)
        return found

    def weights(self, what: str = "weights") -> dict[str, Array]:
        """All weights by name, or their gradients, in PyTorch's layout.

        Args:
            what: ``weights`` or ``gradients``.
        """
        found = {}
        for name, parameter in self.plan.parameters.items():
            place = self.program.weight(name, what)
            inner = parameter.shape[2:] + parameter.shape[1::-1] if len(parameter.shape) > 1 else parameter.shape
            flat = self._arena[place : place + int(np.prod(parameter.shape))].reshape(inner)
            found[name] = np.moveaxis(flat, (-1, -2), (0, 1)).copy() if len(inner) > 1 else flat.copy()
        return found

    def _fold(self) -> None:
        if not self._folded:
            self._run(self.program.fold, 1)
            self._folded = True

    def _enter(self, x: Array, ends: Ends) -> None:
        if x.shape[1:] != self.plan.layers[0].shape or len(x) > self.batch:
            raise ValueError(f"inputs of shape {x.shape} do not fit a network for {self.plan.layers[0].shape}")
        given = np.ascontiguousarray(x, np.float32)
        to = self._arena.ctypes.data + 4 * ends.input.room.offset
        tensor = ends.input
        self._kernels.enter(to, given.ctypes.data, tensor.channels, tensor.pixels, self.program.row, len(x))

    def _run(self, words: Words, examples: int) -> None:
        self._kernels.execute(
            self._arena.ctypes.data, TABLES.words.ctypes.data, words.ctypes.data, len(words), self.program.row, examples
        )

    def _all(self, tensor: Tensor) -> Array:
        """A tensor as it lies, shape ``(pixels, channels, row)``."""
        shape = tensor.pixels, tensor.rows, self.program.row
        whole = self._arena[tensor.room.offset : tensor.room.offset + math.prod(shape)].reshape(shape)
        return whole[:, tensor.start : tensor.start + tensor.channels]

    def _view(self, tensor: Tensor, examples: int) -> Array:
        """A tensor with the examples in front, shape ``(batch, channels, pixels)``."""
        return self._all(tensor)[:, :, :examples].transpose(2, 1, 0)

    def _answers(self, ends: Ends, examples: int) -> Array:
        seen = self._view(ends.output, examples)
        if not self.plan.network.positions:
            return seen[:, :, 0]
        if self.plan.network.dimensions == 1:
            return seen
        return seen.reshape(*seen.shape[:2], *self.plan.layers[-1].shape[1:])

    def _put(self, ends: Ends, gradient: Array) -> None:
        assert ends.output_gradient
        to = self._all(ends.output_gradient)
        examples = len(gradient)
        to[:, :, :examples] = gradient.reshape(examples, to.shape[1], -1).transpose(2, 1, 0)
        to[:, :, examples:] = 0


def _inner(weight: Array) -> Array:
    """From ``(outputs, inputs, rows, columns)`` to ``(rows, columns, inputs, outputs)``."""
    return np.moveaxis(weight, (0, 1), (-1, -2)) if weight.ndim > 1 else weight


def _aligned(size: int) -> Array:
    spare = _LINE // 4
    whole = np.zeros(size + spare, np.float32)
    start = -(whole.ctypes.data // 4) % spare
    return whole[start : start + size]
