"""`CellNetwork` on a CPU by compiled kernels: the same mathematics with the batch in the vector lanes.

The forward and the backward pass are written out layer by layer over `surrogate_nas.training.fast.kernels`; PyTorch
sees a module with one flat parameter, so that tasks, losses and the optimiser stay as they are. One network trains as
fast as in a stack of many, so nothing has to be stacked on a CPU (``analysis/bench_training.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

from surrogate_nas.network.cells import CellModule, CellNetwork, Reduction
from surrogate_nas.network.graph import NONE, POOL, SKIP
from surrogate_nas.network.layers import ConvolutionBN
from surrogate_nas.network.pooling import HalvingPool
from surrogate_nas.training.fast import lane_kernels as kernels
from surrogate_nas.training.fast.arrays import Buffers, Parameters, Shape
from surrogate_nas.training.fast.lane_kernels import Array


class _Normalisation:
    """Batch normalisation with its running statistics."""

    def __init__(self, parameters: Parameters, name: str) -> None:
        self.scale, self.scale_gradient = parameters(f"{name}.weight")
        self.shift, self.shift_gradient = parameters(f"{name}.bias")
        self.running = np.stack([np.zeros_like(self.scale), np.ones_like(self.scale)])
        self.mean, self.deviation = np.empty_like(self.scale), np.empty_like(self.scale)
        self.training = True

    def forward(self, x: Array, out: Array, *, training: bool, add: bool) -> None:
        statistics = (self.mean, self.deviation, self.running)
        self.training = training
        kernels.normalise(x, self.scale, self.shift, *statistics, out, training, add)

    def backward(self, gradient: Array, x: Array, padded: Array, batch: int, top: int, left: int) -> None:
        kernel, mean, deviation = kernels.normalise_gradient, self.mean, self.deviation
        if not self.training:
            mean, variance = self.running
            kernel, deviation = kernels.fixed_gradient, 1 / np.sqrt(variance + np.float32(kernels.EPSILON))
        statistics = (self.scale, mean, deviation, self.scale_gradient, self.shift_gradient)
        kernel(gradient, x, *statistics, padded, batch, top, left)


class _Convolution:
    """[ReLU,] convolution [, batch normalisation]: `ConvolutionBN`, or a reduction's shortcut."""

    def __init__(
        self,
        parameters: Parameters,
        name: str,
        shape: Shape,
        *,
        norm: str | None,
        relu: bool,
        stride: int = 1,
        causal: bool = False,
    ) -> None:
        self.weight, self.gradient = parameters(name)
        self.norm = None if norm is None else _Normalisation(parameters, norm)
        self.shape, self.relu, self.stride = shape, relu, stride
        outputs, _, self.rows, self.columns = self.weight.shape
        self.top = self.rows // 2
        self.left = self.columns - 1 if causal else self.columns // 2
        channels, height, width = shape
        self.outside = (channels, height + self.rows - 1, width + self.columns - 1)
        self.out_shape = (outputs, -(-height // stride), -(-width // stride))
        # The gradient of the output is padded so that convolving it with the mirrored kernel gives the input's.
        self.left_after = self.columns - 1 - self.left
        self.gradient_outside = (outputs, self.out_shape[1] + self.rows - 1, self.out_shape[2] + self.columns - 1)
        self.buffers = Buffers()

    def forward(self, x: Array, out: Array, batch: int, *, training: bool, add: bool) -> None:
        padded = self.buffers("padded", self.outside, batch)
        kernels.pad(x, padded, batch, self.top, self.left, self.relu)
        raw = self.buffers("raw", self.out_shape, batch) if self.norm or add else out
        (kernels.convolve if self.stride == 1 else kernels.convolve_halving)(padded, self.weight, raw, batch)
        if self.norm:
            self.norm.forward(raw, out, training=training, add=add)
        elif add:
            out += raw

    def backward(self, gradient: Array, total: Array | None, batch: int) -> None:
        """Write the parameters' gradients and add the input's to a total, where one is wanted."""
        padded, raw = self.buffers("padded", self.outside, batch), self.buffers("raw", self.out_shape, batch)
        top, left = self.top, self.left_after
        inner = self.buffers("gradient", self.gradient_outside, batch)
        if self.norm:
            self.norm.backward(gradient, raw, inner, batch, top, left)
        else:
            kernels.pad(gradient, inner, batch, top, left, False)
        weight_gradient = kernels.weight_gradient if self.stride == 1 else kernels.weight_gradient_halving
        weight_gradient(padded, inner, self.gradient, batch, top, left)
        if total is None:
            return
        if self.stride == 1:
            come = self.buffers("come", self.shape, batch)
            mirrored = np.ascontiguousarray(self.weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
            kernels.convolve(inner, mirrored, come, batch)
        else:
            come = self.buffers("come", self.outside, batch)
            kernels.spread(inner, self.weight, come, batch, top, left)
        kernels.add_gradient(come, padded, total, batch, self.stride > 1, self.relu, self.top, self.left)


class _Pool:
    """`surrogate_nas.network.pooling.AveragePool`."""

    def __init__(self, shape: Shape, causal: bool) -> None:
        self.shape, self.causal = shape, causal
        self.buffers = Buffers()
        _, height, width = shape
        ones = np.ones((1, height, width), np.float32)
        counts, scratch = np.empty_like(ones), np.empty_like(ones[0])
        kernels.average(ones, counts, scratch, ones[0], 1, causal, False, False)
        self.share = 1 / counts[0]

    def _average(self, x: Array, out: Array, batch: int, backward: bool, add: bool) -> None:
        scratch = self.buffers("scratch", (1, *self.shape[1:]), batch)[0]
        kernels.average(x, out, scratch, self.share, batch, self.causal, backward, add)

    def forward(self, x: Array, out: Array, batch: int, *, training: bool, add: bool) -> None:  # noqa: ARG002
        self._average(x, out, batch, False, add)

    def backward(self, gradient: Array, total: Array, batch: int) -> None:
        self._average(gradient, total, batch, True, True)


class _Cell:
    """`CellModule`: on every edge that is not ``none`` an operation, from one node's array into another's."""

    def __init__(self, parameters: Parameters, name: str, cell: CellModule, shape: Shape, causal: bool) -> None:
        self.shape = shape
        self.buffers = Buffers()
        self.edges: list[tuple[int, int, _Convolution | _Pool | None]] = []
        for e, ((source, target), operation) in enumerate(zip(*cell.graph, strict=True)):
            if operation == NONE:
                continue
            layer: _Convolution | _Pool | None = None
            if operation == POOL:
                layer = _Pool(shape, causal)
            elif operation != SKIP:
                layer = _convolution_bn(parameters, f"{name}.edges.{e}", cell.edges[e], shape)
            self.edges.append((source, target, layer))

    def forward(self, x: Array, batch: int, training: bool) -> Array:
        nodes = [x, *(self.buffers(f"node {t}", self.shape, batch) for t in (1, 2, 3))]
        reached = {0}
        for source, target, layer in self.edges:
            if source not in reached:
                nodes[source][:] = 0
                reached.add(source)
            if layer is not None:
                layer.forward(nodes[source], nodes[target], batch, training=training, add=target in reached)
            elif target in reached:
                nodes[target] += nodes[source]
            else:
                nodes[target][:] = nodes[source]
            reached.add(target)
        if 3 not in reached:
            nodes[3][:] = 0
        return nodes[3]

    def backward(self, gradient: Array, batch: int) -> Array:
        gradients = [*(self.buffers(f"gradient {t}", self.shape, batch) for t in (0, 1, 2)), gradient]
        for array in gradients[:3]:
            array[:] = 0
        for source, target, layer in reversed(self.edges):
            if layer is None:
                gradients[source] += gradients[target]
            else:
                layer.backward(gradients[target], gradients[source], batch)
        return gradients[0]


class _Reduction:
    """`Reduction`."""

    def __init__(self, parameters: Parameters, name: str, block: Reduction, shape: Shape) -> None:
        self.shape = shape
        self.halving = isinstance(block.pool, HalvingPool)
        channels, height, width = shape
        pooled = (channels, -(-height // 2), -(-width // 2)) if self.halving else shape
        self.shortcut = _Convolution(parameters, f"{name}.shortcut", pooled, norm=None, relu=False)
        self.out_shape = self.shortcut.out_shape
        self.residual: tuple[_Convolution, _Convolution] | None = None
        if block.residual:
            self.residual = (
                _convolution_bn(parameters, f"{name}.first", block.first, shape),
                _convolution_bn(parameters, f"{name}.second", block.second, self.out_shape),
            )
        self.buffers = Buffers()

    def forward(self, x: Array, batch: int, training: bool) -> Array:
        out = self.buffers("out", self.out_shape, batch)
        pooled = x
        if self.halving:
            pooled = self.buffers("pooled", self.shortcut.shape, batch)
            kernels.halve(x, pooled, batch, False)
        self.shortcut.forward(pooled, out, batch, training=training, add=False)
        if self.residual:
            first, second = self.residual
            middle = self.buffers("middle", self.out_shape, batch)
            first.forward(x, middle, batch, training=training, add=False)
            second.forward(middle, out, batch, training=training, add=True)
        return out

    def backward(self, gradient: Array, batch: int) -> Array:
        total = self.buffers("gradient", self.shape, batch)
        total[:] = 0
        if self.residual:
            first, second = self.residual
            middle = self.buffers("gradient of middle", self.out_shape, batch)
            middle[:] = 0
            second.backward(gradient, middle, batch)
            first.backward(middle, total, batch)
        if self.halving:
            pooled = self.buffers("gradient of pooled", self.shortcut.shape, batch)
            pooled[:] = 0
            self.shortcut.backward(gradient, pooled, batch)
            kernels.halve(total, pooled, batch, True)
        else:
            self.shortcut.backward(gradient, total, batch)
        return total


def _convolution_bn(parameters: Parameters, name: str, layer: nn.Module, shape: Shape) -> _Convolution:
    layer = cast(ConvolutionBN, layer)
    settings: dict[str, Any] = {"relu": layer.relu, "stride": layer.stride, "causal": layer.causal}
    return _Convolution(parameters, f"{name}.weight", shape, norm=f"{name}.norm", **settings)


class _Pass(Function):
    """The whole network as one operation of PyTorch's, differentiable once by its parameters and its input."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, network: LaneNetwork, x: Tensor) -> Tensor:  # noqa: ARG004 - flat is shared
        ctx.network = network
        return network.run(x, training=network.training)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor | None]:
        flat, inputs = ctx.network.gradients(gradients[0], by_input=ctx.needs_input_grad[2])
        return flat, None, inputs


class LaneNetwork(nn.Module):
    """A `CellNetwork` for float32 on a CPU; its parameters are copied, into one.

    A backward pass belongs to the forward pass before it: the arrays between the layers are kept once.

    Example:
        >>> from surrogate_nas.network import Graph, Network
        >>> small = Network(channels=4, cells_per_stage=1, image_size=8)
        >>> LaneNetwork(CellNetwork(Graph(((0, 1),), (3,)), small, seed=0))(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, network: CellNetwork) -> None:
        """Copy a network.

        Args:
            network: Freshly initialised, in float32 on the CPU.
        """
        super().__init__()
        macro = network.network
        height = macro.image_size if macro.dimensions == 2 else 1
        shape: Shape = (macro.input_channels, height, macro.image_size)
        parameters = Parameters(network)
        self.network = macro
        self.flat = nn.Parameter(torch.from_numpy(parameters.values))
        self._gradients = parameters.gradients
        self._stem = _convolution_bn(parameters, "stem", network.stem, shape)
        self._blocks: list[_Cell | _Reduction] = []
        shape = self._stem.out_shape
        for s, stage in enumerate(cast(Sequence[Sequence[CellModule]], network.stages)):
            if s:
                block = cast(Reduction, network.reductions[s - 1])
                self._blocks.append(_Reduction(parameters, f"reductions.{s - 1}", block, shape))
                shape = self._blocks[-1].out_shape  # type: ignore[union-attr]
            for n, cell in enumerate(stage):
                self._blocks.append(_Cell(parameters, f"stages.{s}.{n}", cell, shape, macro.causal))
        self._last = _Normalisation(parameters, "last")
        self._shape = shape
        self._weight, self._weight_gradient = parameters("head.weight")
        self._bias, self._bias_gradient = parameters("head.bias")
        self._buffers_of_head = Buffers()
        self._features: Array = np.empty((0, 0), np.float32)
        self._trunk: Array = self._features

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(batch, classes)``, or with positions behind as `CellNetwork` has them.

        Args:
            x: Shape ``(batch, input channels, height, width)``; height 1 for signals.
        """
        return cast(Tensor, _Pass.apply(self.flat, self, x))  # type: ignore[no-untyped-call]

    def run(self, x: Tensor, *, training: bool) -> Tensor:
        """The forward pass.

        Args:
            x: As in `forward`.
            training: Whether normalisation uses the batch's own statistics.

        Raises:
            ValueError: The inputs are of another shape than the network is for: kernels would read beside them.
        """
        if x.shape[1:] != self._stem.shape:
            raise ValueError(f"inputs of shape {tuple(x.shape[1:])} do not fit a network for {self._stem.shape}")
        batch = len(x)
        image = x.detach().numpy().transpose(1, 2, 3, 0).reshape(x.shape[1], x.shape[2], -1)
        node = self._buffers_of_head("stem", self._stem.out_shape, batch)
        self._stem.forward(np.ascontiguousarray(image), node, batch, training=training, add=False)
        for block in self._blocks:
            node = block.forward(node, batch, training)
        self._trunk = node
        last = self._buffers_of_head("last", self._shape, batch)
        self._last.forward(node, last, training=training, add=False)
        np.maximum(last, 0, out=last)
        self._features = self._pooled(last, batch)
        answers = self._features @ self._weight.T + self._bias
        if self.network.positions:
            answers = answers.reshape(-1, batch, len(self._bias)).transpose(1, 2, 0)
            if self.network.dimensions == 2:
                answers = answers.reshape(batch, -1, *self._shape[1:])
        return torch.from_numpy(np.ascontiguousarray(answers))

    def _pooled(self, last: Array, batch: int) -> Array:
        """The features of every example, or of every position and example, in rows."""
        channels = last.shape[0]
        if self.network.positions:
            return np.ascontiguousarray(last.reshape(channels, -1).T)
        return np.ascontiguousarray(last.reshape(channels, -1, batch).mean(1).T)

    def gradients(self, come: Tensor, *, by_input: bool) -> tuple[Tensor, Tensor | None]:
        """The backward pass: the gradient of the flat parameter, and that of the input where it is wanted.

        Args:
            come: The gradient of the answers.
            by_input: Whether the input's is wanted.
        """
        batch = len(come)
        rows = come.numpy()
        positions = self.network.positions
        if positions:
            rows = rows.reshape(*rows.shape[:2], -1).transpose(2, 0, 1).reshape(-1, rows.shape[1])
        self._gradients[:] = 0
        np.matmul(rows.T, self._features, out=self._weight_gradient)
        rows.sum(0, out=self._bias_gradient)
        features = (rows @ self._weight).T
        last = self._buffers_of_head("last", self._shape, batch)
        area = 1 if positions else last[0].size // batch
        spread = np.ascontiguousarray(features) if positions else np.tile(features, (1, area))
        gradient = np.where(last > 0, spread.reshape(last.shape) / np.float32(area), np.float32(0))
        inner = self._buffers_of_head("gradient", self._shape, batch)
        self._last.backward(gradient, self._trunk, inner, batch, 0, 0)
        for block in reversed(self._blocks):
            inner = block.backward(inner, batch)
        shape = self._stem.shape
        image = np.zeros((*shape[:2], shape[2] * batch), np.float32) if by_input else None
        self._stem.backward(inner, image, batch)
        flat = torch.from_numpy(self._gradients.copy())
        return flat, None if image is None else torch.from_numpy(image.reshape(*shape, batch).transpose(3, 0, 1, 2))
