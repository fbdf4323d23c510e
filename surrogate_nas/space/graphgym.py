"""GraphGym's spaces of graph networks: 96 designs, and 314,928 with training settings.

You, Ying & Leskovec, "Design Space for Graph Neural Networks", NeurIPS 2020. A design has layers
before, of and after message passing, skip connections of a kind, and an aggregation of neighbours;
the wide space also has activation, normalisation, dropout, batch size, optimiser, learning rate and
epochs. The width of a network is no decision: the authors set it so that all networks on a task
have about as many parameters.
"""

from __future__ import annotations

from surrogate_nas.space.base import Analysed, Analytic, by_name, structural, values_at
from surrogate_nas.space.product import ChoiceSpace, EnumerableChoiceSpace

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
        counted("layers", "before, of and after message passing", before, passing, after),
        counted("message_layers", "of message passing: how far a node sees", passing),
    )


class GraphGym(EnumerableChoiceSpace):
    """The 96 designs that were trained on every task."""

    name = "graphgym"
    positions = ("l_pre", "l_mp", "l_post", "stage", "agg")
    options = (("1", "2"), _MESSAGES, ("2", "3"), ("skipconcat", "skipsum"), _AGGREGATIONS)
    analytic = _structure(options, 0, 1, 2)


class WideGraphGym(ChoiceSpace):
    """The designs with their training settings."""

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
    options = (
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
    analytic = _structure(options, 1, 2, 3)
