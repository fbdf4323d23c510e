"""Energy of one inference: from counters where the machine has readable ones, else an estimate that says so.

NVML counts what an NVIDIA GPU draws, RAPL what the processor packages of the machine draw, other processes included.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

CPU_WATTS_PER_THREAD, GPU_WATTS = 10.0, 250.0
"""What an estimate assumes where the user names no power: a round figure for a busy core, and for a busy card."""
_RAPL = Path("/sys/class/powercap")
_SECONDS = 0.5


class Meter(Protocol):
    """Counts energy since it was started."""

    name: str

    def start(self) -> None:
        """Begin to count."""

    def stop(self) -> float:
        """Joules since `start`."""


class Rapl:
    """The counters of the processor packages, which Linux shows as files."""

    name = "RAPL (processor packages, all processes)"

    def __init__(self, folder: Path = _RAPL) -> None:
        """Find the packages.

        Args:
            folder: Where Linux shows them.

        Raises:
            OSError: There are none, or they cannot be read.
        """
        self._packages = [path for path in sorted(folder.glob("*-rapl:*")) if path.name.count(":") == 1]
        if not self._packages:
            raise FileNotFoundError(f"no RAPL counters in {folder}")
        self._ranges = [int((path / "max_energy_range_uj").read_text()) for path in self._packages]
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
        """Open the card's counter.

        Args:
            index: The card's number, as PyTorch counts.

        Raises:
            ImportError: The package is not installed.
            Exception: The driver knows no such counter.
        """
        self._library: Any = importlib.import_module("pynvml")
        self._library.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(index).uuid)
        self._handle = self._library.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._before = self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)

    def stop(self) -> float:
        """Joules since `start`."""
        return float(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle) - self._before) / 1e3


def find_meter(device: torch.device) -> Meter | None:
    """The counter of a device; None where it has no readable one.

    Args:
        device: The device that computes.
    """
    try:
        if device.type == "cuda":
            return Nvml(device.index or 0)
        return Rapl() if device.type == "cpu" else None
    except Exception:  # noqa: BLE001 - a driver can fail in any way, and then there is no counter
        return None


def energy_mj(infer: Callable[[], None], meter: Meter, seconds: float = _SECONDS) -> float:
    """Millijoules of one call, by the meter, over many calls.

    Args:
        infer: Runs one inference and waits for it.
        meter: The counter.
        seconds: How long to call at least; counters tick in milliseconds.
    """
    calls, started = 0, time.perf_counter()
    meter.start()
    while time.perf_counter() - started < seconds:
        infer()
        calls += 1
    return 1e3 * meter.stop() / calls


def assumed_watts(device: torch.device, threads: int) -> float:
    """The power that an estimate assumes where the user names none.

    Args:
        device: The device that computes.
        threads: Threads of a CPU.
    """
    return CPU_WATTS_PER_THREAD * threads if device.type == "cpu" else GPU_WATTS
