"""A network on a CPU: its blueprint as a program in an arena of its own, stepped through by
compiled kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.network.blueprint import Blueprint
from surrogate_nas.training.fast.compiled import kernels
from surrogate_nas.training.fast.program import TABLES, Ends, Program, Tensor, Words, shares

if TYPE_CHECKING:
    from surrogate_nas.training.models import LossAndGradient
    from surrogate_nas.training.tasks import Task

Array = NDArray[np.float32]
AT_ONCE = 64
"""Examples that are answered at once: their activations should stay in the cache."""
_LINE = 64
"""Bytes: the arena begins at a line of the cache."""


class CompiledNetwork:
    """A network in float32 with its gradients, written out once and computed without a library.

    A backward pass belongs to the forward pass before it: what lies between the layers is kept
    once.

    Example:
        >>> from surrogate_nas.space.network import Graph, Network
        >>> from surrogate_nas.space.network.blueprint import around
        >>> plan = around(
        ...     Graph(((0, 1),), (3,)), Network(channels=4, cells_per_stage=1, image_size=8)
        ... )
        >>> CompiledNetwork(plan, seed=0, batch=64).predict(
        ...     np.zeros((2, 3, 8, 8), np.float32)
        ... ).shape
        (2, 10)
    """

    def __init__(
        self,
        plan: Blueprint,
        *,
        seed: int,
        batch: int,
        at_once: int = 0,
    ) -> None:
        """Translate a network and draw its weights.

        Args:
            plan: The network.
            seed: The root of the initial weights.
            batch: The most examples of a step of training.
            at_once: How many are answered at once; 0 for as many.
        """
        self._kernels = kernels()
        self.plan = plan
        self.batch = batch
        self.at_once = at_once or batch
        self.program = Program(plan, batch, self.at_once, self._kernels.shape)
        self._arena = _aligned(self.program.size)
        self._input_gradient: tuple[Words, Ends] | None = None
        self._folded = False
        for name, weight in plan.weights(seed).items():
            place = self.program.weight(name)
            self._arena[place : place + weight.size] = _inner(weight).ravel()
        self._set_up()

    def _set_up(self) -> None:
        for name, place in self.program.fixed.places.items():
            what, _, layer = name.rpartition(" ")
            if what == "running variance":
                self._arena[place : place + self.plan.layers[int(layer)].shape[0]] = 1
            elif what == "shares":
                windows = self.plan.layers[int(layer)].windows
                assert windows
                self._arena[place : place + windows.size[0] * windows.size[1]] = shares(windows)

    def forward(self, x: Array) -> Array:
        """Answers while training, as a view, shape ``(batch, outputs[, rows, columns])``; see
        `predict`.

        Args:
            x: Shape ``(batch, channels, height, width)``, as many examples as there were said to be
                at most.

        Raises:
            ValueError: The inputs are of another shape than the network is for: kernels would read
                beside them.
        """
        ends = self.program.step_ends
        self._enter(x, ends)
        self._run(self.program.step[: ends.forwards], ends, len(x))
        self._folded = False
        return self._shaped(self._all(ends, ends.output)[:, :, : len(x)].transpose(2, 1, 0))

    def backward(self, gradient: Array) -> None:
        """The gradients of all weights, from that of the answers of `forward`."""
        ends = self.program.step_ends
        self._put(ends, gradient)
        self._run(self.program.step[ends.forwards :], ends, len(gradient))

    def descend(self, rate: float, momentum: float, decay: float) -> None:
        """A step of stochastic gradient descent by the gradients of `backward`."""
        places = self.program.fixed.places
        base = self._base
        addresses = (base + 4 * places[what] for what in ("weights", "gradients", "momenta"))
        self._kernels.descend(*addresses, self.program.parameters.size, rate, momentum, decay)
        self._folded = False

    def predict(self, x: Array) -> Array:
        """Answers by running statistics, shape ``(n, outputs)``, or ``(n, outputs, rows, columns)``
        at positions.

        Args:
            x: Shape ``(n, channels, height, width)``.

        Raises:
            ValueError: See `forward`.
        """
        ends = self.program.inference_ends
        self._fold()
        outputs = np.empty((ends.output.pixels, ends.output.channels, len(x)), np.float32)
        for part in self._parts(len(x)):
            self._enter(x[part], ends)
            self._run(self.program.inference, ends, part.stop - part.start)
            outputs[:, :, part] = self._all(ends, ends.output)[:, :, : part.stop - part.start]
        return self._shaped(outputs.transpose(2, 1, 0))

    def input_gradient(self, x: Array, gradient: Array) -> Array:
        """The gradient by the input, with running statistics, of the input's shape.

        Args:
            x: Shape ``(n, channels, height, width)``.
            gradient: By the answers, of their shape.

        Raises:
            ValueError: See `forward`.
        """
        if self._input_gradient is None:
            words, ends, size = self.program.input_gradient()
            self._input_gradient = words, ends
            if size > len(self._arena):
                larger = _aligned(size)
                larger[: len(self._arena)] = self._arena
                self._arena = larger
        words, ends = self._input_gradient
        self._fold()
        gradients = np.zeros(x.shape, np.float32)
        for part in self._parts(len(x)) if ends.input_gradient else ():
            self._enter(x[part], ends)
            self._run(words[: ends.forwards], ends, part.stop - part.start)
            self._put(ends, gradient[part])
            self._run(words[ends.forwards :], ends, part.stop - part.start)
            assert ends.input_gradient
            come = self._all(ends, ends.input_gradient)[:, :, : part.stop - part.start]
            gradients[part] = come.transpose(2, 1, 0).reshape(gradients[part].shape)
        return gradients

    def _parts(self, examples: int) -> Iterator[slice]:
        for start in range(0, examples, self.at_once):
            yield slice(start, min(start + self.at_once, examples))

    def weights(self, what: str = "weights") -> dict[str, Array]:
        """All weights by name, or their gradients, in PyTorch's layout."""
        by_name = {}
        for name, parameter in self.plan.parameters.items():
            place = self.program.weight(name, what)
            inner = (
                parameter.shape[2:] + parameter.shape[1::-1]
                if len(parameter.shape) > 1
                else parameter.shape
            )
            flat = self._arena[place : place + int(np.prod(parameter.shape))].reshape(inner)
            by_name[name] = (
                np.moveaxis(flat, (-1, -2), (0, 1)).copy() if len(inner) > 1 else flat.copy()
            )
        return by_name

    def _fold(self) -> None:
        if not self._folded:
            self._run(self.program.fold, self.program.inference_ends, 1)
            self._folded = True

    def _enter(self, x: Array, ends: Ends) -> None:
        most = self.batch if ends is self.program.step_ends else self.at_once
        if x.shape[1:] != self.plan.layers[0].shape or not 0 < len(x) <= most:
            raise ValueError(
                f"inputs of shape {x.shape} do not fit a network for {self.plan.layers[0].shape}"
            )
        given = np.ascontiguousarray(x, np.float32)
        to = ends.input
        self._kernels.enter(
            self._base + 4 * to.room.offset,
            given.ctypes.data,
            to.channels,
            to.rows,
            to.pixels,
            ends.row,
            len(x),
        )

    def _run(self, words: Words, ends: Ends, examples: int) -> None:
        if len(words):
            # held while the kernels read it: another thread's network may bring a longer one
            tables = TABLES.words
            self._kernels.execute(
                self._base, tables.ctypes.data, words.ctypes.data, len(words), ends.row, examples
            )

    @property
    def _base(self) -> int:
        return self._arena.ctypes.data

    def _all(self, ends: Ends, tensor: Tensor) -> Array:
        """A tensor as it lies, shape ``(pixels, channels, row)``."""
        shape = tensor.pixels, tensor.rows, ends.row
        whole = self._arena[tensor.room.offset : tensor.room.offset + math.prod(shape)].reshape(
            shape
        )
        return whole[:, tensor.start : tensor.start + tensor.channels]

    def _shaped(self, seen: Array) -> Array:
        """Answers ``(batch, outputs, pixels)`` in the shape that losses know."""
        if not self.plan.network.positions:
            return seen[:, :, 0]
        if self.plan.network.dimensions == 1:
            return seen
        return seen.reshape(*seen.shape[:2], *self.plan.layers[-1].shape[1:])

    def _put(self, ends: Ends, gradient: Array) -> None:
        assert ends.output_gradient
        to = self._all(ends, ends.output_gradient)
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


class CompiledModel:
    """One network trained by compiled kernels, as the engine drives it.

    Attributes:
        count: One.
    """

    count = 1

    def __init__(self, plan: Blueprint, task: Task, *, seed: int) -> None:
        """Begin with fresh weights."""
        self._task = task
        self._schedule = task.schedule
        self.network = CompiledNetwork(
            plan,
            seed=seed,
            batch=task.schedule.batch,
            at_once=AT_ONCE,
        )

    def step(
        self,
        inputs: Array,
        targets: Array,
        loss_and_gradient: LossAndGradient,
        rate: float,
    ) -> tuple[Array, Array]:
        """Take a step of stochastic gradient descent; gives the losses ``(1,)``, and the arranged
        outputs before it.
        """
        outputs = self._task.arranged(self.network.forward(inputs)[None])
        losses, gradient = loss_and_gradient(outputs, targets)
        self.network.backward(self._task.restored(gradient)[0])
        self.network.descend(rate, self._schedule.momentum, self._schedule.weight_decay)
        return losses, outputs

    def predict(self, inputs: Array) -> Array:
        """The arranged outputs in evaluation mode, shape ``(1, n, …)``."""
        arranged: Array = self._task.arranged(self.network.predict(inputs)[None])
        return arranged

    def input_gradient(self, inputs: Array, gradient_of: Callable[[Array], Array]) -> Array:
        """The gradient of the network by its inputs in evaluation mode, shape
        ``(1, n, channels, height, width)``.
        """
        gradient = self._task.restored(gradient_of(self.predict(inputs)))[0]
        return self.network.input_gradient(inputs, gradient)[None]
