"""The families of tabular networks that TabM's authors compare: ensembles and embeddings.

Gorishniy, Kotelnikov & Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling", ICLR 2025. A cell is a family: how many MLPs are trained as one and what they share,
how numbers are embedded before them, and whether the members of an ensemble see the same batches.
Width, depth, dropout and learning rate are no decisions here: the authors tune them for every
family on every data set, so that each family stands there with one configuration.
"""

from __future__ import annotations

from surrogate_nas.space.product import EnumerableChoiceSpace


class TabM(EnumerableChoiceSpace):
    """The 28 families, of which the authors trained 13.

    ``ensemble`` is one MLP, 32 of their own (``packed``), 32 that share all but scalings in every
    layer (``full``) or in the first alone (``mini``). A single MLP has its own batches.
    """

    name = "tabm"
    positions = ("ensemble", "embeddings", "batches")
    options = (
        ("single", "packed", "full", "mini"),
        ("none", "piecewise-linear", "periodic", "periodic-lite"),
        ("own", "shared"),
    )

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Whether a combination is a family: a single MLP shares no batches."""
        ensemble, _, batches = choices
        return ensemble > 0 or batches == 0
