"""The MLP space of HPOBench's tables: depth, width and training; 30,000 configurations.

Eggensperger et al., "HPOBench: A Collection of Reproducible Multi-Fidelity Benchmark Problems for
HPO", NeurIPS 2021 Datasets and Benchmarks. Every hidden layer has the same width. The numbers print
as the table writes them (evenly spaced in the logarithm, rounded); cells are listed in the order of
its keys: positions by name, the last fastest. Parameters are no formula here: how many features a
network reads depends on how the data's categories were encoded, which the table does not say.
"""

from __future__ import annotations

from surrogate_nas.space.base import by_name, structural, values_at
from surrogate_nas.space.product import EnumerableChoiceSpace

_DEPTHS = ("1", "2", "3")
_WIDTHS = ("16", "25", "40", "64", "101", "161", "256", "406", "645", "1024")
_depth = values_at(_DEPTHS, 2)
_width = values_at(_WIDTHS, 4)


class MLP(EnumerableChoiceSpace):
    """The space."""

    name = "hpobench"
    cell_name = "mlp"
    complexity = "depth"
    positions = ("alpha", "batch_size", "depth", "learning_rate_init", "width")
    options = (
        (
            "1e-8",
            "7.742637e-8",
            "5.994842e-7",
            "4.641589e-6",
            "3.5938137e-5",
            "2.7825593e-4",
            "2.1544348e-3",
            "1.6681006e-2",
            "1.2915497e-1",
            "1",
        ),
        ("4", "6", "10", "16", "25", "40", "64", "101", "161", "256"),
        _DEPTHS,
        (
            "1e-5",
            "3.5938137e-5",
            "1.2915497e-4",
            "4.641589e-4",
            "1.6681006e-3",
            "5.9948424e-3",
            "2.1544347e-2",
            "7.742637e-2",
            "2.7825594e-1",
            "1",
        ),
        _WIDTHS,
    )
    analytic = by_name(
        structural("depth", "hidden layers", _depth),
        structural("width", "units of every hidden layer", _width),
        structural(
            "units",
            "of all hidden layers together",
            lambda some: _depth(some) * _width(some),
        ),
    )
