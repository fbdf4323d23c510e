"""Peak memory of one inference: weights, input, and all activations that are alive at the same time.

On a GPU PyTorch's allocator says. On a CPU nothing does: the resident size of a process moves by whole arenas and
keeps what was freed. There the storages that every operation returns are followed, each for as long as something holds
it, and the largest sum counts. That is exact and the same every time, but leaves out what an operation uses within.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MEGABYTE = 1e6


def peak_memory_mb(network: nn.Module, inputs: Tensor) -> float:
    """Run one inference and return its peak memory in MB (10⁶ bytes).

    Args:
        network: On the device of the inputs.
        inputs: One batch.
    """
    held = [*network.parameters(), *network.buffers(), inputs]
    fixed = sum(tensor.nbytes for tensor in held)
    if inputs.device.type == "cuda":
        torch.cuda.synchronize(inputs.device)
        before = torch.cuda.memory_allocated(inputs.device)
        torch.cuda.reset_peak_memory_stats(inputs.device)
        with torch.inference_mode():
            network(inputs)
        torch.cuda.synchronize(inputs.device)
        return (fixed + torch.cuda.max_memory_allocated(inputs.device) - before) / MEGABYTE
    live = _LiveStorages(held)
    with torch.inference_mode(), live:
        network(inputs)
    return (fixed + live.peak) / MEGABYTE


class _LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operations return; `peak` is the largest sum of bytes alive at once."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._known = {StorageWeakRef(tensor.untyped_storage()).cdata for tensor in known}  # type: ignore[no-untyped-call]
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._live = {key: entry for key, entry in self._live.items() if not entry[0].expired()}  # type: ignore[no-untyped-call]
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                if reference.cdata not in self._known:
                    self._live[reference.cdata] = reference, storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._live.values()))
        return result
