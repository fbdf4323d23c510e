"""TransNAS-Bench-101's sizes against networks that are built from the published definition, without
numbers in them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from surrogate_nas.space import space_named
from surrogate_nas.space.network import Network
from surrogate_nas.space.transnas import macro_backbone, micro_backbone, model_sizes

TRANSNAS_MACRO = space_named("transnas-macro")
TRANSNAS_MICRO = space_named("transnas-micro")

SMALL = Network(image_size=64)


def convolution(inputs, outputs, kernel, stride=1):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Reduction(nn.Module):
    """Two 1×1 convolutions, one of them a pixel further, side by side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.halves = nn.ModuleList(
            nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False) for _ in range(2)
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm(torch.cat([half(x) for half in self.halves], dim=1))


class Block(nn.Module):
    """A cell of the micro space, or ResNet's basic block."""

    def __init__(self, code: str, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.code = code.replace("_", "")
        self.stride = stride
        self.outputs = outputs
        self.edges = nn.ModuleList()
        if code == "basic":
            self.edges.append(convolution(inputs, outputs, 3, stride))
            self.edges.append(convolution(outputs, outputs, 3))
            changes = (inputs, stride) != (outputs, 1)
            self.edges.append(
                convolution(inputs, outputs, 1, stride) if changes else nn.Identity()
            )
            return
        for source, operation in zip((0, 0, 1, 0, 1, 2), self.code, strict=True):
            shape = (outputs, outputs, 1) if source else (inputs, outputs, stride)
            skip = nn.Identity() if shape[0] == shape[1] else Reduction(inputs, outputs)
            self.edges.append(
                {"0": nn.Identity(), "1": skip}.get(operation)
                or convolution(
                    shape[0], shape[1], 1 if operation == "2" else 3, shape[2]
                )
            )

    def forward(self, x):
        if self.code == "basic":
            return self.edges[1](self.edges[0](x)) + self.edges[2](x)
        side = x.shape[-1] // self.stride
        nodes = [x] + [x.new_zeros(1, self.outputs, side, side)] * 3
        for edge, source, target, code in zip(
            self.edges, (0, 0, 1, 0, 1, 2), (1, 2, 2, 3, 3, 3), self.code, strict=True
        ):
            nodes[target] = (
                nodes[target] + edge(nodes[source]) if code != "0" else nodes[target]
            )
        return nodes[3]


def built(text):
    """The backbone of a cell as its string says."""
    base, modules, code = text.split("-")
    width = int(base)
    layers = [
        nn.Conv2d(3, width // 2, 3, 2, 1, bias=False),
        nn.BatchNorm2d(width // 2),
    ]
    layers.append(convolution(width // 2, width, 3, 2))
    for digit in modules:
        outputs = width * 2 if digit in "24" else width
        layers += [
            Block(code, width, outputs, 2 if digit in "34" else 1),
            Block(code, outputs, outputs, 1),
        ]
        width = outputs
    return nn.Sequential(*layers)


def decoder(head, channels, enlarge, outputs):
    if head == "segmentation":
        widths = [channels, *(1024 >> i for i in range(6)), 32]
        up = [i > 6 - enlarge for i in range(7)]
    else:
        widths = [channels, 1024, 1024, 512, 512, 256, 128, 64, 64, 32, 32, 16, 32, 16]
        up = [
            enlarge >= {2: 6, 4: 5, 6: 4, 8: 3, 10: 2, 12: 2}.get(i, 7)
            for i in range(13)
        ]
    layers = []
    for a, b, larger in zip(widths, widths[1:], up, strict=False):
        layers.append(
            nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1)
            if larger
            else nn.Conv2d(a, b, 3, 1, 1)
        )
        layers.append(nn.BatchNorm2d(b))
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], outputs, 3, 1, 1))


def counted(module, image):
    """Parameters, multiply-accumulates, and the shape of the output."""
    with FlopCounterMode(display=False) as counter:
        output = module.eval()(torch.zeros(1, *image))
    return (
        sum(p.numel() for p in module.parameters()),
        counter.get_total_flops() // 2,
        tuple(output.shape),
    )


@pytest.mark.parametrize(
    "text",
    [
        "64-41414-1_02_331",
        "64-41414-0_00_000",
        "64-4111-basic",
        "64-1234-basic",
        "64-444311-basic",
    ],
)
def test_sizes_are_those_of_networks_built_from_the_definition(text):
    space, backbone = (
        (TRANSNAS_MACRO, macro_backbone)
        if "basic" in text
        else (TRANSNAS_MICRO, micro_backbone)
    )
    cell = space.parse(text)
    choices = np.array([cell.choices], dtype=np.int8)
    with torch.device("meta"):
        parameters, macs, (_, channels, side, _) = counted(built(text), (3, 256, 256))
        sizes = backbone(choices, Network(image_size=256))
        found = sizes.parameters, sizes.macs, sizes.channels, sizes.side
        assert [float(value[0]) for value in found] == [
            parameters,
            macs,
            channels,
            side,
        ]
        assert space.analytic["params"][1](choices, SMALL) == parameters
        assert space.analytic["macs"][1](choices, SMALL) == macs / 16 / 1e6
        for head, outputs in (("segmentation", 17), ("image", 3)):
            behind = decoder(head, channels, (256 // side).bit_length() - 1, outputs)
            more_parameters, more_macs, shape = counted(behind, (channels, side, side))
            assert shape == (1, outputs, 256, 256)
            whole = [float(value[0]) for value in model_sizes(sizes, head, outputs)]
            assert whole == [parameters + more_parameters, macs + more_macs]


def test_linear_heads_add_a_layer_and_the_jigsaw_runs_nine_times():
    sizes = macro_backbone(
        np.array([TRANSNAS_MACRO.parse("64-2113-basic").choices], dtype=np.int8), SMALL
    )
    linear, puzzle = (model_sizes(sizes, head, 10) for head in ("linear", "jigsaw"))
    assert (
        linear[0] - sizes.parameters == 129 * 10 and linear[1] - sizes.macs == 128 * 10
    )
    assert (
        puzzle[0] - sizes.parameters == (9 * 128 + 1) * 10
        and puzzle[1] == 9 * sizes.macs + 9 * 128 * 10
    )
