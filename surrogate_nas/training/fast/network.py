"""Networks on a CPU. The blueprint of a network is translated into a program of compiled kernels,
which share one block of memory (the arena).
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.network import Blueprint
from surrogate_nas.training.fast.compiled import kernels
from surrogate_nas.training.fast.program import (
    TABLES,
    Program,
    Signature,
    Tensor,
    Words,
    shares,
)
from surrogate_nas.training.machine import LossAndGradient
from surrogate_nas.training.tasks import Task

Array = NDArray[np.float32]
AT_ONCE = 64
"""The number of examples that are predicted at once; their activations should fit into the
cache.
"""


class CompiledNetwork:
    """A network in float32 with its gradients. A backward pass refers to the latest forward pass.

    Example:
        >>> from surrogate_nas.space.network import Graph, Network
        >>> from surrogate_nas.space.network import around
        >>> plan = around(
        ...     Graph(((0, 1),), (3,)),
        ...     Network(channels=4, cells_per_stage=1, image_size=8),
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
        """Translate a network and sample its weights with the seed.

        Args:
            plan: The network.
            seed: The root seed of the initial weights.
            batch: Maximum number of examples per training step.
            at_once: Number of examples that are predicted at once; 0 for `batch`.
        """
        self._kernels = kernels()
        self.plan = plan
        self.batch = batch
        self.at_once = at_once or batch
        self.program = Program(plan, batch, self.at_once, self._kernels.shape)
        self._arena = _arena(self.program.size)
        self._by_input: Signature | None = None
        self._folded = False
        for name, weight in plan.weights(seed).items():
            start = self.program.weight(name)
            self._arena[start : start + weight.size] = _inner(weight).ravel()
        for name, start in self.program.fixed.offsets.items():
            what, _, number = name.rpartition(" ")
            if what == "running variance":
                self._arena[start : start + plan.layers[int(number)].shape[0]] = 1
            elif what == "shares":
                values = shares(plan.layers[int(number)])
                self._arena[start : start + len(values)] = values

    def forward(self, x: Array) -> Array:
        """Return the network's outputs in training mode as a view, shape
        ``(batch, outputs[, rows, columns])``.

        Args:
            x: A batch of inputs, shape ``(batch, channels, height, width)``. The batch must not
                exceed the network's maximum batch size.

        Raises:
            ValueError: The inputs do not have the shape that the network expects.
        """
        step = self.program.step
        self._load(x, step, self.batch)
        self._run(step.forward, step, len(x))
        self._folded = False
        return self._shaped(
            self._all(step, step.output)[:, :, : len(x)].transpose(2, 1, 0)
        )

    def backward(self, gradient: Array) -> None:
        """Compute the gradients of all weights from the gradient with respect to the outputs of
        `CompiledNetwork.forward`.
        """
        self._put(self.program.step, gradient)
        self._run(self.program.step.backward, self.program.step, len(gradient))

    def sgd_step(self, rate: float, momentum: float, decay: float) -> None:
        """Take a step of stochastic gradient descent with the gradients that
        `CompiledNetwork.backward` has computed.
        """
        offsets = self.program.fixed.offsets
        starts = (
            self._base + 4 * offsets[what]
            for what in ("weights", "gradients", "momenta")
        )
        self._kernels.sgd_step(
            *starts, self.program.parameters.size, rate, momentum, decay
        )
        self._folded = False

    def predict(self, x: Array) -> Array:
        """Return the network's outputs in evaluation mode, that is, with running statistics. Inputs
        have the shape ``(n, channels, height, width)``.
        """
        inference = self.program.inference
        output = inference.output
        outputs = np.empty((output.pixels, output.channels, len(x)), np.float32)
        for part, examples in self._answered(x, inference):
            outputs[:, :, part] = self._all(inference, output)[:, :, :examples]
        return self._shaped(outputs.transpose(2, 1, 0))

    def input_gradient(self, x: Array, gradient: Array) -> Array:
        """Return the gradient with respect to the inputs, given the gradient with respect to the
        outputs of `CompiledNetwork.predict`.
        """
        if self._by_input is None:
            self._by_input = self.program.schedule(training=False, by_input=True)
            larger = _arena(max(self._by_input.size, len(self._arena)))
            larger[: len(self._arena)] = self._arena
            self._arena = larger
        by_input = self._by_input
        gradients = np.zeros(x.shape, np.float32)
        if by_input.input_gradient:
            for part, examples in self._answered(x, by_input):
                self._put(by_input, gradient[part])
                self._run(by_input.backward, by_input, examples)
                come = self._all(by_input, by_input.input_gradient)[:, :, :examples]
                gradients[part] = come.transpose(2, 1, 0).reshape(gradients[part].shape)
        return gradients

    def _answered(self, x: Array, signature: Signature) -> Iterator[tuple[slice, int]]:
        """Compute outputs in evaluation mode for some examples at a time; yield their slice and
        their number.
        """
        if not self._folded:
            self._run(self.program.fold, self.program.inference, 1)
            self._folded = True
        for start in range(0, len(x), self.at_once):
            part = slice(start, min(start + self.at_once, len(x)))
            self._load(x[part], signature, self.at_once)
            self._run(signature.forward, signature, part.stop - start)
            yield part, part.stop - start

    def weights(self, what: str = "weights") -> dict[str, Array]:
        """Return all weights of the network by name, or their gradients, in PyTorch's memory
        layout.
        """
        by_name = {}
        for name, parameter in self.plan.parameters.items():
            start = self.program.weight(name, what)
            shape = parameter.shape
            inner = shape[2:] + shape[1::-1] if len(shape) > 1 else shape
            flat = self._arena[start : start + math.prod(shape)].reshape(inner)
            outer = np.moveaxis(flat, (-1, -2), (0, 1)) if len(shape) > 1 else flat
            by_name[name] = outer.copy()
        return by_name

    def _load(self, x: Array, signature: Signature, most: int) -> None:
        if x.shape[1:] != self.plan.layers[0].shape or not 0 < len(x) <= most:
            raise ValueError(
                f"inputs of shape {x.shape} do not fit a network for {self.plan.layers[0].shape}"
            )
        inputs = np.ascontiguousarray(x, np.float32)
        to = signature.input
        sizes = to.channels, to.rows, to.pixels, signature.row, len(x)
        self._kernels.load(self._base + 4 * to.slot.offset, inputs.ctypes.data, *sizes)

    def _run(self, words: Words, signature: Signature, examples: int) -> None:
        # held while the kernels read it: another thread's network may bring a longer one
        tables = TABLES.words
        addresses = self._base, tables.ctypes.data, words.ctypes.data
        self._kernels.execute(*addresses, len(words), signature.row, examples)

    @property
    def _base(self) -> int:
        return self._arena.ctypes.data

    def _all(self, signature: Signature, tensor: Tensor) -> Array:
        """Return a tensor as it is stored, shape ``(pixels, channels, row)``."""
        shape = tensor.pixels, tensor.rows, signature.row
        start = tensor.slot.offset
        whole = self._arena[start : start + math.prod(shape)].reshape(shape)
        return whole[:, tensor.start : tensor.start + tensor.channels]

    def _shaped(self, answers: Array) -> Array:
        """Return outputs ``(batch, outputs, pixels)`` in the shape that losses expect."""
        if not self.plan.network.positions:
            return answers[:, :, 0]
        if self.plan.network.dimensions == 1:
            return answers
        return answers.reshape(*answers.shape[:2], *self.plan.layers[-1].shape[1:])

    def _put(self, signature: Signature, gradient: Array) -> None:
        assert signature.output_gradient
        to = self._all(signature, signature.output_gradient)
        examples = len(gradient)
        to[:, :, :examples] = gradient.reshape(examples, to.shape[1], -1).transpose(
            2, 1, 0
        )
        to[:, :, examples:] = 0


def _inner(weight: Array) -> Array:
    """Transpose weights from ``(outputs, inputs, rows, columns)`` to
    ``(rows, columns, inputs, outputs)``.
    """
    return np.moveaxis(weight, (0, 1), (-1, -2)) if weight.ndim > 1 else weight


def _arena(size: int) -> Array:
    spare = 16  # so that it begins at a line of the cache, of 64 bytes
    whole = np.zeros(size + spare, np.float32)
    start = -(whole.ctypes.data // 4) % spare
    return whole[start : start + size]


class CompiledModel:
    """One network that is trained by compiled kernels."""

    def __init__(self, plan: Blueprint, task: Task, *, seed: int) -> None:
        """Start with new initial weights."""
        self._task = task
        self._schedule = task.schedule
        batch = task.schedule.batch
        self.network = CompiledNetwork(plan, seed=seed, batch=batch, at_once=AT_ONCE)

    def step(
        self,
        inputs: Array,
        targets: Array,
        loss_and_gradient: LossAndGradient,
        rate: float,
    ) -> tuple[Array, Array]:
        """Take a gradient step. Return the network's loss before the step, shape ``(1,)``, and the
        arranged outputs.
        """
        outputs = self._task.arranged(self.network.forward(inputs)[None])
        losses, gradient = loss_and_gradient(outputs, targets)
        self.network.backward(self._task.restored(gradient)[0])
        self.network.sgd_step(
            rate, self._schedule.momentum, self._schedule.weight_decay
        )
        return losses, outputs

    def predict(self, inputs: Array) -> Array:
        """Return the network's outputs in evaluation mode, arranged as the losses expect them,
        shape ``(1, n, …)``.
        """
        arranged: Array = self._task.arranged(self.network.predict(inputs)[None])
        return arranged

    def input_gradient(
        self, inputs: Array, gradient_of: Callable[[Array], Array]
    ) -> Array:
        """Return the gradient of the network with respect to its inputs."""
        gradient = self._task.restored(gradient_of(self.predict(inputs)))[0]
        return self.network.input_gradient(inputs, gradient)[None]
