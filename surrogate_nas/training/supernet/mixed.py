"""A cell that holds every operation on every edge: their weighted sum, or one path through them.

Convolutions of one size that read the same node are one convolution of many outputs, and a node is pooled once for all
its edges, which makes a step several times faster than one module an operation. The weight of an operation that is
normalised is passed as a factor of the normalisation's scale and shift.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.network import CONV1, CONV3, POOL, SKIP, Network
from surrogate_nas.space.network.layers import AveragePool, ConvolutionBN, convolve
from surrogate_nas.training.supernet.choices import EdgeChoices

_KERNELS = {CONV1: 1, CONV3: 3}
Active = Sequence[Sequence[int]]
"""For every edge the choices that are computed."""


class _Convolutions(nn.Module):
    """All convolutions of one size that read one node, each as a network of a single cell has it."""

    def __init__(self, places: Sequence[tuple[int, int]], channels: int, kernel: int, network: Network) -> None:
        super().__init__()
        self.places, self.channels = tuple(places), channels
        self.all = ConvolutionBN(channels, len(self.places) * channels, kernel, network)

    def forward(self, x: Tensor, weights: Tensor | None, active: Active) -> list[tuple[int, Tensor]]:
        """Give (edge, term) for every active one; `x` has passed the ReLU."""
        held = [i for i, (edge, choice) in enumerate(self.places) if choice in active[edge]]
        if not held:
            return []
        kernels: Tensor = self.all.weight
        scale: Tensor = self.all.norm.weight
        shift: Tensor = self.all.norm.bias
        if len(held) < len(self.places):
            kernels, scale, shift = (self._of(held, part) for part in (kernels, scale, shift))
        if weights is not None:
            edges, choices = zip(*(self.places[i] for i in held), strict=True)
            factor = weights[list(edges), list(choices)].repeat_interleave(self.channels)
            scale, shift = scale * factor, shift * factor
        raw = convolve(x, kernels, causal=self.all.causal)
        terms = F.batch_norm(raw, None, None, scale, shift, training=True).chunk(len(held), dim=1)
        return [(self.places[i][0], term) for i, term in zip(held, terms, strict=True)]

    def _of(self, held: list[int], part: Tensor) -> Tensor:
        """The rows of a parameter that belong to some of the convolutions."""
        return part.view(len(self.places), self.channels, *part.shape[1:])[held].flatten(0, 1)


class MixedCell(nn.Module):
    """In the place of a cell; what it computes now is set by `mix`."""

    def __init__(self, choices: EdgeChoices, channels: int, network: Network) -> None:
        """Build all operations of all edges.

        Args:
            choices: What stands on which edge.
            channels: In and out.
            network: The macro architecture.
        """
        super().__init__()
        edges, operations = choices
        self.targets = [target for _, target in edges]
        self.leaving = {s: [e for e, (source, _) in enumerate(edges) if source == s] for s, _ in edges}
        self.pool = AveragePool(network.causal)
        self.operations = operations
        self.convolutions = nn.ModuleDict()
        for source, leaving in self.leaving.items():
            for operation, kernel in _KERNELS.items():
                places = [(e, c) for e in leaving for c, held in enumerate(operations[e]) if held == operation]
                if places:
                    self.convolutions[f"{source} {kernel}"] = _Convolutions(places, channels, kernel, network)
        self._weights: Tensor | None = None
        self._active: Active = ()

    def mix(self, weights: Tensor | None, active: Active) -> None:
        """Set what is computed.

        Args:
            weights: Of the operations, shape ``(edges, choices)``; None for 1.
            active: For every edge the choices that are computed.
        """
        self._weights, self._active = weights, active

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last node.

        Args:
            x: Shape ``(batch, channels, height, width)``.
        """
        nodes: dict[int, Tensor] = {0: x}
        for source in sorted(self.leaving):
            for edge, term in self._leaving(source, nodes[source]) if source in nodes else ():
                target = self.targets[edge]
                nodes[target] = nodes[target] + term if target in nodes else term
        return nodes.get(max(self.targets), torch.zeros_like(x))

    def _leaving(self, source: int, x: Tensor) -> list[tuple[int, Tensor]]:
        """(edge, term) for every active operation that reads a node."""
        positive, terms = F.relu(x), list[tuple[int, Tensor]]()
        for kernel in _KERNELS.values():
            name = f"{source} {kernel}"
            if name in self.convolutions:
                terms += self.convolutions[name](positive, self._weights, self._active)
        plain = [(e, c) for e in self.leaving[source] for c in self._active[e] if self.operations[e][c] in (SKIP, POOL)]
        pooled = self.pool(x) if any(self.operations[e][c] == POOL for e, c in plain) else x
        for e, c in plain:
            term = pooled if self.operations[e][c] == POOL else x
            terms.append((e, term if self._weights is None else self._weights[e, c] * term))
        return terms
