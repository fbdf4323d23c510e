"""FlexiBERT's space as NAS-Bench-BERT samples it: encoders of two or four layers, 10,621,440 cells.

Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL 2023;
Tuli et al., "FlexiBERT", 2022. Of every layer are chosen an operation, its heads, and the width and
the number of layers of its MLP. Operations: self-attention (``SA``) by scaled dot products
(``SDP``) or with weighted multiplication (``WMA``); a linear transform (``LT``), Fourier's
(``DFT``) or cosine (``DCT``); a dynamic span-based convolution (``DSC``) of 5 or 9.

Parameters are those of the authors' PyTorch encoder at the cell's own sizes. The counts that the
benchmark records are of 256 hidden units and 1,024 in the MLPs whatever the cell.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.space.base import Column
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.layered import Transformer, global_choice, of_every_layer
from surrogate_nas.space.network import Network

NETWORK = Network(classes=30522, image_size=512, dimensions=1, positions=True)
OPERATIONS = ("SA_SDP", "SA_WMA", "LT_DFT", "LT_DCT", "DSC_5", "DSC_9")
_EMBEDDED = 128
_LAYERS = 4


class FlexiBERT(Transformer):
    """FlexiBERT's space."""

    name = "flexibert"
    network = NETWORK
    texts = (
        "trainable, embeddings included; of the cell's own sizes, which the recorded counts are"
        " not",
        "layers of the encoder",
    )
    depth = "encoder_layers"
    decisions = (
        global_choice("hidden_size", "128", "256"),
        global_choice("encoder_layers", "2", "4"),
        of_every_layer("operation", *OPERATIONS, layers=_LAYERS),
        of_every_layer("num_operation_heads", "2", "4", layers=_LAYERS),
        of_every_layer("feed_forward_dimension", "512", "1024", layers=_LAYERS),
        of_every_layer("num_feed_forward", "1", "3", layers=_LAYERS),
    )

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Trainable parameters, shape ``(n,)``, a whole number.

        Args:
            network: Its classes are the vocabulary, its image size the positions.
        """
        hidden = self.chosen(choices, "hidden_size")
        inner = self.chosen(choices, "feed_forward_dimension")
        embedded = (network.classes + network.image_size + 2 + 2) * _EMBEDDED
        projected = np.where(hidden == _EMBEDDED, 0.0, (_EMBEDDED + 1) * hidden)
        h = hidden[:, None]
        heads = self.chosen(choices, "num_operation_heads")
        operation = choices[:, self.places["operation"]]
        transform = np.broadcast_to(h * (h + 1), operation.shape)
        output = transform + 2 * h
        attention = 3 * transform + output
        groups = np.maximum(heads // 2, 1)
        span = groups * (h // np.maximum(heads, 1))
        convolved = 5 * h * span + 5 * span + output
        per_tap = h + (span + 1) * groups
        convolutions = (convolved + kernel * per_tap for kernel in (5, 9))
        kinds = (attention, attention + h * h, transform, transform, *convolutions)
        layers = np.choose(operation, kinds)
        extra = np.maximum(self.chosen(choices, "num_feed_forward") - 1, 0)
        layers += (h + 1) * inner + extra * inner * (inner + 1) + (inner + 1) * h + 2 * h
        there = self.live(choices)[:, self.places["operation"]]
        return np.asarray(embedded + projected + (layers * there).sum(axis=1))
