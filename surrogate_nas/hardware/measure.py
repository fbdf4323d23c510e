"""Measuring many cells: rounds in random order, a reference cell against drift, and a table of the result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from surrogate_nas.errors import UserError
from surrogate_nas.files import Journal
from surrogate_nas.hardware.card import device_card, load_average
from surrogate_nas.hardware.energy import Meter, assumed_watts, energy_mj, find_meter
from surrogate_nas.hardware.latency import Protocol, synchronise, time_inference
from surrogate_nas.hardware.memory import peak_memory_mb
from surrogate_nas.metrics import Metric
from surrogate_nas.network import Network
from surrogate_nas.space import Cell, nb201
from surrogate_nas.table import Table
from surrogate_nas.training.machine import cores

REFERENCE = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
"""The cell that is measured again and again: it holds every operation."""
REFERENCE_EVERY = 10
"""Visits to cells between two to the reference."""
DEVICE = "local"
"""What follows the @ in the names of the metrics."""
Progress = Callable[[int, int], None]
Values = NDArray[np.float64]


def draw_cells(n: int, seed: int = 0) -> list[Cell]:
    """Draw different cells of NAS-Bench-201's space; more of the same seed begin with the fewer.

    Args:
        n: How many.
        seed: Of the draw.

    Raises:
        UserError: There are not so many, or the seed is negative.
    """
    space = nb201()
    if not 1 <= n <= len(space):
        raise UserError(f"There can be 1 to {len(space)} cells, not {n}.")
    if seed < 0:
        raise UserError(f"A seed must be at least 0, not {seed}.")
    return [space[int(i)] for i in np.random.default_rng(seed).permutation(len(space))[:n]]


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
        cells: The cells.
        network: The macro architecture around them.
        protocol: How they were timed.
        card: The device card.
        visits: Every visit, those of the reference included.
        watts: What an estimate of energy assumes; None where a counter was read.
        meter: The counter's name, or empty.
    """

    cells: Sequence[Cell]
    network: Network
    protocol: Protocol
    card: dict[str, Any]
    visits: Sequence[Visit]
    watts: float | None
    meter: str

    def timings(self, clock: str = "") -> Values:
        """Milliseconds of every timed inference, shape ``(n, rounds × repeats)``.

        Args:
            clock: ``wall``, or empty for the clock that counts.
        """
        found: dict[str, list[float]] = {cell.text: [] for cell in self.cells}
        for visit in self.visits:
            if visit.cell:
                found[visit.cell] += visit.wall if clock == "wall" else visit.milliseconds
        return np.array([found[cell.text] for cell in self.cells])

    @property
    def latency(self) -> Values:
        """The median milliseconds of each cell, shape ``(n,)``."""
        return np.median(self.timings(), axis=1)

    @property
    def reference(self) -> Values:
        """The reference cell's median at each of its visits, in order."""
        return np.array([np.median(visit.milliseconds) for visit in self.visits if not visit.cell])

    @property
    def drift(self) -> float:
        """The largest relative deviation of one of `reference` from their median; nothing is corrected by it."""
        return float(np.abs(self.reference / np.median(self.reference) - 1).max())

    @property
    def seconds(self) -> float:
        """How long all visits took together, also those before an interruption."""
        return sum(visit.seconds for visit in self.visits)

    @property
    def lost(self) -> float | None:
        """The share of the timed seconds in which another process had the core; None without a processor clock."""
        if self.protocol.clock == "wall":
            return None
        ran, passed = sum(sum(v.processor) for v in self.visits), sum(sum(v.wall) for v in self.visits)
        return max(0.0, 1 - ran / passed)

    def summary(self) -> dict[str, Any]:
        """The measurement as ``snas measure --json`` prints it, and as a table's card keeps it."""
        latency = self.latency
        return {
            "device_card": self.card,
            "n": len(self.cells),
            "seconds": self.seconds,
            "drift": self.drift,
            "reference": {"cell": REFERENCE, "visits": len(self.reference), "median_ms": np.median(self.reference)},
            "latency_ms": {"least": latency.min(), "median": np.median(latency), "most": latency.max()},
            "protocol": asdict(self.protocol) | {"clock": self.protocol.clock},
            "lost_to_others": self.lost,
            "energy": self._energy_source,
            "network": asdict(self.network),
        }

    @property
    def _energy_source(self) -> str:
        return self.meter or f"an estimate: median latency x {self.watts:g} W assumed; no readable counter"

    def table(self) -> Table:
        """The measurement as a table of the whole space, NaN where a cell was not measured."""
        protocol, space = self.protocol, nb201()
        model = self.card["model"]
        source = f"measured here by snas measure on {model}"
        network = f"C={self.network.channels}, N={self.network.cells_per_stage}, {self.network.image_size} wide"
        how = f"{protocol.rounds * protocol.repeats} inferences, batch {protocol.batch}, {network}"
        if protocol.torch_device.type == "cpu":
            how += f", {protocol.threads} thread{'s' if protocol.threads > 1 else ''}"
        table = Table(
            name=DEVICE, space=space.name, title=f"latency, memory and energy of {len(self.cells)} cells on {model}",
            source=source, licence="none: measured here", citation="", objective="", network=self.network,
            cost="queries", card=json.dumps(self.summary() | {"reference_ms": self.reference.tolist()}),
        )  # fmt: skip

        def add(name: str, unit: str, values: Values, description: str, *, search: bool = True, by: str = "") -> None:
            column = np.full(len(space), np.nan)
            column[[cell.index for cell in self.cells]] = values
            kind: Any = "search" if search else "record"
            metric = Metric(f"{name}@{DEVICE}", unit, kind, "cost", description=description, source=by or source)
            table.add(metric, None, column)

        times = self.timings()
        low, high, p95 = np.quantile(times, (0.25, 0.75, 0.95), axis=1)
        add("latency", "ms", self.latency, f"median of {how}, by the {protocol.clock} clock")
        add("latency_p95", "ms", p95, f"95 % quantile of {how}")
        add("latency_iqr", "ms", high - low, f"interquartile range of {how}", search=False)
        if protocol.clock != "wall":
            wall = np.median(self.timings("wall"), axis=1)
            add("latency_wall", "ms", wall, f"median of {how}, by the wall clock", search=False)
        first = {visit.cell: visit for visit in reversed(self.visits)}
        memory = np.array([first[cell.text].memory_mb for cell in self.cells], dtype=np.float64)
        add("memory", "MB", memory, f"peak of one inference, weights included, batch {protocol.batch}, {network}")
        add("energy", "mJ", self._energy(first), f"of one inference, batch {protocol.batch}, {network}",
            by=f"{source}; {self._energy_source}")  # fmt: skip
        return table

    def _energy(self, first: dict[str, Visit]) -> Values:
        if self.watts is not None:
            return self.latency * self.watts
        return np.array([first[cell.text].energy_mj for cell in self.cells], dtype=np.float64)


def measure(
    cells: Sequence[Cell],
    network: Network | None = None,
    protocol: Protocol | None = None,
    *,
    seed: int = 0,
    watts: float | None = None,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure cells; the operations that the output does not depend on are built and run, as in the original.

    Args:
        cells: Different cells of NAS-Bench-201's space.
        network: The macro architecture; None for the published one.
        protocol: How they are timed; None for one thread of the CPU and a batch of 1.
        seed: Of the random order of each round.
        watts: The power to estimate energy with where no counter can be read; None for a round figure.
        journal: A file that keeps every visit and lets an interrupted measurement go on; None for none.
        progress: Called with (visits done, visits in all).

    Raises:
        UserError: A journal cannot be written, is damaged or of another measurement; an inference fails.
    """
    network, protocol = network or Network(), protocol or Protocol()
    if watts is not None and not 0 < watts < float("inf"):
        raise UserError(f"The assumed power must be a finite number of watts above 0, not {watts}.")
    if not cells or len(set(cells)) < len(cells):
        raise UserError("A measurement needs at least one cell, and none twice.")
    meter = find_meter(protocol.torch_device)
    if meter is None and watts is None:
        watts = assumed_watts(protocol.torch_device, protocol.threads)
    card = device_card(protocol.torch_device, protocol.threads)
    schedule = _schedule(cells, protocol.rounds, seed)
    settings = {
        "cells": len(cells), "seed": seed, "protocol": asdict(protocol), "network": asdict(network),
        "model": card["model"], "meter": meter.name if meter else "",
    }  # fmt: skip
    with Journal(journal, settings, {"card": card}) as log:
        card, visits = _read(log)
        if any(cell.text != visit.cell for (_, cell), visit in zip(schedule, visits, strict=False) if cell):
            raise UserError(f"{journal} holds an interrupted measurement of other cells. Delete it or choose another.")
        try:
            with cores(protocol.threads):
                bench = _Bench(network, protocol, meter)
                for number, (is_first, cell) in enumerate(schedule):
                    if number >= len(visits):
                        visits.append(bench.visit(cell, thorough=is_first))
                        log.append(asdict(visits[-1]))
                    if progress:
                        progress(number + 1, len(schedule))
        except (RuntimeError, MemoryError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"An inference at batch {protocol.batch} failed ({reason}). A smaller one may do."
            ) from error
    card |= {"load_average_end": load_average()}
    assumed = watts if meter is None else None
    return Measured(cells, network, protocol, card, visits, assumed, meter.name if meter else "")


def _read(log: Journal) -> tuple[dict[str, Any], list[Visit]]:
    """The device card of the measurement's beginning, and the visits so far."""
    try:
        return dict(log.header["card"]), [Visit(**entry) for entry in log.entries]
    except (ValueError, KeyError, TypeError) as error:
        raise log.damaged(error) from error


def _schedule(cells: Sequence[Cell], rounds: int, seed: int) -> list[tuple[bool, Cell | None]]:
    """Whom to visit, in order, and whether it is for the first time; None is the reference."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    visits: list[tuple[bool, Cell | None]] = []
    for number in range(rounds):
        for place, i in enumerate(rng.permutation(len(cells))):
            if place % REFERENCE_EVERY == 0:
                visits.append((False, None))
            visits.append((number == 0, cells[int(i)]))
    return [*visits, (False, None)]


class _Bench:
    """Builds a cell's network, visits it, and lets it go."""

    def __init__(self, network: Network, protocol: Protocol, meter: Meter | None) -> None:
        self.network, self.protocol, self.meter = network, protocol, meter
        self.inputs = protocol.inputs(network)
        self.reference = self._build(nb201().parse(REFERENCE))

    def _build(self, cell: Cell) -> nn.Module:
        return nb201().build(cell, self.network, seed=0).to(self.protocol.torch_device).eval()

    def visit(self, cell: Cell | None, *, thorough: bool) -> Visit:
        """Time a cell, and on its first visit measure memory and energy too."""
        started = time.perf_counter()
        memory = energy = None
        model = self.reference if cell is None else self._build(cell)
        timings = time_inference(model, self.inputs, self.protocol)
        if thorough:
            memory = peak_memory_mb(model, self.inputs)
            energy = self._energy(model, self.inputs) if self.meter else None
        seconds = time.perf_counter() - started
        return Visit(cell.text if cell else "", timings.wall, timings.processor, seconds, memory, energy)

    @torch.inference_mode()
    def _energy(self, model: nn.Module, inputs: Tensor) -> float:
        assert self.meter is not None
        device = self.protocol.torch_device

        def infer() -> None:
            model(inputs)
            synchronise(device)

        return energy_mj(infer, self.meter)
