"""NATS-Bench's size space: the channels of five layers, 8 to 64 in steps of eight, 32,768 cells.

Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI
2021. A cell prints as the benchmark prints it, ``8:8:40:32:40``; the space lists its cells in the
official index order, last layer fastest.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.nats_size.sizes import ANALYTIC, CELL, CHANNELS, REDUCTIONS, STAGE_OF_LAYER
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.blueprint import Blueprint, answered, reduction
from surrogate_nas.space.network.blueprint import cell as one_cell
from surrogate_nas.space.product import EnumerableChoiceSpace


def sized(cell: Cell, network: Network) -> Blueprint:
    """The whole network of a cell."""
    plan = Blueprint(network)
    widths = [8 * (choice + 1) for choice in cell.choices]
    x = plan.convolution_bn(plan.input(), "stem", widths[0], 3, relu=False)
    for layer, width in enumerate(widths):
        name = f"layers.{layer}"
        x = (
            reduction(plan, x, name, width)
            if layer in REDUCTIONS
            else one_cell(plan, x, name, width, graph=CELL)
        )
    return answered(plan, x)


def _widths(choices: Choices) -> NDArray[np.float32]:
    """The channels of every layer, in steps of eight."""
    return np.asarray(choices + 1, dtype=np.float32)


class NatsSize(EnumerableChoiceSpace):
    """The size space; use the shared instance `surrogate_nas.space.nats_size.nats_size()`.

    Example:
        >>> space = NatsSize()
        >>> str(space[284])
        '8:8:40:32:40'
    """

    name = "nats-size"
    citation = (
        "Dong et al., NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size,"
        " TPAMI 2021"
    )
    positions = tuple(f"channels{layer + 1}" for layer in range(len(STAGE_OF_LAYER)))
    options = (CHANNELS,) * len(STAGE_OF_LAYER)
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"widths": _widths}
    analytic: ClassVar[Analytic] = ANALYTIC

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's string of a combination."""
        return ":".join([CHANNELS[choice] for choice in choices])

    def parse(self, text: str) -> Cell:
        """Read the benchmark's string, such as ``64:64:64:64:64``.

        Raises:
            UserError: The string has another shape, or a layer has channels that the space does not
                have.
        """
        stripped = cell_text(text)
        widths = stripped.split(":")
        if len(widths) != len(self.positions):
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads"
                " 64:64:64:64:64."
            )
        for position, width in zip(self.positions, widths, strict=True):
            if width not in CHANNELS:
                raise UserError(
                    f"{position} of the space {self.name} is {', '.join(CHANNELS)}, not"
                    f" {width!r:.80}."
                )
        return self.at([CHANNELS.index(width) for width in widths])

    def blueprint(
        self,
        cell: Cell,
        network: Network,
        *,
        live_only: bool = False,  # noqa: ARG002
    ) -> Blueprint:
        """The network of a cell, layer by layer."""
        return sized(cell, network)


@lru_cache(maxsize=1)
def nats_size() -> NatsSize:
    """NATS-Bench's size space, one shared instance a process."""
    return NatsSize()


__all__ = ["NatsSize", "nats_size"]
