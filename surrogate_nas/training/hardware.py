"""Measure cells on this machine: latency, peak memory and energy of one inference, together with a
description of the machine (device card).
"""

import importlib
import json
import math
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from surrogate_nas.core import Kind, Metric, UserError, check_whole
from surrogate_nas.files import Journal
from surrogate_nas.space import Cell, Network, Space, listed, space_of
from surrogate_nas.tables import Table, write_table
from surrogate_nas.training.machine import cores, device_named

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def device_card(device: torch.device, threads: int) -> dict[str, Any]:
    """Describe this machine and its current load as a dict (device card). Entries that the system
    does not report are None.
    """
    frequency = psutil.cpu_freq()
    memory = psutil.virtual_memory().total
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    return {
        "device": str(device),
        "model": device_model(device),
        "cores": usable_cores(),
        "threads": threads,
        "memory_gb": round(memory / 1e9, 1),
        "clock_mhz": frequency.current if frequency else None,
        "governor": _read(_GOVERNOR).strip() or None,
        "load_average": load_average(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def device_model(device: torch.device) -> str:
    """Return the name of the device's model, as its manufacturer states it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    named = re.search(
        r"^model name\s*: (.*)", _read(Path("/proc/cpuinfo")), re.MULTILINE
    )
    return named[1].strip() if named else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float:
    """Return the mean number of processes that were ready to run over the last minute."""
    return round(float(psutil.getloadavg()[0]), 2)


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


FEWEST_WARM_UPS = 10
FEWEST_REPEATS = 50
MOST_EXAMPLES = 10**12


@dataclass(frozen=True)
class Protocol:
    """The settings that stay fixed while the latency of cells is measured.

    Attributes:
        device: The device, in PyTorch's notation.
        threads: Number of threads that PyTorch uses on a CPU.
        batch: Number of images (or signals) per inference.
        rounds: Number of visits to every cell. In each round, all cells are visited once in random
            order.
        repeats: Number of timed inferences per visit.
        warm_ups: Minimum number of untimed inferences before the timed ones.
        warm_up_seconds: Minimum duration of the untimed inferences before the timed ones, in
            seconds.

    Example:
        >>> Protocol(threads=1).clock, Protocol(batch=32).inputs(Network()).shape
        ('processor', torch.Size([32, 3, 32, 32]))
        >>> Protocol(rounds=1, repeats=10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: A latency needs at least 10 warm-ups ...
    """

    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    rounds: int = 10
    repeats: int = 10
    warm_ups: int = FEWEST_WARM_UPS
    warm_up_seconds: float = 0.005

    def __post_init__(self) -> None:
        check_whole("The threads", self.threads, 1, usable_cores())
        check_whole("The batch", self.batch, 1, MOST_EXAMPLES)
        for name in ("rounds", "repeats", "warm_ups"):
            check_whole(f"The {name.replace('_', '-')}", getattr(self, name), 1)
        if (
            self.warm_ups < FEWEST_WARM_UPS
            or self.rounds * self.repeats < FEWEST_REPEATS
        ):
            raise UserError(
                f"A latency needs at least {FEWEST_WARM_UPS} warm-ups and {FEWEST_REPEATS} timed"
                f" repeats, not {self.warm_ups} and {self.rounds} x {self.repeats}."
            )
        device_named(self.device)

    @cached_property
    def torch_device(self) -> torch.device:
        """The device as a ``torch.device`` object."""
        return torch.device(self.device)

    @property
    def clock(self) -> Literal["processor", "wall"]:
        """The clock by which the latency is measured: the processor's clock or the wall clock."""
        is_alone = self.torch_device.type == "cpu" and self.threads == 1
        return "processor" if is_alone else "wall"

    def inputs(self, network: Network) -> Tensor:
        """Return one batch of random inputs for the network on the device."""
        height = network.image_size if network.dimensions == 2 else 1
        shape = (self.batch, network.input_channels, height, network.image_size)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(
            self.torch_device
        )


class Timings(NamedTuple):
    """Durations of all timed inferences in milliseconds, by the wall clock and by the processor's
    clock (see `Protocol.clock`).
    """

    wall: list[float]
    processor: list[float]


def synchronise(device: torch.device) -> None:
    """Wait until the device has completed its work."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize(device)


@torch.inference_mode()
def time_inference(network: nn.Module, inputs: Tensor, protocol: Protocol) -> Timings:
    """Run a network to warm up, then time single inferences. The device is synchronised before and
    after each inference.
    """
    device = protocol.torch_device
    warm = time.perf_counter() + protocol.warm_up_seconds
    warm_ups = 0
    while warm_ups < protocol.warm_ups or time.perf_counter() < warm:
        network(inputs)
        synchronise(device)
        warm_ups += 1
    timings = Timings([], [])
    for _ in range(protocol.repeats):
        wall = time.perf_counter_ns()
        processor = time.thread_time_ns()
        network(inputs)
        synchronise(device)
        processor = time.thread_time_ns() - processor
        wall = time.perf_counter_ns() - wall
        timings.wall.append(wall / 1e6)
        if protocol.clock == "processor":
            timings.processor.append(processor / 1e6)
    return timings


DEVICE = "local"
"""The suffix after the @ in the names of the metrics."""
STEADY = 0.05
"""The largest drift of the reference cell without a warning."""
_OWN_LOAD = 0.5
Values = NDArray[np.float64]


def drift_in_words(drift: float) -> str:
    """Return a short text that says whether a drift of the reference cell's latency is
    acceptable.
    """
    if drift <= STEADY:
        return f"steady ({100 * drift:.1f} %)"
    return f"drifted by {100 * drift:.0f} %: other load changed; measure again"


@dataclass(frozen=True)
class Visit:
    """The measurements of one cell in one visit.

    Attributes:
        cell: The cell's text; empty for the reference cell.
        wall: Duration of each timed inference in milliseconds, by the wall clock.
        processor: Duration of each timed inference in milliseconds, by the processor's clock; empty
            if that clock was not read.
        seconds: Duration of the whole visit in seconds, including building the network and warming
            up.
        memory_mb: Peak memory of one inference in MB, measured on a cell's first visit only.
        energy_mj: Energy of one inference in mJ, measured on a cell's first visit if there is an
            energy counter.
    """

    cell: str
    wall: list[float]
    processor: list[float]
    seconds: float
    memory_mb: float | None = None
    energy_mj: float | None = None

    @property
    def milliseconds(self) -> list[float]:
        """The durations in milliseconds that define the latency. The durations are by the
        processor's clock if that was read, otherwise by the wall clock.
        """
        return self.processor or self.wall


@dataclass(frozen=True)
class Measured:
    """The result of measuring cells: the settings, the device card, and all timings.

    Attributes:
        space: The space of the cells.
        cells: The cells.
        network: The macro architecture in which the cells were measured.
        protocol: The settings with which the latency was measured.
        card: The device card, a description of the machine.
        visits: All visits, including those to the reference cell.
        watts: The power in watts from which energy is estimated; None if an energy counter was
            read.
        meter: The name of the energy counter, or empty if none was read.

    Example:
        >>> import surrogate_nas as sn
        >>> small = Network(channels=4, cells_per_stage=1, image_size=8)
        >>> measured = sn.measure(
        ...     [sn.nb201()[0], sn.nb201()[10000]],
        ...     small,
        ...     sn.Protocol(rounds=5, repeats=10),
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
        """Return the duration of every timed inference in milliseconds, shape
        ``(n cells, rounds × repeats)``.
        """
        by_cell: dict[str, list[float]] = {cell.text: [] for cell in self.cells}
        for visit in self.visits:
            if visit.cell:
                by_cell[visit.cell] += (
                    visit.wall if clock == "wall" else visit.milliseconds
                )
        return np.array([by_cell[cell.text] for cell in self.cells])

    @property
    def latency(self) -> Values:
        """The median latency of each cell in milliseconds, shape ``(n,)``."""
        return np.median(self.timings(), axis=1)

    @property
    def reference(self) -> Values:
        """The median latency of the reference cell in milliseconds at each of its visits,
        in order.
        """
        return np.array(
            [np.median(visit.milliseconds) for visit in self.visits if not visit.cell]
        )

    @property
    def drift(self) -> float:
        """The largest relative deviation of the reference cell's latency at one visit from the
        median over its visits.
        """
        return float(np.abs(self.reference / np.median(self.reference) - 1).max())

    @property
    def warnings(self) -> list[str]:
        """Reasons why the measurement may be unreliable, as one sentence each."""
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
        """The total duration of all visits in seconds, including visits before an interruption."""
        return sum(visit.seconds for visit in self.visits)

    @property
    def lost(self) -> float | None:
        """The share of the timed seconds in which another process used the core; None if the
        processor's clock was not read.
        """
        if self.protocol.clock == "wall":
            return None
        ran = sum(sum(v.processor) for v in self.visits)
        passed = sum(sum(v.wall) for v in self.visits)
        return max(0.0, 1 - ran / passed)

    def summary(self) -> dict[str, Any]:
        """Return a summary of the measurement, as ``snas measure --json`` prints it and as a
        table's card stores it.
        """
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

    def write(self, path: str | Path) -> None:
        """Write the measured values as a table to a file. The options ``with_=`` and ``--with`` add
        the file's metrics to a benchmark.
        """
        write_table(self.table(), Path(path))

    def table(self) -> Table:
        """Return the measured values as a table of the whole space. Cells that were not measured
        have the value NaN.
        """
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
            (
                "latency_iqr",
                "ms",
                "record",
                high - low,
                f"interquartile range of {how}",
            ),
            (
                "latency_wall",
                "ms",
                "record",
                wall,
                f"median of {how}, by the wall clock",
            ),
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


def peak_memory_mb(network: nn.Module, inputs: Tensor) -> float:
    """Run one inference, and return its peak memory in MB (10⁶ bytes).

    The peak memory includes the weights, the input, and all activations that exist at the same
    time.

    On a CPU, only the outputs of operations are tracked, so temporary memory within an operation is
    not counted.
    """
    tensors = [*network.parameters(), *network.buffers(), inputs]
    fixed = sum(tensor.nbytes for tensor in tensors)
    if inputs.device.type == "cuda":
        torch.cuda.synchronize(inputs.device)
        before = torch.cuda.memory_allocated(inputs.device)
        torch.cuda.reset_peak_memory_stats(inputs.device)
        with torch.inference_mode():
            network(inputs)
        torch.cuda.synchronize(inputs.device)
        return (fixed + torch.cuda.max_memory_allocated(inputs.device) - before) / 1e6
    live = _LiveStorages(tensors)
    with torch.inference_mode(), live:
        network(inputs)
    return (fixed + live.peak) / 1e6


class _LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Track the storages that operations return; `peak` is the maximum number of bytes in use at
    once.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._known = {
            StorageWeakRef(tensor.untyped_storage()).cdata  # type: ignore[no-untyped-call]
            for tensor in tensors
        }
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._live = {
            key: entry
            for key, entry in self._live.items()
            if not entry[0].expired()  # type: ignore[no-untyped-call]
        }
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                if reference.cdata not in self._known:
                    self._live[reference.cdata] = reference, storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._live.values()))
        return result


CPU_WATTS_PER_THREAD = 10.0
GPU_WATTS = 250.0
"""The power that an energy estimate assumes by default: a rounded value for a busy core, and for a
busy GPU.
"""
_RAPL = Path("/sys/class/powercap")


class Meter(NamedTuple):
    """Counters of energy.

    Attributes:
        name: A description of what the energy counters measure.
        read: A function that returns the current value of each energy counter.
        ranges: The value after which each energy counter starts again from 0.
        joules: The energy in joules that corresponds to one unit of a counter.
    """

    name: str
    read: Callable[[], list[int]]
    ranges: list[int]
    joules: float

    def since(self, before: list[int]) -> float:
        """Return the energy in joules since the counters had the values `before`. Each energy
        counter may have restarted from 0 once in the meantime.
        """
        used = zip(self.read(), before, self.ranges, strict=True)
        return self.joules * sum((now - then) % top for now, then, top in used)


def rapl(folder: Path = _RAPL) -> Meter:
    """Return the energy counters of the processor packages (RAPL), which Linux provides as files.
    Raise `OSError` if there are no such files.
    """
    packages = [
        path for path in sorted(folder.glob("*-rapl:*")) if path.name.count(":") == 1
    ]
    if not packages:
        raise FileNotFoundError(f"no RAPL counters in {folder}")

    def numbers(name: str) -> list[int]:
        return [int((path / name).read_text()) for path in packages]

    ranges = [top + 1 for top in numbers("max_energy_range_uj")]
    read = partial(numbers, "energy_uj")
    read()
    return Meter("RAPL (processor packages, all processes)", read, ranges, 1e-6)


def _nvml(index: int) -> Meter:
    """Return the counter of an NVIDIA GPU, if the package nvidia-ml-py is installed."""
    library: Any = importlib.import_module("pynvml")
    library.nvmlInit()
    uuid = str(torch.cuda.get_device_properties(index).uuid).removeprefix("GPU-")
    handle = library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    meter = Meter(
        "NVML (the whole card)",
        lambda: [library.nvmlDeviceGetTotalEnergyConsumption(handle)],
        [1 << 64],
        1e-3,
    )
    meter.read()
    return meter


def find_meter(device: torch.device) -> Meter | None:
    """Return the energy counter of a device; None if the device has no readable counter."""
    try:
        if device.type == "cuda":
            return _nvml(device.index or 0)
        return rapl() if device.type == "cpu" else None
    except Exception:  # noqa: BLE001 - a driver can fail in any way, and then there is no counter
        return None


def energy_mj(infer: Callable[[], None], meter: Meter, seconds: float = 0.5) -> float:
    """Return the mean energy of one inference in millijoules. Inferences are repeated for at least
    `seconds` seconds.
    """
    calls = 0
    started = time.perf_counter()
    before = meter.read()
    while time.perf_counter() - started < seconds:
        infer()
        calls += 1
    return 1e3 * meter.since(before) / calls


REFERENCE_EVERY = 10
"""The number of visits to cells between two visits to the reference cell."""


def measure(
    cells: Sequence[Cell],
    network: Network | None = None,
    protocol: Protocol | None = None,
    *,
    space: Space | None = None,
    seed: int = 0,
    watts: float | None = None,
    journal: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measure latency, memory and energy of cells. Operations on which the output does not depend
    are also built and run.

    Args:
        cells: The cells to measure, all different and of one space.
        network: The macro architecture around the cells; None for the published one.
        protocol: The settings of the latency measurement; None for a batch of 1 on one CPU thread.
        space: The space of the cells; None to find the space among the registered ones.
        seed: The random seed for the order of the cells in each round.
        watts: The power in watts for estimating energy if no counter can be read; None for a
            rounded default.
        journal: A file that stores every visit, so that an interrupted measurement can be resumed;
            None for no such file.
        progress: A function that is called with the number of completed visits and the number of
            all visits.

    Example:
        >>> small = Network(channels=4, cells_per_stage=1, image_size=8)
        >>> import surrogate_nas as sn
        >>> cells = sn.drawn_cells(sn.nb201(), 2)
        >>> measured = measure(cells, small, Protocol(rounds=5, repeats=10))
        >>> measured.latency.shape, bool((measured.latency > 0).all())  # milliseconds
        ((2,), True)
    """
    network = network or Network()
    protocol = protocol or Protocol()
    if watts is not None and not 0 < watts < float("inf"):
        raise UserError(
            f"The assumed power must be a finite number of watts above 0, not {watts}."
        )
    if not cells or len(set(cells)) < len(cells):
        raise UserError("A measurement needs at least one cell, and no cell twice.")
    check_whole("A seed", seed, most=math.inf)
    space = space or space_of(cells[0])
    strangers = [cell for cell in cells if cell not in space]
    if strangers:
        raise UserError(f"{strangers[0]} is not a cell of the space {space.name}.")
    meter = find_meter(protocol.torch_device)
    if meter is None and watts is None:
        on_cpu = protocol.torch_device.type == "cpu"
        watts = CPU_WATTS_PER_THREAD * protocol.threads if on_cpu else GPU_WATTS
    card = device_card(protocol.torch_device, protocol.threads)
    schedule = _schedule(cells, protocol.rounds, seed)
    settings: dict[str, Any] = {
        "space": space.definition,
        "cells": len(cells),
        "seed": seed,
        "protocol": asdict(protocol),
        "network": network.settings,
        "model": card["model"],
        "meter": meter.name if meter else "",
    }
    with Journal(journal, settings, {"card": card}) as log:
        card, visits = _resumed(log)
        planned = [cell.text if cell else "" for _, cell in schedule]
        if [visit.cell for visit in visits] != planned[: len(visits)]:
            raise UserError(
                f"{journal} contains an interrupted measurement of other cells. Delete it or choose"
                " another."
            )
        try:
            with cores(protocol.threads):
                bench = _Bench(space, network, protocol, meter)
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
    about = space, cells, network, protocol, card, visits
    return Measured(*about, None if meter else watts, settings["meter"])


def _resumed(log: Journal) -> tuple[dict[str, Any], list[Visit]]:
    try:
        return dict(log.header["card"]), [Visit(**entry) for entry in log.entries]
    except (ValueError, KeyError, TypeError) as error:
        raise log.damaged(error) from error


def _schedule(
    cells: Sequence[Cell], rounds: int, seed: int
) -> list[tuple[bool, Cell | None]]:
    """Return the order of visits, each with whether it is a first visit; None is the reference
    cell.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    visits: list[tuple[bool, Cell | None]] = []
    for number in range(rounds):
        for position, i in enumerate(rng.permutation(len(cells))):
            if position % REFERENCE_EVERY == 0:
                visits.append((False, None))
            visits.append((number == 0, cells[int(i)]))
    return [*visits, (False, None)]


@dataclass(frozen=True)
class _Bench:
    """Build a cell's network, time it, and free it."""

    space: Space
    network: Network
    protocol: Protocol
    meter: Meter | None

    @cached_property
    def inputs(self) -> Tensor:
        return self.protocol.inputs(self.network)

    @cached_property
    def reference(self) -> nn.Module:
        return self._build(self.space.reference)

    def _build(self, cell: Cell) -> nn.Module:
        network = self.space.build(cell, self.network, seed=0)
        return network.to(self.protocol.torch_device).eval()

    def visit(self, cell: Cell | None, *, thorough: bool) -> Visit:
        """Time a cell; on its first visit, also measure memory and energy."""
        started = time.perf_counter()
        memory = energy = None
        model = self.reference if cell is None else self._build(cell)
        timings = time_inference(model, self.inputs, self.protocol)

        @torch.inference_mode()
        def infer() -> None:
            model(self.inputs)
            synchronise(self.protocol.torch_device)

        if thorough:
            memory = peak_memory_mb(model, self.inputs)
            energy = energy_mj(infer, self.meter) if self.meter else None
        seconds = time.perf_counter() - started
        text = cell.text if cell else ""
        return Visit(text, timings.wall, timings.processor, seconds, memory, energy)
