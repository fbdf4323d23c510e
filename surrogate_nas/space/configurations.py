"""Spaces of benchmarks whose cells combine an architecture with training hyperparameters."""

from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    by_name,
    sizes_of,
    structural,
    values_at,
)
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace

_ACTIVATIONS = ("relu", "tanh")
_DROPOUTS = ("0.0", "0.3", "0.6")
_UNITS = ("16", "32", "64", "128", "256", "512")


def _sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
    first, second = (values_at(_UNITS, position)(choices) for position in (-2, -1))
    inputs, outputs = network.input_channels, network.classes
    weights = inputs * first + first * second + second * outputs
    return weights + first + second + outputs, weights


class FCNet(ChoiceSpace):
    """The FCNet space: 62,208 configurations of networks with two hidden layers and of their
    training.

    Klein & Hutter, "Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization",
    arXiv:1905.04970, 2019. The space is the product of architecture (units, activation and dropout
    of each layer) and training (initial learning rate, its schedule, batch size). Cells have the
    order of the benchmark's keys: positions are sorted by name, and the last position varies
    fastest.

    `Network.input_channels` is the number of features of the data, and `Network.classes` the number
    of outputs.
    """

    name = "fcnet"
    listed = True
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
    texts = (
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


_DEPTHS = ("1", "2", "3")
_WIDTHS = ("16", "25", "40", "64", "101", "161", "256", "406", "645", "1024")
_depth = values_at(_DEPTHS, 2)
_width = values_at(_WIDTHS, 4)


class MLP(ChoiceSpace):
    """The MLP space of HPOBench's tables: 30,000 configurations of depth, width and training.

    Eggensperger et al., "HPOBench: A Collection of Reproducible Multi-Fidelity Benchmark Problems
    for HPO", NeurIPS 2021 Datasets and Benchmarks. Every hidden layer has the same width. Numbers
    print as in the table: they are evenly spaced on a logarithmic scale and rounded. Cells have the
    order of the table's keys: positions are sorted by name, and the last position varies fastest.
    The number of parameters is not available: it depends on the encoding of categorical features,
    which the table does not record.
    """

    name = "hpobench"
    listed = True
    cell_name = "mlp"
    complexity = "depth"
    positions = ("alpha", "batch_size", "depth", "learning_rate_init", "width")
    texts = (
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


_AGGREGATIONS = ("add", "max", "mean")
_MESSAGES = ("2", "4", "6", "8")


def _structure(
    options: tuple[tuple[str, ...], ...], before: int, passing: int, after: int
) -> Analytic:
    def counted(name: str, description: str, *positions: int) -> Analysed:
        chosen = [values_at(options[position], position) for position in positions]
        return structural(
            name, description, lambda some: sum(read(some) for read in chosen)
        )

    return by_name(
        counted(
            "layers", "before, of and after message passing", before, passing, after
        ),
        counted("message_layers", "of message passing: how far a node sees", passing),
    )


class GraphGym(ChoiceSpace):
    """GraphGym's space of graph neural networks: 96 designs. `WideGraphGym` has 314,928 designs.

    You, Ying & Leskovec, "Design Space for Graph Neural Networks", NeurIPS 2020. A design consists
    of the numbers of layers before message passing, of message passing and after it, the type of
    skip connections, and the aggregation of neighbours. A design in the wide space also has
    activation, normalisation, dropout, batch size, optimiser, learning rate and epochs. The width
    of a network is not a choice: the authors set it so that all networks on a task have about the
    same number of parameters.
    """

    name = "graphgym"
    listed = True
    positions = ("l_pre", "l_mp", "l_post", "stage", "agg")
    texts = (
        ("1", "2"),
        _MESSAGES,
        ("2", "3"),
        ("skipconcat", "skipsum"),
        _AGGREGATIONS,
    )
    analytic = _structure(texts, 0, 1, 2)


class WideGraphGym(ChoiceSpace):
    """GraphGym's wide space of 314,928 designs of graph neural networks, with training
    hyperparameters.
    """

    name = "graphgym-wide"
    positions = (
        "batch",
        "l_pre",
        "l_mp",
        "l_post",
        "stage",
        "bn",
        "act",
        "drop",
        "agg",
        "optim",
        "lr",
        "epoch",
    )
    texts = (
        ("16", "32", "64"),
        ("1", "2", "3"),
        _MESSAGES,
        ("1", "2", "3"),
        ("stack", "skipsum", "skipconcat"),
        ("False", "True"),
        ("relu", "prelu", "swish"),
        ("0.0", "0.3", "0.6"),
        _AGGREGATIONS,
        ("adam", "sgd"),
        ("0.001", "0.01", "0.1"),
        ("100", "200", "400"),
    )
    analytic = _structure(texts, 1, 2, 3)


class TabM(ChoiceSpace):
    """The families of tabular networks that TabM's authors compare, by ensemble and embedding.

    Gorishniy, Kotelnikov & Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
    Ensembling", ICLR 2025. A cell is a family: the type of ensemble of MLPs, the embedding of
    numeric features, and whether the members of an ensemble use the same batches. Width, depth,
    dropout and learning rate are not choices, because the authors tune them for every family on
    every data set. Each family is represented by one configuration.

    There are 28 families, of which the authors trained 13. The position ``ensemble`` selects one
    MLP, 32 independent MLPs (``packed``), or 32 MLPs that share all weights except scalings in
    every layer (``full``) or only in the first layer (``mini``). A single MLP always has its own
    batches.
    """

    name = "tabm"
    listed = True
    positions = ("ensemble", "embeddings", "batches")
    texts = (
        ("single", "packed", "full", "mini"),
        ("none", "piecewise-linear", "periodic", "periodic-lite"),
        ("own", "shared"),
    )

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Return whether a combination of options is a family.

        A single MLP cannot share batches.
        """
        ensemble, _, batches = choices
        return ensemble > 0 or batches == 0
