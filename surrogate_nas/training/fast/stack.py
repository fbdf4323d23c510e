"""Many networks trained at once: K cells side by side in the channels, one grouped convolution for
all of them.

Channel-stacked batch normalisation is each network's own, and a convolution with K groups keeps the
networks apart, so the gradient of the summed losses is each network's own gradient. On every edge
the cells are gathered by operation: each operation runs once, on just the cells that hold it.
Tensors are ``(batch, K·C, height, width)`` in channels-last memory, where a gather moves runs of C
numbers and every elementwise pass is over whole rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from surrogate_nas.space.network import CONV1, CONV3, POOL, SKIP
from surrogate_nas.space.network.cells import CellModule, CellNetwork, Reduction
from surrogate_nas.space.network.layers import AveragePool, ConvolutionBN, convolve

Cells = tuple[int, ...]


def _by_cell(x: Tensor, channels: int) -> Tensor:
    """View ``(batch, K·C, height, width)`` as ``(batch, height, width, K, C)``."""
    batch, stacked, height, width = x.shape
    return x.permute(0, 2, 3, 1).view(batch, height, width, stacked // channels, channels)


def _by_channel(x: Tensor) -> Tensor:
    """The inverse of `_by_cell`."""
    return x.flatten(3).permute(0, 3, 1, 2)


def _part(x: Tensor, cells: Cells) -> Tensor | None:
    """The view of neighbouring cells of ``(…, K, C)``; None where they are not neighbours."""
    if cells[-1] - cells[0] + 1 == len(cells):
        return x.narrow(3, cells[0], len(cells))
    return None


def _add_into(total: Tensor, part: Tensor, cells: Cells) -> None:
    """Add a part of some cells to a total of all, both ``(…, cells, C)``."""
    view = _part(total, cells)
    if view is not None:
        view.add_(part)
    else:
        total.index_add_(3, torch.tensor(cells, device=total.device), part)


def _take(x: Tensor, cells: Cells) -> Tensor:
    """Some cells of a total of all, both ``(…, cells, C)``; contiguous, since batch normalisation
    is slow otherwise.
    """
    view = _part(x, cells)
    return (
        view.contiguous()
        if view is not None
        else x.index_select(3, torch.tensor(cells, device=x.device))
    )


class _Gather(Function):
    """From a tensor of all cells to one tensor for each of several groups of cells."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        channels: int,
        groups: tuple[Cells, ...],
    ) -> tuple[Tensor, ...]:
        ctx.groups = groups
        ctx.channels = channels
        ctx.shape = x.shape
        ctx.set_materialize_grads(False)
        cells = _by_cell(x, channels)
        return tuple(_by_channel(_take(cells, group)) for group in groups)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None]:
        present = [
            (g, group) for g, group in zip(gradients, ctx.groups, strict=True) if g is not None
        ]
        return _sum(present, ctx.channels, ctx.shape[1] // ctx.channels), None, None


class _Scatter(Function):
    """From one tensor for each of several groups of cells to their sum, for all cells."""

    @staticmethod
    def forward(
        ctx: Any, channels: int, count: int, groups: tuple[Cells, ...], *tensors: Tensor
    ) -> Tensor:
        ctx.groups = groups
        ctx.channels = channels
        total = _sum(list(zip(tensors, groups, strict=True)), channels, count)
        return cast(Tensor, total)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        cells = _by_cell(gradients[0], ctx.channels)
        return None, None, None, *(_by_channel(_take(cells, group)) for group in ctx.groups)


def _sum(
    tensors: Sequence[tuple[Tensor, Cells]],
    channels: int,
    count: int,
) -> Tensor | None:
    if not tensors:
        return None
    batch, _, height, width = tensors[0][0].shape
    total = tensors[0][0].new_zeros(batch, height, width, count, channels)
    for part, cells in tensors:
        _add_into(total, _by_cell(part, channels), cells)
    return _by_channel(total)


class _Convolutions(nn.Module):
    """`ConvolutionBN` of several cells at once."""

    def __init__(self, layers: Sequence[ConvolutionBN], shared_input: bool = False) -> None:
        super().__init__()
        first = layers[0]
        self.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]))
        self.norm = _Norms([layer.norm for layer in layers])
        self.groups = 1 if shared_input else len(layers)
        self.relu = first.relu
        self.stride = first.stride
        self.causal = first.causal

    def forward(self, x: Tensor) -> Tensor:
        if self.relu:
            x = F.relu(x)
        y = convolve(
            x,
            self.weight,
            stride=self.stride,
            groups=self.groups,
            causal=self.causal,
        )
        return cast(Tensor, self.norm(y.contiguous(memory_format=torch.channels_last)))


class _Norms(nn.BatchNorm2d):
    """Batch normalisations side by side."""

    def __init__(self, norms: Sequence[nn.BatchNorm2d]) -> None:
        super().__init__(sum(norm.num_features for norm in norms), device=norms[0].weight.device)
        self.to(norms[0].weight.dtype)


class _StackedCell(nn.Module):
    """`CellModule` of several cells: on every edge each operation runs once, for the cells that
    hold it.
    """

    def __init__(self, cells: Sequence[CellModule], channels: int, causal: bool) -> None:
        super().__init__()
        self.channels = channels
        self.count = len(cells)
        self.edges = cells[0].graph.edges
        self.nodes = cells[0].graph.nodes
        self.groups: dict[tuple[int, int], Cells] = {}
        self.convolutions = nn.ModuleDict()
        self.pool = AveragePool(causal)
        for e in range(len(self.edges)):
            for operation in (SKIP, CONV1, CONV3, POOL):
                members = tuple(
                    k for k, cell in enumerate(cells) if cell.graph.operations[e] == operation
                )
                if not members:
                    continue
                self.groups[e, operation] = members
                if operation in (CONV1, CONV3):
                    layers = [cast(ConvolutionBN, cells[k].edges[e]) for k in members]
                    self.convolutions[f"{e}_{operation}"] = _Convolutions(layers)

    def forward(self, x: Tensor) -> Tensor:
        arriving: list[list[tuple[Tensor, Cells]]] = [[] for _ in range(self.nodes)]
        node = x
        for source in range(len(arriving) - 1):
            leaving = [(e, o) for e, o in self.groups if self.edges[e][0] == source]
            inputs: tuple[Tensor, ...] = ()
            if leaving:
                groups = tuple(self.groups[key] for key in leaving)
                inputs = _Gather.apply(node, self.channels, groups)  # type: ignore[no-untyped-call]
            for (e, operation), part in zip(leaving, inputs, strict=True):
                arriving[self.edges[e][1]].append(
                    (self._operate(e, operation, part), self.groups[e, operation])
                )
            node = self._node(arriving[source + 1], x)
        return node

    def _operate(self, e: int, operation: int, part: Tensor) -> Tensor:
        if operation == SKIP:
            return part
        layer = self.pool if operation == POOL else self.convolutions[f"{e}_{operation}"]
        return cast(Tensor, layer(part))

    def _node(self, arriving: Sequence[tuple[Tensor, Cells]], like: Tensor) -> Tensor:
        if not arriving:
            return torch.zeros_like(like)
        tensors, groups = zip(*arriving, strict=True)
        return cast(Tensor, _Scatter.apply(self.channels, self.count, groups, *tensors))  # type: ignore[no-untyped-call]


class _StackedReduction(nn.Module):
    """`Reduction` of several cells at once."""

    def __init__(self, blocks: Sequence[Reduction]) -> None:
        super().__init__()
        self.residual = blocks[0].residual
        if self.residual:
            self.first = _Convolutions([block.first for block in blocks])
            self.second = _Convolutions([block.second for block in blocks])
        self.pool = blocks[0].pool
        self.shortcut = nn.Parameter(torch.cat([block.shortcut.detach() for block in blocks]))
        self.groups = len(blocks)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = convolve(self.pool(x), self.shortcut, groups=self.groups)
        return shortcut + self.second(self.first(x)) if self.residual else shortcut


class Stack(nn.Module):
    """Several `CellNetwork` of one macro architecture, trained as one; the weights are copied from
    them.

    Example:
        >>> from surrogate_nas.space.network import Graph, Network
        >>> small = Network(channels=4, cells_per_stage=1, image_size=8)
        >>> stack = Stack([CellNetwork(Graph(((0, 1),), (o,)), small, seed=0) for o in (1, 2, 3)])
        >>> stack(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([3, 2, 10])
    """

    def __init__(self, networks: Sequence[CellNetwork]) -> None:
        """Stack the networks."""
        super().__init__()
        first = networks[0]
        self.count = len(networks)
        self.network = first.network
        self.stem = _Convolutions([network.stem for network in networks], shared_input=True)
        self.stages = nn.ModuleList()
        for s, (width, _) in enumerate(first.network.stages):
            stage = nn.ModuleList()
            for n in range(first.network.cells_per_stage):
                cells = [cast(CellModule, cast(Any, network.stages[s])[n]) for network in networks]
                stage.append(_StackedCell(cells, width, first.network.causal))
            self.stages.append(stage)
        self.reductions = nn.ModuleList()
        for i in range(2):
            blocks = [cast(Reduction, network.reductions[i]) for network in networks]
            self.reductions.append(_StackedReduction(blocks))
        self.last = _Norms([network.last for network in networks])
        self.weight = nn.Parameter(
            torch.stack([network.head.weight.detach() for network in networks])
        )
        self.bias = nn.Parameter(torch.stack([network.head.bias.detach() for network in networks]))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(K, batch, classes)``, or with positions behind, as
        `CellNetwork` has them.
        """
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        for i, stage in enumerate(self.stages):
            if i:
                x = self.reductions[i - 1](x)
            for cell in stage:  # type: ignore[attr-defined]
                x = cell(x)
        x = F.relu(self.last(x))
        if not self.network.positions:
            features = x.mean((2, 3)).view(len(x), self.count, -1).transpose(0, 1)
            return torch.baddbmm(self.bias.unsqueeze(1), features, self.weight.transpose(1, 2))
        places = x.reshape(len(x), self.count, -1, x.shape[2] * x.shape[3]).transpose(0, 1)
        outputs = torch.einsum("kbcl,koc->kbol", places, self.weight) + self.bias[:, None, :, None]
        return (
            outputs
            if self.network.dimensions == 1
            else outputs.reshape(*outputs.shape[:3], *x.shape[2:])
        )
