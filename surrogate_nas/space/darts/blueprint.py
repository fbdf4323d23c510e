"""DARTS's network of a genotype as a blueprint; `surrogate_nas.space.darts.network` says what it is."""

from __future__ import annotations

from surrogate_nas.space.darts.genotype import INPUTS, Genotype
from surrogate_nas.space.darts.sizes import STEM, plan
from surrogate_nas.space.network.blueprint import Blueprint
from surrogate_nas.space.network.frame import Network


def genotyped(genotype: Genotype, network: Network) -> Blueprint:
    """The whole network of a genotype.

    Args:
        genotype: Both cells.
        network: The macro architecture.
    """
    drawn = Blueprint(network)
    earlier = last = drawn.convolution_bn(drawn.input(), "stem", STEM * network.channels, 3, relu=False)
    halved = False
    for n, (which, width, _, _) in enumerate(plan(network)):
        earlier, last = last, _cell(drawn, genotype, which, (earlier, last), width, f"cells.{n}", halved)
        halved = which == 1 and network.strided
    drawn.answer(drawn.normalisation(last, "normed", affine=False))
    return drawn


def _cell(
    drawn: Blueprint, genotype: Genotype, which: int, inputs: tuple[int, int], width: int, name: str, halved: bool
) -> int:
    """One cell; its first input is larger than the second where the last cell halved."""
    edges, joined = genotype.part(which)
    first = f"{name}.earlier"
    nodes = [
        _reduced(drawn, inputs[0], width, first) if halved else drawn.convolution_bn(inputs[0], first, width, 1),
        drawn.convolution_bn(inputs[1], f"{name}.last", width, 1),
    ]
    terms = []
    for e, (operation, source) in enumerate(edges):
        stride = 2 if which and source < INPUTS and drawn.network.strided else 1
        terms.append(_operation(drawn, nodes[source], operation, width, stride, f"{name}.edges.{e}"))
        if e % 2:
            nodes.append(drawn.sum(*terms[-2:]))
    return drawn.join(*(nodes[node] for node in joined))


def _operation(drawn: Blueprint, x: int, operation: str, channels: int, stride: int, name: str) -> int:
    kernel = int(operation[-1]) if operation[-1].isdigit() else 0
    match operation.partition("_")[0]:
        case "skip":
            return x if stride == 1 else _reduced(drawn, x, channels, name)
        case "sep":
            x = _separable(drawn, x, channels, kernel, f"{name}.0", stride=stride)
            return _separable(drawn, x, channels, kernel, f"{name}.1")
        case "dil":
            return _separable(drawn, x, channels, kernel, name, stride=stride, dilation=2)
        case "conv":
            x = drawn.convolution(drawn.relu(x), f"{name}.along", channels, (1, kernel), stride=(1, stride))
            if drawn.network.dimensions == 2:
                x = drawn.convolution(x, f"{name}.across", channels, (kernel, 1), stride=(stride, 1))
            return drawn.normalisation(x, f"{name}.norm")
    return drawn.pool(x, kernel, stride, largest=operation.startswith("max"))


def _separable(
    drawn: Blueprint, x: int, channels: int, kernel: int, name: str, *, stride: int = 1, dilation: int = 1
) -> int:
    """ReLU, a convolution of each channel by itself, a 1×1 convolution, batch normalisation."""
    rows = kernel if drawn.network.dimensions == 2 else 1
    x = drawn.convolution(
        drawn.relu(x), f"{name}.depthwise", channels, (rows, kernel), stride=(stride, stride), dilation=dilation,
        depthwise=True,
    )  # fmt: skip
    return drawn.normalisation(drawn.convolution(x, f"{name}.pointwise", channels, (1, 1)), f"{name}.norm")


def _reduced(drawn: Blueprint, x: int, channels: int, name: str) -> int:
    """ReLU, two 1×1 convolutions of stride 2, the second one pixel further, joined; batch normalisation."""
    rows = int(drawn.network.dimensions == 2)
    x = drawn.relu(x)
    halves = [
        drawn.convolution(x, f"{name}.{half}", channels // 2, (1, 1), stride=(2, 2), start=start)
        for half, start in (("even", (0, 0)), ("odd", (rows, 1)))
    ]
    return drawn.normalisation(drawn.join(*halves), f"{name}.norm")
