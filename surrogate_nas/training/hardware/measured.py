"""Measurements of cells: every visit, statistics, how steady the machine was, and a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Kind, Metric
from surrogate_nas.space import Cell, Space, listed
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table
from surrogate_nas.training.hardware.latency import Protocol

DEVICE = "local"
"""What follows the @ in the names of the metrics."""
STEADY = 0.05
"""The largest drift of the reference cell that needs no warning."""
_OWN_LOAD = 0.5
Values = NDArray[np.float64]


def drift_in_words(drift: float) -> str:
    """What a drift means."""
    if drift <= STEADY:
        return f"steady ({100 * drift:.1f} %)"
    return f"drifted by {100 * drift:.0f} %: other load changed; measure again"


@dataclass(frozen=True)
class Visit:
    """One visit to a cell.

    Attributes:
        cell: The cell's string; empty for the reference cell.
        wall: Milliseconds of each timed inference by the wall clock.
        processor: The same by the processor's clock, or empty.
        seconds: How long the visit took, building and warm-up included.
        memory_mb: Peak memory of one inference, on a cell's first visit.
        energy_mj: Energy of one inference, on a cell's first visit where there is a counter.
    """

    cell: str
    wall: list[float]
    processor: list[float]
    seconds: float
    memory_mb: float | None = None
    energy_mj: float | None = None

    @property
    def milliseconds(self) -> list[float]:
        """The timings that count: the processor's clock where it was read."""
        return self.processor or self.wall


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        space: Their space.
        cells: The cells.
        network: The macro architecture around them.
        protocol: How they were timed.
        card: The device card.
        visits: Every visit, those of the reference included.
        watts: What an estimate of energy assumes; None where a counter was read.
        meter: The counter's name, or empty.

    Example:
        >>> from surrogate_nas.training.hardware import Protocol, measure
        >>> from surrogate_nas.space import nb201
        >>> small = Network(channels=4, cells_per_stage=1, image_size=8)
        >>> measured = measure(
        ...     [nb201()[0], nb201()[10000]], small, Protocol(rounds=5, repeats=10)
        ... )
        >>> measured.timings().shape, measured.table().metrics["latency@local"].unit
        ((2, 50), 'ms')
    """

    space: Space
    cells: Sequence[Cell]
    network: Network
    protocol: Protocol
    card: dict[str, Any]
    visits: Sequence[Visit]
    watts: float | None
    meter: str

    def timings(self, clock: str = "") -> Values:
        """Milliseconds of every timed inference, shape ``(n, rounds × repeats)``."""
        by_cell: dict[str, list[float]] = {cell.text: [] for cell in self.cells}
        for visit in self.visits:
            if visit.cell:
                by_cell[visit.cell] += visit.wall if clock == "wall" else visit.milliseconds
        return np.array([by_cell[cell.text] for cell in self.cells])

    @property
    def latency(self) -> Values:
        """The median milliseconds of each cell, shape ``(n,)``."""
        return np.median(self.timings(), axis=1)

    @property
    def reference(self) -> Values:
        """The reference cell's median at each of its visits, in order."""
        return np.array(
            [np.median(visit.milliseconds) for visit in self.visits if not visit.cell]
        )

    @property
    def drift(self) -> float:
        """The largest relative deviation of one of `reference` from their median."""
        return float(np.abs(self.reference / np.median(self.reference) - 1).max())

    @property
    def warnings(self) -> list[str]:
        """What makes the measurement doubtful, a line each."""
        sentences = []
        if not self.drift <= STEADY:
            sentences.append(f"the reference cell {drift_in_words(self.drift)}.")
        loads = (self.card.get(f"load_average{when}") for when in ("", "_end"))
        load = max(value or 0.0 for value in loads)
        if load > self.card["cores"] + _OWN_LOAD:
            sentences.append(
                f"{load:g} processes wanted {self.card['cores']} cores at a time; measure again"
                " when it is quiet."
            )
        return sentences

    @property
    def seconds(self) -> float:
        """How long all visits took together, also those before an interruption."""
        return sum(visit.seconds for visit in self.visits)

    @property
    def lost(self) -> float | None:
        """The share of the timed seconds in which another process had the core, if known."""
        if self.protocol.clock == "wall":
            return None
        ran = sum(sum(v.processor) for v in self.visits)
        passed = sum(sum(v.wall) for v in self.visits)
        return max(0.0, 1 - ran / passed)

    def summary(self) -> dict[str, Any]:
        """The measurement as ``snas measure --json`` prints it, and as a table's card keeps it."""
        latency = self.latency
        return {
            "device_card": self.card,
            "n": len(self.cells),
            "seconds": self.seconds,
            "drift": self.drift,
            "steadiness": drift_in_words(self.drift),
            "reference": {
                "cell": str(self.space.reference),
                "visits": len(self.reference),
                "median_ms": np.median(self.reference),
            },
            "latency_ms": {
                "least": latency.min(),
                "median": np.median(latency),
                "most": latency.max(),
            },
            "protocol": asdict(self.protocol) | {"clock": self.protocol.clock},
            "lost_to_others": self.lost,
            "energy": self._energy_source,
            "network": self.network.settings,
            "space": self.space.name,
        }

    @property
    def _energy_source(self) -> str:
        return (
            self.meter
            or f"an estimate: median latency x {self.watts:g} W assumed; no readable counter"
        )

    def table(self) -> Table:
        """The measurement as a table of the whole space, NaN where a cell was not measured."""
        protocol = self.protocol
        clock = protocol.clock
        space = listed(self.space)
        model = self.card["model"]
        source = f"measured here by snas measure on {model}"
        network = (
            f"C={self.network.channels}, N={self.network.cells_per_stage},"
            f" {self.network.image_size} wide"
        )
        index = [space.index(cell) for cell in self.cells]
        how = f"{protocol.rounds * protocol.repeats} inferences, batch {protocol.batch}, {network}"
        if protocol.torch_device.type == "cpu":
            how += f", {protocol.threads} thread{'s' if protocol.threads > 1 else ''}"
        table = Table(
            name=DEVICE,
            space=space.definition,
            title=f"latency, memory and energy of {len(self.cells)} cells on {model}",
            source=source,
            licence="none: measured here",
            citation="",
            objective="",
            network=self.network,
            cost="queries",
            card=json.dumps(self.summary() | {"reference_ms": self.reference.tolist()}),
        )

        low, high, p95 = np.quantile(self.timings(), (0.25, 0.75, 0.95), axis=1)
        wall = np.median(self.timings("wall"), axis=1)
        first = {visit.cell: visit for visit in reversed(self.visits)}
        visits = [first[cell.text] for cell in self.cells]
        memory = np.array([visit.memory_mb for visit in visits], dtype=np.float64)
        energy = self.latency * (self.watts or 0)
        if self.watts is None:
            energy = np.array([visit.energy_mj for visit in visits], dtype=np.float64)
        setting = f"one inference, batch {protocol.batch}, {network}"
        columns: list[tuple[str, str, Kind, Values, str]] = [
            (
                "latency",
                "ms",
                "search",
                self.latency,
                f"median of {how}, by the {clock} clock",
            ),
            ("latency_p95", "ms", "search", p95, f"95 % quantile of {how}"),
            ("latency_iqr", "ms", "record", high - low, f"interquartile range of {how}"),
            ("latency_wall", "ms", "record", wall, f"median of {how}, by the wall clock"),
            ("memory", "MB", "search", memory, f"peak, weights included, of {setting}"),
            ("energy", "mJ", "search", energy, f"of {setting}"),
        ]
        for name, unit, kind, values, description in columns:
            if name != "latency_wall" or clock != "wall":
                column = np.full(len(space), np.nan)
                column[index] = values
                by = f"{source}; {self._energy_source}" if name == "energy" else source
                about: dict[str, Any] = {"description": description, "source": by}
                metric = Metric(f"{name}@{DEVICE}", unit, kind, "cost", **about)
                table.add(metric, None, column)
        return table
