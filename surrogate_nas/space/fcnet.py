"""The FCNet space: networks of two hidden layers and how they are trained, 62,208 configurations.

Klein & Hutter, "Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization",
arXiv:1905.04970, 2019. Architecture (units, activation and dropout of each layer) and training
(initial learning rate, its schedule, batch size) are one product, listed in the order of the
benchmark's keys: positions by name, the last varies fastest.
"""

from __future__ import annotations

from surrogate_nas.space.base import Column, by_name, sizes_of, values_at
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import EnumerableChoiceSpace

_ACTIVATIONS = ("relu", "tanh")
_DROPOUTS = ("0.0", "0.3", "0.6")
_UNITS = ("16", "32", "64", "128", "256", "512")


def _sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
    first, second = (values_at(_UNITS, position)(choices) for position in (-2, -1))
    inputs, outputs = network.input_channels, network.classes
    weights = inputs * first + first * second + second * outputs
    return weights + first + second + outputs, weights


class FCNet(EnumerableChoiceSpace):
    """The space.

    `Network.input_channels` are the features of the data, and `Network.classes` the predicted
    numbers.
    """

    name = "fcnet"
    positions = (
        "activation_fn_1",
        "activation_fn_2",
        "batch_size",
        "dropout_1",
        "dropout_2",
        "init_lr",
        "lr_schedule",
        "n_units_1",
        "n_units_2",
    )
    options = (
        _ACTIVATIONS,
        _ACTIVATIONS,
        ("8", "16", "32", "64"),
        _DROPOUTS,
        _DROPOUTS,
        ("0.0005", "0.001", "0.005", "0.01", "0.05", "0.1"),
        ("cosine", "const"),
        _UNITS,
        _UNITS,
    )
    analytic = by_name(
        *sizes_of(_sizes, macs="multiply-accumulates of the three linear layers")
    )
