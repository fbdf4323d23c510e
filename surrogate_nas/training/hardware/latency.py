"""The protocol of a latency: what is fixed, which clock is read, and how a cell is timed.

A cell is visited in several short rounds, each over all cells in a new random order. A visit warms
up and then times a few inferences; the median over all rounds counts.

One thread on a CPU is timed by its own processor clock, which stands still while another process
has the core. Two measurements of 30 cells on two busy cores ranked them with a Spearman of 0.96 to
0.99 by the processor's clock, and of 0.85 to 0.96 by the wall clock. Both are reported.
"""

from __future__ import annotations

import os
import platform
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil
import torch
from torch import Tensor, nn

from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.space.network import Network
from surrogate_nas.training.machine import device_named

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def device_card(device: torch.device, threads: int) -> dict[str, Any]:
    """Describe this machine as it is now; what the system does not tell is None."""
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
    """The name that the maker gave the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    named = re.search(r"^model name\s*: (.*)", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float:
    """Processes that wanted a core over the last minute."""
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
    """What is fixed while cells are timed.

    Attributes:
        device: As PyTorch names it.
        threads: PyTorch's threads on a CPU.
        batch: Images (or signals) of one inference.
        rounds: How often every cell is visited.
        repeats: Timed inferences of a visit.
        warm_ups: The fewest inferences before them.
        warm_up_seconds: The shortest time before them.

    Example:
        >>> Protocol(threads=1).clock, Protocol(batch=32).inputs(Network()).shape
        ('processor', torch.Size([32, 3, 32, 32]))
        >>> Protocol(rounds=1, repeats=10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: A latency needs at least 10 warm-ups and 50 timed repeats, not ...
    """  # noqa: E501

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
        if self.warm_ups < FEWEST_WARM_UPS or self.rounds * self.repeats < FEWEST_REPEATS:
            raise UserError(
                f"A latency needs at least {FEWEST_WARM_UPS} warm-ups and {FEWEST_REPEATS} timed"
                f" repeats, not {self.warm_ups} and {self.rounds} x {self.repeats}."
            )
        device_named(self.device)

    @cached_property
    def torch_device(self) -> torch.device:
        """The device."""
        return torch.device(self.device)

    @property
    def clock(self) -> Literal["processor", "wall"]:
        """Which clock the latency is read from."""
        is_alone = self.torch_device.type == "cpu" and self.threads == 1
        return "processor" if is_alone else "wall"

    def inputs(self, network: Network) -> Tensor:
        """One batch of noise on the device."""
        height = network.image_size if network.dimensions == 2 else 1
        shape = (self.batch, network.input_channels, height, network.image_size)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(
            self.torch_device
        )


class Timings(NamedTuple):
    """Milliseconds of each timed inference, by both clocks; see `Protocol.clock`."""

    wall: list[float]
    processor: list[float]


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize(device)


@torch.inference_mode()
def time_inference(network: nn.Module, inputs: Tensor, protocol: Protocol) -> Timings:
    """Warm up, then time single inferences, each synchronised before and after."""
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
