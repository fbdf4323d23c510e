"""Train K networks at once: their channels are placed side by side, so that one grouped convolution
serves all of them.

The loss of each network depends only on its own weights, so the gradient of the summed losses
contains the gradient of each network. On every edge, each operation runs once, and only for the
cells that contain the operation. Tensors have the shape ``(batch, K·C, height, width)`` in
channels-last memory, where selecting some of the K networks copies blocks of C numbers.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function

from surrogate_nas.space.network import (
    OPERATIONS,
    Blueprint,
    Graph,
    Shape,
    piece,
    skeleton,
)
from surrogate_nas.space.network.module import BlueprintModule

Cells = tuple[int, ...]


def _by_cell(x: Tensor, channels: int) -> Tensor:
    """View ``(batch, K·C, height, width)`` as ``(batch, height, width, K, C)``."""
    batch, stacked, height, width = x.shape
    return x.permute(0, 2, 3, 1).view(
        batch, height, width, stacked // channels, channels
    )


def _by_channel(x: Tensor) -> Tensor:
    return x.flatten(3).permute(0, 3, 1, 2)


def _index(cells: Cells) -> slice | list[int]:
    """Return an index for some cells of a tensor, a slice (a view) if they are adjacent."""
    neighbours = cells[-1] - cells[0] + 1 == len(cells)
    return slice(cells[0], cells[-1] + 1) if neighbours else [*cells]


def _take(x: Tensor, cells: Cells) -> Tensor:
    """Return some cells of a tensor of all cells, both ``(…, cells, C)``; contiguous, since batch
    normalisation is slow otherwise.
    """
    return x[:, :, :, _index(cells)].contiguous()


class _Gather(Function):
    """Split a tensor of all cells into one tensor for each of several groups of cells."""

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
    def backward(
        ctx: Any, *gradients: Tensor | None
    ) -> tuple[Tensor | None, None, None]:
        present = [
            (g, group)
            for g, group in zip(gradients, ctx.groups, strict=True)
            if g is not None
        ]
        return _sum(present, ctx.channels, ctx.shape[1] // ctx.channels), None, None


class _Scatter(Function):
    """Sum one tensor for each of several groups of cells into a tensor of all cells."""

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
        return (
            None,
            None,
            None,
            *(_by_channel(_take(cells, group)) for group in ctx.groups),
        )


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
        total[:, :, :, _index(cells)] += _by_cell(part, channels)
    return _by_channel(total)


class _StackedCell(nn.Module):
    """A cell of several networks: on every edge each operation runs once, for the networks that
    contain it.
    """

    def __init__(
        self, networks: Sequence[BlueprintModule], name: str, shape: Shape
    ) -> None:
        super().__init__()
        graphs = [cast(Graph, network.plan.graph) for network in networks]
        self.channels = shape[0]
        self.count = len(networks)
        self.edges = graphs[0].edges
        self.nodes = graphs[0].nodes
        self.groups: dict[tuple[int, int], Cells] = {}
        self.operations = nn.ModuleDict()
        for e in range(len(self.edges)):
            for operation in OPERATIONS:
                members = tuple(
                    k
                    for k, graph in enumerate(graphs)
                    if graph and graph.operations[e] == operation
                )
                if not members:
                    continue
                self.groups[e, operation] = members
                plan = piece(operation, f"edges.{e}", shape, networks[0].network)
                weights = _side_by_side(
                    [networks[k] for k in members], plan, f"{name}."
                )
                self.operations[f"{e}_{operation}"] = BlueprintModule(
                    plan, weights, count=len(members)
                )

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
                term = self.operations[f"{e}_{operation}"](part)
                arriving[self.edges[e][1]].append((term, self.groups[e, operation]))
            if not arriving[source + 1]:
                node = torch.zeros_like(x)
                continue
            tensors, groups = zip(*arriving[source + 1], strict=True)
            node = _Scatter.apply(  # type: ignore[no-untyped-call]
                self.channels, self.count, groups, *tensors
            )
        return node


def _side_by_side(
    networks: Sequence[BlueprintModule],
    plan: Blueprint,
    prefix: str = "",
) -> dict[str, Tensor]:
    """Return the weights of a plan, concatenated over several networks."""
    weights = {}
    for name in plan.parameters:
        tensors = [
            network.get_parameter(f"{prefix}{name}").detach() for network in networks
        ]
        weights[name] = torch.cat(tensors)
    return weights


class Stack(BlueprintModule):
    """Several networks with the same macro architecture but different cells, trained as one
    network. Each network has its own copy of the weights.

    The layers outside the cells, and the operations, are those of the blueprint, with the channels
    of all networks side by side. Only the cell needs its own implementation, since the networks
    have different operations on the edges.

    Example:
        >>> import surrogate_nas as sn
        >>> from surrogate_nas.space.network import Network
        >>> small = Network(channels=4, cells_per_stage=1, image_size=8)
        >>> stack = Stack(
        ...     [sn.nb201().build(sn.nb201()[i], small, seed=0) for i in (1, 2, 3)]
        ... )
        >>> stack(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([3, 2, 10])
    """

    def __init__(self, networks: Sequence[BlueprintModule]) -> None:
        """Stack networks with the same macro architecture, whose graphs have the same edges."""
        cells: dict[str, nn.Module] = {}

        def write(plan: Blueprint, x: int, name: str, _channels: int) -> int:
            cells[name] = _StackedCell(networks, name, plan.layers[x].shape)
            return plan.module(x, name)

        plan = skeleton(networks[0].network, write)
        weights = _side_by_side(networks, plan)
        super().__init__(plan, weights, modules=cells, count=len(networks))
        self.to(weights["stem.weight"].dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all networks, shape ``(K, batch, classes)``, with further axes if
        there are outputs at every position.
        """
        return super().forward(x.contiguous(memory_format=torch.channels_last))

    def _answered(self, x: Tensor, head: nn.Module) -> Tensor:
        batch, channels, *pixels = x.shape
        features = channels // self.count
        weight = head.get_parameter("weight").view(self.count, -1, features)
        bias = head.get_parameter("bias").view(self.count, -1)
        inputs = x.reshape(batch, self.count, features, -1).transpose(0, 1)
        if not self.network.positions:
            return torch.baddbmm(
                bias.unsqueeze(1), inputs.squeeze(3), weight.transpose(1, 2)
            )
        outputs = (
            torch.einsum("kbcl,koc->kbol", inputs, weight) + bias[:, None, :, None]
        )
        if self.network.dimensions == 1:
            return outputs
        return outputs.reshape(*outputs.shape[:3], *pixels)
