"""Looking into any network's passes: what enters its ReLUs and normalisations, what leaves its layers with weights.

PyTorch's functions are intercepted while the watch is entered, so a network of any space can be watched as it is.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_RELUS = (F.relu, torch.relu, Tensor.relu)
_LAYERS = (F.conv2d, torch.conv2d, F.linear)


class Watch(TorchFunctionMode):
    """Notes tensors of every pass that is made inside the block.

    Attributes:
        relus: What entered each ReLU, in order.
        layers: What left each convolution and linear layer.
        norms: What entered each batch normalisation.
        features: What left the last ReLU; None before there was one.
    """

    def __init__(self, *, normalised: bool = True) -> None:
        """Begin with nothing noted.

        Args:
            normalised: Whether batch normalisations work; else they pass on what enters them.
        """
        super().__init__()
        self.normalised = normalised
        self.relus: list[Tensor] = []
        self.layers: list[Tensor] = []
        self.norms: list[Tensor] = []
        self.features: Tensor | None = None

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Make the call and note it, as PyTorch asks of every `TorchFunctionMode`.

        Args:
            function: What is called.
            types: Without meaning here.
            args: Its arguments.
            kwargs: Further ones.
        """
        if function is F.batch_norm:
            self.norms.append(args[0].detach())
            if not self.normalised:
                return args[0]
        out = function(*args, **(kwargs or {}))
        if function in _RELUS:
            self.relus.append(args[0].detach())
            self.features = out
        elif function in _LAYERS:
            self.layers.append(out)
        return out
