"""The spaces of ViT-Bench-101: AutoFormer-Ti's, about 10^9 cells, and PiT's, 11,664 cells.

Wei et al., "Auto-Prox: Training-Free Vision Transformer Architecture Search via Automatic Proxy
Discovery", AAAI 2024; Chen et al., "AutoFormer", ICCV 2021; Heo et al., "Rethinking Spatial
Dimensions of Vision Transformers" (PiT), ICCV
2021. A cell's text has the names and the order of the benchmark's records.

Sizes are those of the published networks (the benchmark records none): patches of 16×16, a class
token, learned positions, biases everywhere. AutoFormer: heads 64 wide whatever the width of the
network, and two tables of relative positions a layer. PiT: three stages, each as wide as the base
times its heads, patches that overlap by half, and between stages a convolution of stride 2, of
which every channel sees one, with a linear layer for the class token.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.space.base import Column
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.layered import Decision, Transformer, global_choice, of_every_layer
from surrogate_nas.space.network import Network

NETWORK = Network(classes=100, image_size=224)
_HEAD = 64
_PATCH = 16
_PIT_STRIDE = 8
# Of a layer: for keys and values, rows and columns, one vector for each of thirty distances.
_RELATIVE = 4 * 30 * _HEAD
_TEXTS = (
    "trainable, of the published network; the benchmark records none",
    "layers of attention",
)


def _block(width: Column, inner: Column, hidden: Column) -> Column:
    """Parameters of an attention that is `inner` wide and an MLP, each after a normalisation."""
    attention = 3 * inner * (width + 1) + (inner + 1) * width
    return np.asarray(attention + 2 * width * hidden + hidden + width + 4 * width)


def _patches(width: Column, network: Network, positions: int) -> Column:
    return (network.input_channels * _PATCH**2 + 1 + positions + 1) * width


class AutoFormer(Transformer):
    """AutoFormer-Ti's space as the benchmark samples it."""

    name = "autoformer"
    network = NETWORK
    texts = _TEXTS
    depth = "depth"
    decisions = (
        global_choice("hidden_dim", "192", "216", "240"),
        of_every_layer("mlp_ratio", "3.5", "4.0", layers=14),
        global_choice("depth", "12", "13", "14"),
        of_every_layer("num_heads", "3", "4", layers=14),
    )

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Trainable parameters, shape ``(n,)``, a whole number."""
        width = self.chosen(choices, "hidden_dim")[:, None]
        there = self.live(choices)[:, self.places["num_heads"]]
        inner = _HEAD * self.chosen(choices, "num_heads")
        hidden = width * self.chosen(choices, "mlp_ratio")
        layers = ((_block(width, inner, hidden) + _RELATIVE) * there).sum(axis=1)
        width = width[:, 0]
        ends = _patches(width, network, (network.image_size // _PATCH) ** 2 + 1) + 2 * width
        return np.asarray(layers + ends + (width + 1) * network.classes)


class PiT(Transformer):
    """PiT's space as the benchmark samples it."""

    name = "pit"
    network = NETWORK
    texts = _TEXTS
    decisions = (
        global_choice("base_dim", "16", "24", "32", "40"),
        global_choice("mlp_ratio", "2", "4", "6", "8"),
        Decision("depth", (("1", "2", "3"), ("4", "6", "8"), ("2", "4", "6")), True),
        of_every_layer("num_heads", "2", "4", "8", layers=3),
    )

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Trainable parameters, shape ``(n,)``, a whole number."""
        base, ratio, depths, heads = (self.chosen(choices, name) for name in self.places)
        widths = base[:, None] * heads
        blocks = _block(widths, widths, ratio[:, None] * widths) * depths
        before, after = widths[:, :-1], widths[:, 1:]
        first, last = widths[:, 0], widths[:, -1]
        between = (10 * after + (before + 1) * after).sum(axis=1)
        positions = ((network.image_size - _PATCH) // _PIT_STRIDE + 1) ** 2
        ends = _patches(first, network, positions) + 2 * last + (last + 1) * network.classes
        return np.asarray(blocks.sum(axis=1) + between + ends)
