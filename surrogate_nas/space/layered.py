"""Networks with a chosen number of layers, each chosen one by one: transformers of benchmarks.

A cell prints as ``name(embed_dim=384, n_layer=3, n_head=12-4-8, bias=False)``: global choices, and
for choices of every layer their options in the order of the layers. Layers that a cell does not
have take no part in its text, its encodings or its sizes; their choices are 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Column, Encoding, together
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace, is_scale
from surrogate_nas.space.sketch import INK, MIDDLE, PAPER, Box, Mark, Sketch, Text

_BETWEEN = "-"
_PAPER = (288.0, 115.2)
_LEFT = 58.0
_TOP = 24.0
_ROOM = 224.0
_COLOURS = ("#0969da", "#1a7f37", "#8250df", "#bf8700", "#cf222e", "#57606a")
_MOST_TEXTS = 14


class Decision(NamedTuple):
    """One thing that is chosen.

    Attributes:
        name: Such as ``n_head``.
        options: One tuple of options where it is chosen once, else one for every layer.
        of_layers: Whether it is chosen for every layer.
    """

    name: str
    options: tuple[tuple[str, ...], ...]
    of_layers: bool


def global_choice(name: str, *options: str) -> Decision:
    """What is chosen once for the whole network."""
    return Decision(name, (options,), False)


def of_every_layer(name: str, *options: str, layers: int) -> Decision:
    """What is chosen for every layer among the same options."""
    return Decision(name, (options,) * layers, True)


class Layered(ChoiceSpace):
    """A space of networks whose layers are chosen one by one.

    Neighbours differ in one option, or in the number of layers: the next larger number adds a layer
    of any kind at the end and the next smaller one removes the last; where the numbers are further
    apart, the layers that are added are copies of the last one, and only such are removed.

    Example:
        >>> decisions = (
        ...     global_choice("depth", "1", "2"),
        ...     of_every_layer("width", "16", "32", layers=2),
        ... )
        >>> space = Layered("net", decisions, depth="depth")
        >>> (
        ...     space.size,
        ...     [
        ...         str(cell)
        ...         for cell in space.neighbours(space.parse("net(depth=1, width=32)"))
        ...     ][1:],
        ... )
        (6.0, ['net(depth=2, width=32-16)', 'net(depth=2, width=32-32)'])

    Attributes:
        decisions: What is chosen, in the order of the text.
        depth: The decision whose option is the number of layers; empty where all cells have equally
            many.
        network: The data that ``size`` counts parameters for.
    """

    network: ClassVar[Network] = Network()

    def __init__(
        self,
        name: str,
        decisions: Sequence[Decision],
        *,
        depth: str = "",
    ) -> None:
        self.decisions = tuple(decisions)
        self.depth = depth
        self.layers = max(len(one.options) for one in decisions if one.of_layers)
        numbered = [
            (
                f"{one.name}{layer}" if one.of_layers else one.name,
                options,
                layer if one.of_layers else 0,
            )
            for one in decisions
            for layer, options in enumerate(one.options, 1)
        ]
        super().__init__(name, {position: options for position, options, _ in numbered})
        self._layer = np.array([layer for *_, layer in numbered])

    @cached_property
    def places(self) -> Mapping[str, slice]:
        """Where the choices of every decision stand in a cell's."""
        ends = list(itertools.accumulate(len(one.options) for one in self.decisions))
        return {
            one.name: slice(e - len(one.options), e)
            for one, e in zip(self.decisions, ends, strict=True)
        }

    @cached_property
    def _depths(self) -> tuple[int, ...]:
        return (
            tuple(map(int, self.options[self.places[self.depth].start]))
            if self.depth
            else (self.layers,)
        )

    @cached_property
    def _lists(self) -> list[slice]:
        return [self.places[one.name] for one in self.decisions if one.of_layers]

    def n_layers(self, choices: tuple[int, ...]) -> int:
        """How many layers a combination has."""
        return (
            self._depths[choices[self.places[self.depth].start]]
            if self.depth
            else self.layers
        )

    def live(self, choices: Choices) -> NDArray[np.bool_]:
        """Whether each position is of a layer that the cell has, or of none; ``(n, positions)``."""
        if not self.depth:
            return np.ones(choices.shape, dtype=bool)
        depths = np.array(self._depths)[choices[:, self.places[self.depth].start]]
        return np.asarray(self._layer <= depths[:, None])

    def chosen(self, choices: Choices, decision: str) -> Column:
        """The chosen number, shape ``(n,)``; for layers ``(n, layers)``, 0 for absent ones."""
        place = self.places[decision]
        columns = zip(range(place.start, place.stop), choices[:, place].T, strict=True)
        values = np.column_stack(
            [np.array(self.options[p], dtype=np.float64)[column] for p, column in columns]
        )
        if not self._layer[place.start]:
            return np.asarray(values[:, 0])
        return np.asarray(values * self.live(choices)[:, place])

    @property
    def size(self) -> float:  # type: ignore[override]
        """How many cells there are."""
        counts = np.array([len(options) for options in self.options], dtype=float)
        counts[self.places[self.depth].start if self.depth else slice(0)] = 1.0
        return float(sum(counts[self._layer <= depth].prod() for depth in self._depths))

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Whether what a combination says of layers that it does not have is 0."""
        n = self.n_layers(choices)
        return n == self.layers or not any(
            any(choices[place.start + n : place.stop]) for place in self._lists
        )

    def allows_all(self, choices: Choices) -> bool:
        """Whether every one of some combinations is a cell."""
        return not (choices.astype(bool) & ~self.live(choices)).any()

    def write(self, choices: tuple[int, ...]) -> str:
        """The canonical string of a combination."""
        n = self.n_layers(choices)
        texts = []
        for one, place in zip(self.decisions, self.places.values(), strict=True):
            taken = choices[place.start : place.start + n if one.of_layers else place.stop]
            written = [
                options[choice] for options, choice in zip(one.options, taken, strict=False)
            ]
            texts.append(f"{one.name}={_BETWEEN.join(written)}")
        return f"{self.cell_name}({', '.join(texts)})"

    def parse(self, text: str) -> Cell:
        """Read a string as `write` writes it."""
        names = [one.name for one in self.decisions]
        texts = dict(zip(names, self._written_options(text, names), strict=True))
        n = self.layers
        if self.depth:
            known = self.options[self.places[self.depth].start]
            n = self._depths[self._number(self.depth, texts[self.depth], known)]
        choices = [0] * len(self.positions)
        for one, place in zip(self.decisions, self.places.values(), strict=True):
            given = texts[one.name].split(_BETWEEN) if one.of_layers else [texts[one.name]]
            if one.of_layers and len(given) != n:
                raise UserError(
                    f"{one.name} of a cell of the space {self.name} has one option a layer: {n},"
                    f" not {len(given)}."
                )
            for at, word in enumerate(given, place.start):
                choices[at] = self._number(self.positions[at], word, self.options[at])
        return self.at(choices)

    def _steps(self, choices: tuple[int, ...]) -> list[tuple[int, ...]]:
        n = self.n_layers(choices)
        depth_at = self.places[self.depth].start if self.depth else -1
        steps = [
            (*choices[:p], option, *choices[p + 1 :])
            for p, options in enumerate(self.options)
            if p != depth_at and self._layer[p] <= n
            for option in range(len(options))
            if option != choices[p]
        ]
        if not self.depth:
            return steps
        ordered = sorted(self._depths)
        rank = ordered.index(n)
        others = (other for other in ordered[max(rank - 1, 0) : rank + 2] if other != n)
        return steps + [
            step for other in others for step in self._to_depth(choices, n, other)
        ]

    def _to_depth(
        self,
        choices: tuple[int, ...],
        n: int,
        other: int,
    ) -> list[tuple[int, ...]]:
        """The same layers with the next larger or smaller number of them."""
        low = min(n, other)
        high = max(n, other)
        copies = high - low > 1
        resized = list(choices)
        resized[self.places[self.depth].start] = self._depths.index(other)
        if other < n:
            if copies and any(
                len(set(choices[p.start + low - 1 : p.start + high])) > 1
                for p in self._lists
            ):
                return []
            for place in self._lists:
                resized[place.start + low : place.start + high] = [0] * (high - low)
            return [tuple(resized)]
        ends = [place.start + low for place in self._lists]
        kinds = [
            [choices[at - 1]] if copies else range(len(self.options[at])) for at in ends
        ]
        steps = []
        for layer in itertools.product(*kinds):
            for at, option in zip(ends, layer, strict=True):
                resized[at : at + high - low] = [option] * (high - low)
            steps.append(tuple(resized))
        return steps

    @cached_property
    def encodings(self) -> Mapping[str, Encoding]:  # type: ignore[override]
        """How a model may see cells, and what the class adds.

        ``one_hot`` and ``numbers`` have nothing but 0 for layers that a cell does not have;
        ``numbers`` counts the steps of a scale from 1. ``operation_counts`` says how many layers
        take each option (where all cells have equally many, it is ``numbers``: each then has a part
        of its own), and ``size`` is the logarithm of the parameters, which the quality of such
        networks follows more than anything else. The other names are those that models look for;
        behind all of them are these two.
        """
        own: dict[str, Encoding] = {
            "one_hot": self._columns,
            "numbers": partial(self._columns, first=1),
            "operation_counts": self._counts,
        }
        if "params" in self.analytic:
            both = dict.fromkeys(
                ("functional", "path_and_graph"), together(self._counts, self._size)
            )
            own |= {"size": self._size, "alive": self._counts, "signal": self._size} | both
        return own | dict(self.further_encodings)

    def _size(self, choices: Choices) -> NDArray[np.float32]:
        return np.log(self.analytic["params"][1](choices, self.network))[:, None].astype(
            np.float32
        )

    def _counts(self, choices: Choices) -> NDArray[np.float32]:
        if not self.depth:
            return self._columns(choices, first=1)
        live = self.live(choices)
        each = []
        for one, place in zip(self.decisions, self.places.values(), strict=True):
            if not one.of_layers and is_scale(one.options[0]):
                each.append(choices[:, place] + 1)
            else:
                numbers = np.arange(max(map(len, one.options)))
                here = (choices[:, place, None] == numbers) & live[:, place, None]
                each.append(here.sum(axis=1))
        return np.column_stack(each).astype(np.float32)

    @property
    def views(self) -> tuple[str, ...]:  # type: ignore[override]
        """``operation_counts`` and ``size``, where parameters are known."""
        return (
            ("operation_counts+size",)
            if "params" in self.analytic
            else ("operation_counts", "numbers")
        )

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell: a bar per layer, options as heights or colours; global choices above."""
        n = self.n_layers(cell.choices)
        of_whole = [one for one in self.decisions if not one.of_layers]
        labels = [
            f"{one.name} {one.options[0][cell.choices[self.places[one.name].start]]}"
            for one in of_whole
        ]
        marks: list[Mark] = [Text((_PAPER[0] / 2, _TOP / 2), ", ".join(labels))]
        high = (_PAPER[1] - _TOP) / len(self._lists)
        pitch = _ROOM / max(n, 4)
        for row, one in enumerate(one for one in self.decisions if one.of_layers):
            floor = _TOP + (row + 1) * high - 5.0
            marks.append(
                Text((_LEFT - 6.0, floor - high / 3), one.name, 7.0, MIDDLE, "right")
            )
            for layer in range(n):
                option = cell.choices[self.places[one.name].start + layer]
                names = one.options[layer]
                scale = is_scale(names)
                tall = (high - 13.0) * ((option + 1) / len(names) if scale else 0.5)
                x = _LEFT + (layer + 0.5) * pitch
                colour = PAPER if scale else _COLOURS[option % len(_COLOURS)]
                marks.append(
                    Box((x, floor - tall / 2), (0.8 * pitch, tall), 1.0, colour, INK, 0.8)
                )
                if n <= _MOST_TEXTS:
                    marks.append(Text((x, floor - tall - 4.5), names[option], 6.0))
        return Sketch(_PAPER, marks)
