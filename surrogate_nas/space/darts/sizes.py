"""Sizes and structure of genotypes' networks; exact for the network that is built here.

With 36 channels and six cells a stage it is the network of twenty cells that DARTS trains on
CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    by_name,
    macs_of,
    params_of,
    structural,
)
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.darts.encodings import Wire, depth, operation_counts
from surrogate_nas.space.network import Network

STEM = 3
"""The stem has three times the channels of the first stage."""
_Table: TypeAlias = NDArray[np.float64]


def of(wire: Wire, operations: tuple[str, ...]) -> Analytic:
    """Every metric of a space that needs no measurement, by name."""
    works = np.array([name != "skip_connect" for name in operations])
    convolves = np.array(["conv" in name for name in operations])
    pools = np.array(["pool" in name for name in operations])

    def sized(part: int) -> Callable[[Choices, Network], Column]:
        def column(choices: Choices, network: Network) -> Column:
            cells = wire(choices)
            edges, rest = _tables(network, operations, cells.sources.shape[2])[part]
            normal, reduce = cells.joined.sum(axis=2).T
            return np.asarray(
                operation_counts(cells, len(operations)) @ edges + rest[normal, reduce]
            )

        return column

    def counted(name: str, description: str, is_counted: NDArray[np.bool_]) -> Analysed:
        return structural(
            name,
            description,
            lambda choices: is_counted[wire(choices).operations].sum(axis=(1, 2, 3)),
        )

    def deepest(name: str, description: str, which: int) -> Analysed:
        return structural(
            name, description, lambda choices: depth(wire(choices), works)[:, which].max(axis=1)
        )

    return by_name(
        params_of(sized(0), "trainable, no auxiliary head"),
        macs_of(sized(1)),
        counted("convolutions", "edges of both cells that hold one", convolves),
        counted("pools", "edges of both cells that hold a pooling", pools),
        counted("skips", "edges of both cells that hold skip_connect", ~works),
        deepest("depth", "longest way through the normal cell, skips not counted", 0),
        deepest("reduction_depth", "the same of the reduction cell", 1),
    )


@lru_cache(maxsize=64)
def _tables(
    network: Network,
    operations: tuple[str, ...],
    nodes: int,
) -> tuple[tuple[_Table, _Table], ...]:
    """Parameters and multiply-accumulates of `operation_counts`' columns, and of the rest."""
    edges = np.zeros((2, 3, len(operations)))
    for which, width, before, after in plan(network):
        for strided in range(1 + which):
            for place, name in enumerate(operations):
                halved = bool(strided) and network.strided
                inputs = before if strided else after
                edges[:, which + strided, place] += _of_edge(
                    name, width, inputs, after, halved, network
                )
    rest = np.zeros((2, nodes + 1, nodes + 1))
    for normal in range(1, nodes + 1):
        for reduce in range(1, nodes + 1):
            rest[:, normal, reduce] = _of_rest(network, (normal, reduce))
    return tuple((edges[part].ravel(), rest[part]) for part in range(2))


def plan(network: Network) -> Iterator[tuple[int, int, int, int]]:
    """The sequence of cells: 0 (normal) or 1 (reduction), channels, image size before and after."""
    before = network.image_size
    for stage, (width, size) in enumerate(network.stages):
        if stage:
            yield 1, width, before, size
        for _ in range(network.cells_per_stage):
            yield 0, width, size, size
        before = size


def _of_edge(
    name: str,
    c: int,
    before: int,
    after: int,
    halved: bool,
    network: Network,
) -> tuple[int, int]:
    """Parameters and multiply-accumulates of one edge."""
    flat = network.dimensions == 1
    area = after**network.dimensions
    if name == "skip_connect":
        return (c * c + 2 * c, area * c * c) if halved else (0, 0)
    if "pool" in name:
        return 0, 0
    kernel = int(name[-1])
    if name == "conv_7x1_1x7":
        weights = kernel * c * c
        return (
            (weights + 2 * c, area * weights)
            if flat
            else (2 * weights + 2 * c, (before + after) * after * weights)
        )
    weights = kernel**network.dimensions * c + c * c
    times = 2 if name.startswith("sep") else 1
    return times * (weights + 2 * c), times * area * weights


def _of_rest(network: Network, joined: tuple[int, int]) -> tuple[int, int]:
    """The same for stem, preprocessing of inputs and head, by the number of joined nodes."""
    earlier = last = STEM * network.channels
    stem = network.taps * network.input_channels * last
    parameters = stem + 2 * last
    macs = stem * network.image_size**network.dimensions
    for which, width, before, _ in plan(network):
        weights = (earlier + last) * width
        parameters += weights + 4 * width
        macs += weights * before**network.dimensions
        earlier = last
        last = joined[which] * width
    head = (last + 1) * network.classes
    return parameters + head, macs + head * network.answers
