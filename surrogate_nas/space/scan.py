"""The spaces of ScAn-Bench: architecture, data and training of language models, OpenCLIP and
TabPFN.

ScAn-Bench is described in "Surrogate Benchmarks for Scaling Analysis" (package ``scan-bench``
0.2.3). A real number, such as a learning rate, is discretised to 121 steps between the authors'
bounds. The steps are logarithmic if the authors' scale is logarithmic. A published configuration is
mapped to the nearest cell. The positions of these spaces and their bounds are those of the package
``scan-bench``.
"""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from surrogate_nas.space.base import Encoding, Matrix
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.product import ChoiceSpace

STEPS = 121


class Scale:
    """A discretised range of real numbers.

    Attributes:
        options: The value of each step, in the format in which a cell prints it.
    """

    def __init__(self, low: float, high: float, *, log: bool = False) -> None:
        """Compute the steps from `low` to `high`; `log` selects a logarithmic scale."""
        self._low = low
        self._high = high
        self._log = log
        numbers = (
            np.geomspace(low, high, STEPS) if log else np.linspace(low, high, STEPS)
        )
        self.options = tuple(f"{number:.4g}" for number in numbers)

    def step(self, value: float) -> int:
        """Return the index of the step nearest to a value.

        Raises:
            ValueError: The value is outside the range.
        """
        if not self._low <= value <= self._high:
            raise ValueError(f"{value:g} is outside {self._low:g} to {self._high:g}")
        if self._log:
            share = math.log(value / self._low) / math.log(self._high / self._low)
        else:
            share = (value - self._low) / (self._high - self._low)
        return round(share * (STEPS - 1))


def _powers(low: int, high: int) -> tuple[str, ...]:
    return tuple(str(1 << power) for power in range(low, high + 1))


_LLM: dict[str, Scale | tuple[str, ...]] = {
    "d_model": tuple(str(64 * i) for i in range(4, 26)),
    "n_layers": tuple(str(i) for i in range(4, 31)),
    "n_heads": tuple(str(i) for i in range(4, 41)),
    "lr": Scale(1e-5, 1e-2, log=True),
    "weight_decay": Scale(1e-3, 0.2, log=True),
    "beta1": Scale(0.8, 0.99),
    "beta2": Scale(0.9, 0.999),
    "cooldown_steps": Scale(0.0, 0.3),
    "n_tokens": Scale(2e8, 4e10, log=True),
}
_WIDTHS = ("32", "64", "128", "192", "256", "320", "384", "448", "512", "768", "1024")
_VLM: dict[str, Scale | tuple[str, ...]] = {
    "vision_width": _WIDTHS,
    "text_width": _WIDTHS,
    "global_batch_size": ("512", "2048", "4096", "8192"),
    "lr": Scale(1e-5, 5e-2, log=True),
    "wd": Scale(1e-6, 0.2, log=True),
    "warmup_fraction": Scale(0.0, 0.75),
    "beta1": Scale(0.9, 0.99),
    "beta2": Scale(0.95, 0.999),
    "eps": Scale(1e-8, 1e-6, log=True),
    "total_samples_planned": Scale(6e5, 2e8, log=True),
    "total_epochs": tuple(str(i) for i in range(2, 11)),
}
_TABPFN: dict[str, Scale | tuple[str, ...]] = {
    "total_cells": _powers(20, 35),
    "embedding_size": _powers(2, 8),
    "num_layers": _powers(1, 5),
    "effective_batch_size": _powers(4, 8),
    "lr": Scale(1e-4, 5e-2, log=True),
    "max_features": _powers(5, 7),
    "num_datapoints_max": _powers(7, 9),
}


class ScAn(ChoiceSpace):
    """A space of ScAn-Bench."""

    apart = "shares"
    views = ("shares",)

    def __init__(
        self, name: str, scales: Mapping[str, Scale | tuple[str, ...]]
    ) -> None:
        """Define the space.

        Args:
            name: The name of the space.
            scales: For each position, a scale or the options.
        """
        self._scales = scales
        self.positions = tuple(scales)
        self.texts = tuple(
            scale.options if isinstance(scale, Scale) else scale
            for scale in scales.values()
        )
        super().__init__(name)

    def _shares(self, choices: Choices) -> Matrix:
        widths = np.array(
            [len(options) - 1 for options in self.options], dtype=np.float32
        )
        return np.asarray(choices / widths, dtype=np.float32)

    @property
    def further_encodings(self) -> Mapping[str, Encoding]:  # type: ignore[override]
        """The encoding ``shares``, which scales the options of each position to between 0 and 1."""
        also = ("functional", "path_and_graph", "operation_counts", "alive", "signal")
        return dict.fromkeys(("shares", *also), self._shares)

    def near(self, values: Mapping[str, str]) -> Cell:
        """Return the cell that is nearest to a published configuration.

        Args:
            values: The value at each position, as in the published files.

        Raises:
            ValueError: A value is not a number, not an option of its position, or outside its
                bounds.
        """
        chosen = []
        for position, scale in self._scales.items():
            value = float(values[position])
            try:
                if isinstance(scale, Scale):
                    chosen.append(scale.step(value))
                else:
                    chosen.append(scale.index(f"{value:.0f}"))
            except ValueError as error:
                raise ValueError(
                    f"{position} is {values[position]:.40}: {error}"
                ) from error
        return self.at(chosen)


class _LLMSpace(ScAn):
    """The space of language models, whose width must be a multiple of the number of heads."""

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Return whether the width is a multiple of the number of heads."""
        return (64 * (choices[0] + 4)) % (choices[2] + 4) == 0


scan_llm = partial(_LLMSpace, "scan-llm", _LLM)


scan_vlm = partial(ScAn, "scan-vlm", _VLM)


scan_tabpfn = partial(ScAn, "scan-tabpfn", _TABPFN)
