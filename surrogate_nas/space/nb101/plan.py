"""NAS-Bench-101's network of a cell as a list of layers (Ying et al., ``build_model``).

A stem 3×3; three stacks of N cells, each stack with twice the channels of the last and behind a
pooling that halves the size; global average pooling; a linear layer. Convolutions are followed by
batch normalisation and ReLU. A vertex adds what it reads, the cell's input through a 1×1
convolution, wider vertices without their last channels; the output joins the vertices that lead to
it and adds the input likewise. Beyond the published network: signals, odd sizes (a stride of 2
rounds up), a head at every position, and a causal variant; vertices that are left without a channel
in a narrow network are left out.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.space.nb101.graphs import MOST_VERTICES, PAIRS, Graph
from surrogate_nas.space.nb101.sizes import CONV1, CONV3, OUTPUT, channels
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.blueprint import Blueprint


def planned(graph: Graph, network: Network) -> Blueprint:
    """The whole network of a cell, layer by layer."""
    plan = Blueprint(network)
    x = _followed(plan, plan.input(), "stem", network.channels, 3)
    for stage, (width, _) in enumerate(network.stages):
        if stage and network.strided:
            x = plan.halve(x, largest=True)
        for n in range(network.cells_per_stage):
            x = _cell(plan, graph, x, width, f"stacks.{stage}.{n}.vertices")
    plan.answer(x)
    return plan


def _cell(
    plan: Blueprint,
    graph: Graph,
    x: int,
    outputs: int,
    name: str,
) -> int:
    sources = sources_of(graph)
    widths = widths_of(graph, plan.layers[x].shape[0], outputs)
    computed: dict[int, int] = {}
    *inner, last = sources

    def total(v: int, terms: list[int]) -> int:
        if 0 in sources[v]:
            terms.append(_followed(plan, x, f"{name}.{v}.projection", widths[v], 1))
        return plan.sum(*terms)

    for v in inner:
        if not widths[v]:
            continue
        inputs = total(v, [plan.part(computed[u], widths[v]) for u in sources[v] if u])
        operation = graph.operations[v - 1]
        if operation in (CONV3, CONV1):
            kernel = 3 if operation == CONV3 else 1
            computed[v] = _followed(plan, inputs, f"{name}.{v}.operation", widths[v], kernel)
        else:
            computed[v] = plan.pool(inputs, largest=True)
    joined = [computed[v] for v in sources[last] if v in computed]
    if len(joined) > 1:
        joined = [plan.join(*joined)]
    return total(last, joined)


def _followed(
    plan: Blueprint,
    x: int,
    name: str,
    width: int,
    kernel: int,
) -> int:
    """A convolution, batch normalisation and ReLU."""
    return plan.relu(plan.convolution_bn(x, name, width, kernel, relu=False))


def sources_of(graph: Graph) -> dict[int, list[int]]:
    """By vertex the vertices that it reads."""
    pairs = [pair for bit, pair in enumerate(PAIRS) if graph.edges >> bit & 1]
    sources: dict[int, list[int]] = {vertex: [] for vertex in range(1, graph.vertices)}
    for x, y in pairs:
        sources[y].append(x)
    return sources


def widths_of(graph: Graph, inputs: int, outputs: int) -> list[int]:
    """The channels of every vertex."""
    linked = np.zeros((MOST_VERTICES, MOST_VERTICES, 1), dtype=bool)
    for bit, (x, y) in enumerate(PAIRS):
        if graph.edges >> bit & 1:
            linked[x, OUTPUT if y == graph.vertices - 1 else y] = True
    return [inputs, *channels(linked, outputs)[: graph.vertices - 2, 0].tolist(), outputs]
