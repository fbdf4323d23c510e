"""The macro space of convolution stacks."""

from surrogate_nas.space.macro.choices import CHANNELS, LAYERS, layers_and_channels
from surrogate_nas.space.macro.space import Macro, macro

__all__ = ["CHANNELS", "LAYERS", "Macro", "layers_and_channels", "macro"]
