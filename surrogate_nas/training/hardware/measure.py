"""Measuring many cells: rounds in random order, with a reference cell in between against drift."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Journal
from surrogate_nas.space import (
    DEFAULT_SPACE,
    Cell,
    Space,
    drawn_cells,
    listed,
    space_named,
    space_of,
)
from surrogate_nas.space.network import Network
from surrogate_nas.training.hardware.latency import (
    Protocol,
    device_card,
    load_average,
    synchronise,
    time_inference,
)
from surrogate_nas.training.hardware.measured import Measured, Visit
from surrogate_nas.training.machine import cores


def peak_memory_mb(network: nn.Module, inputs: Tensor) -> float:
    """Run one inference and return its peak memory in MB (10⁶ bytes): weights, input, and all
    activations that are alive at the same time.

    On a CPU the storages that operations return are followed; memory within an operation is left
    out.
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
    """Follows the storages that operations return; `peak` is the most bytes alive at once."""

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._known = {StorageWeakRef(tensor.untyped_storage()).cdata for tensor in tensors}  # type: ignore[no-untyped-call]
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
"""What an estimate assumes where the user names no power: a round figure for a busy core, and for a
busy card.
"""
_RAPL = Path("/sys/class/powercap")


class Rapl:
    """The counters of the processor packages, which Linux shows as files."""

    name = "RAPL (processor packages, all processes)"

    def __init__(self, folder: Path = _RAPL) -> None:
        """Find the packages, or raise an `OSError`."""
        self._packages = [
            path for path in sorted(folder.glob("*-rapl:*")) if path.name.count(":") == 1
        ]
        if not self._packages:
            raise FileNotFoundError(f"no RAPL counters in {folder}")
        self._ranges = [
            int((path / "max_energy_range_uj").read_text()) for path in self._packages
        ]
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._before = self._read()

    def _read(self) -> list[int]:
        return [int((path / "energy_uj").read_text()) for path in self._packages]

    def stop(self) -> float:
        """Joules since `start`; a counter may have passed its end once."""
        used = zip(self._read(), self._before, self._ranges, strict=True)
        return sum((now - before) % (top + 1) for now, before, top in used) / 1e6


class Nvml:
    """The counter of one NVIDIA GPU, where the package nvidia-ml-py is installed."""

    name = "NVML (the whole card)"

    def __init__(self, index: int) -> None:
        """Open the card's counter; whatever the driver raises is passed on."""
        library: Any = importlib.import_module("pynvml")
        library.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(index).uuid).removeprefix("GPU-")
        handle = library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        self._read = partial(library.nvmlDeviceGetTotalEnergyConsumption, handle)
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._before = self._read()

    def stop(self) -> float:
        """Joules since `start`."""
        return float(self._read() - self._before) / 1e3


Meter: TypeAlias = Rapl | Nvml


def find_meter(device: torch.device) -> Meter | None:
    """The counter of a device; None where it has no readable one."""
    try:
        if device.type == "cuda":
            return Nvml(device.index or 0)
        return Rapl() if device.type == "cpu" else None
    except Exception:  # noqa: BLE001 - a driver can fail in any way, and then there is no counter
        return None


def energy_mj(infer: Callable[[], None], meter: Meter, seconds: float = 0.5) -> float:
    """Millijoules of one call, by the meter, over calls of at least some seconds."""
    calls = 0
    started = time.perf_counter()
    meter.start()
    while time.perf_counter() - started < seconds:
        infer()
        calls += 1
    return 1e3 * meter.stop() / calls


REFERENCE_EVERY = 10
"""Visits to cells between two to the reference."""
Progress = Callable[[int, int], None]


def draw_cells(n: int, seed: int = 0, space: Space | None = None) -> list[Cell]:
    """Draw different cells of a space; more of the same seed begin with the fewer."""
    return drawn_cells(listed(space or space_named(DEFAULT_SPACE)), n, seed)


def measure(
    cells: Sequence[Cell],
    network: Network | None = None,
    protocol: Protocol | None = None,
    *,
    space: Space | None = None,
    seed: int = 0,
    watts: float | None = None,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure cells; the operations that the output does not depend on are built and run, as in the
    original.

    Args:
        cells: Different cells of one space.
        network: The macro architecture; None for the published one.
        protocol: How they are timed; None for one thread of the CPU and a batch of 1.
        space: Their space; None to look it up.
        seed: Of the random order of each round.
        watts: The power to estimate energy with where no counter can be read; None for a round
            figure.
        journal: A file that keeps every visit and lets an interrupted measurement go on; None for
            none.
        progress: Called with (visits done, visits in all).

    Example:
        >>> small = Network(channels=4, cells_per_stage=1, image_size=8)
        >>> cells = draw_cells(2)
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
        raise UserError("A measurement needs at least one cell, and none twice.")
    check_whole("A seed", seed, most=math.inf)
    space = space or space_of(cells[0])
    strangers = [cell for cell in cells if cell not in space]
    if strangers:
        raise UserError(f"{strangers[0]} is no cell of the space {space.name}.")
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
                f"{journal} holds an interrupted measurement of other cells. Delete it or choose"
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
    """Whom to visit, in order, and whether it is for the first time; None is the reference."""
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
    """Builds a cell's network, visits it, and lets it go."""

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
        """Time a cell, and on its first visit measure memory and energy too."""
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
