"""The supernet: all cells of a space in one network, for one-shot strategies.

The network is imported when first used, so that a question which operations live does not
wait for PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from surrogate_nas.training.supernet.choices import EdgeChoices, edge_choices, live_operations

if TYPE_CHECKING:
    from surrogate_nas.training.supernet.supernet import Supernet, SupernetLoss

__all__ = ["EdgeChoices", "SupernetLoss", "Supernet", "edge_choices", "live_operations"]


def __getattr__(name: str) -> Any:
    if name not in ("SupernetLoss", "Supernet"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.supernet"), name)
