"""HW-GPT-Bench's GPT-2 spaces: width, layers, heads and MLP ratios; 10^12 to 10^35 cells.

Sukthanker et al., "HW-GPT-Bench: Hardware-Aware Architecture Benchmark for Language Models",
NeurIPS 2024. A cell's text has the names and the order of the authors' records, without their
``sample_``; of the lists only as much as there are layers, for the records' further numbers mean
nothing.

The network, as the authors' code has it: token embeddings; layers of attention and a gated MLP
(three matrices), each after a normalisation with weights and biases; a last normalisation and a
linear layer of its own to the vocabulary. Every head is 64 wide whatever the embedding, positions
are rotated in, and ``bias`` is of the layers' linear maps.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from surrogate_nas.space.base import Analysed, Column, macs_of
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.layered import Transformer, global_choice, of_every_layer
from surrogate_nas.space.network import Network

HEAD = 64
NETWORK = Network(classes=50254, image_size=1024, dimensions=1)
_SCALES = {
    "s": (("192", "384", "768"), ("10", "11", "12"), ("4", "8", "12")),
    "m": (("256", "512", "1024"), ("22", "23", "24"), ("8", "12", "16")),
    "l": (("320", "640", "1280"), ("34", "35", "36"), ("8", "16", "20")),
}


class GPT(Transformer):
    """A GPT-2 space: ``s``, ``m`` or ``l``."""

    complexity = "n_layer"
    network = NETWORK
    texts = ("trainable", "layers")
    depth = "n_layer"

    def __init__(self, scale: str) -> None:
        widths, depths, heads = _SCALES[scale]
        most = int(depths[-1])
        decisions = (
            global_choice("embed_dim", *widths),
            global_choice("n_layer", *depths),
            of_every_layer("n_head", *heads, layers=most),
            of_every_layer("mlp_ratio", "2", "3", "4", layers=most),
            global_choice("bias", "False", "True"),
        )
        super().__init__(f"gpt-{scale}", decisions)

    def sizes(self) -> tuple[Analysed, ...]:
        """``params``, and ``macs`` of all linear maps for one sequence."""
        macs = (
            "multiply-accumulates of linear layers for one sequence, those between positions"
            " left out"
        )
        return *super().sizes(), macs_of(self.multiply_accumulates, macs)

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Trainable parameters, shape ``(n,)``, a whole number.

        Args:
            network: Its classes are the vocabulary.
        """
        width, heads, ratios = self._widths(choices)
        layers = self.chosen(choices, "n_layer")
        biases = 3 * HEAD * heads + 2 * width * (ratios + layers)
        normalised = 2 * width * (2 * layers + 1)
        tables = 2 * network.classes * width + self._weights(choices)
        return np.asarray(tables + normalised + biases * choices[:, -1])

    def multiply_accumulates(self, choices: Choices, network: Network) -> Column:
        """Multiply-accumulates of all linear maps for one sequence, shape ``(n,)``, a whole number.

        Args:
            network: Its classes are the vocabulary, its image size the length of the sequence.
        """
        logits = network.classes * self.chosen(choices, "embed_dim")
        return np.asarray(network.image_size * (logits + self._weights(choices)))

    def _widths(self, choices: Choices) -> tuple[Column, Column, Column]:
        """The width, and the sums of all heads and of all ratios."""
        heads, ratios = (self.chosen(choices, name) for name in ("n_head", "mlp_ratio"))
        return self.chosen(choices, "embed_dim"), heads.sum(axis=1), ratios.sum(axis=1)

    def _weights(self, choices: Choices) -> Column:
        width, heads, ratios = self._widths(choices)
        return np.asarray(4 * HEAD * heads * width + 3 * ratios * width**2)


gpt_s = partial(GPT, "s")


gpt_m = partial(GPT, "m")


gpt_l = partial(GPT, "l")
