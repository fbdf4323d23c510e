"""The device card: on what, with what, and under which load a measurement was made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def device_card(device: torch.device, threads: int) -> dict[str, Any]:
    """Describe this machine as it is now; what the system does not tell is None.

    Args:
        device: The device that computes.
        threads: How many threads PyTorch uses.

    Example:
        >>> card = device_card(torch.device("cpu"), threads=1)
        >>> card["device"], card["threads"]
        ('cpu', 1)
    """
    return {
        "device": str(device),
        "model": device_model(device),
        "cores": usable_cores(),
        "threads": threads,
        "memory_gb": _memory_gb(device),
        "clock_mhz": _clock_mhz(),
        "governor": _read(_CPU / "scaling_governor"),
        "load_average": load_average(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def device_model(device: torch.device) -> str:
    """The name that the maker gave the device.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_average() -> float | None:
    """Processes that wanted a core over the last minute; above the number of cores they took turns."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _memory_gb(device: torch.device) -> float | None:
    """The device's memory; a CPU's is the system's."""
    if device.type == "cuda":
        return round(torch.cuda.get_device_properties(device).total_memory / 1e9, 1)
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def _clock_mhz() -> float | None:
    now = _read(_CPU / "scaling_cur_freq")
    text = str(int(now) / 1000) if now else _field(Path("/proc/cpuinfo"), "cpu MHz")
    return float(text) if text else None


def _field(path: Path, name: str) -> str | None:
    """The first value of a name in a file of ``name : value`` lines."""
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
