"""A network of cells, as NAS-Bench-201 published it (Dong & Yang, ICLR 2020), as a blueprint.

Stem 3×3 + BN; three stages of N cells at C, 2C and 4C channels; a residual block of stride 2 between stages; BN and
ReLU before global average pooling; a linear layer. Where nothing is strided, the blocks' shortcuts have no pooling.
"""

from __future__ import annotations

from surrogate_nas.space.network.blueprint import Blueprint
from surrogate_nas.space.network.frame import Network
from surrogate_nas.space.network.graph import CONV1, CONV3, NONE, POOL, Graph


def around(graph: Graph, network: Network) -> Blueprint:
    """The whole network of a cell.

    Args:
        graph: The cell; its dead operations are built too (see `Graph.live`).
        network: The macro architecture.

    Example:
        >>> plan = around(Graph(((0, 1),), (CONV3,)), Network())
        >>> sum(weight.size for weight in plan.weights(0).values())
        316346
    """
    plan = Blueprint(network)
    x = plan.convolution_bn(plan.input(), "stem", network.channels, 3, relu=False)
    for stage, (channels, _) in enumerate(network.stages):
        if stage:
            x = reduction(plan, x, f"reductions.{stage - 1}", channels)
        for n in range(network.cells_per_stage):
            x = cell(plan, x, f"stages.{stage}.{n}", graph, channels)
    return answered(plan, x)


def cell(plan: Blueprint, x: int, name: str, graph: Graph, channels: int) -> int:
    """One cell: every node the sum of operations on those before it.

    Where the input has other channels than the cell, its operations change them, as NATS-Bench's size space has it.

    Args:
        plan: The network.
        x: What the cell reads.
        name: Of its module.
        graph: The cell.
        channels: Channels out.
    """
    widens = plan.layers[x].shape[0] != channels
    nodes = [x]
    for target in range(1, graph.nodes):
        terms = []
        for e, ((source, to), operation) in enumerate(zip(graph.edges, graph.operations, strict=True)):
            if to != target or operation == NONE:
                continue
            seen, where = nodes[source], f"{name}.edges.{e}"
            if operation in (CONV1, CONV3):
                terms.append(plan.convolution_bn(seen, where, channels, 3 if operation == CONV3 else 1))
            elif operation == POOL:
                terms.append(plan.pool(seen))
            elif widens and not source:
                terms.append(plan.convolution_bn(seen, where, channels, 1, relu=False))
            else:
                terms.append(seen)
        nodes.append(plan.sum(*terms) if terms else plan.zeros((channels, *plan.layers[x].shape[1:])))
    return nodes[-1]


def reduction(plan: Blueprint, x: int, name: str, channels: int) -> int:
    """The residual block between stages (ResNetBasicblock), or only its shortcut.

    Args:
        plan: The network.
        x: What the block reads.
        name: Of its module.
        channels: Channels out.
    """
    stride = 2 if plan.network.strided else 1
    pooled = plan.halve(x) if plan.network.strided else x
    shortcut = plan.convolution(pooled, f"{name}.shortcut", channels, (1, 1))
    if not plan.network.residual:
        return shortcut
    middle = plan.convolution_bn(x, f"{name}.first", channels, 3, stride=stride)
    return plan.sum(shortcut, plan.convolution_bn(middle, f"{name}.second", channels, 3))


def answered(plan: Blueprint, x: int) -> Blueprint:
    """The end of the network: BN, ReLU and what answers.

    Args:
        plan: The network.
        x: Its features.
    """
    plan.answer(plan.relu(plan.normalisation(x, "last")))
    return plan
