"""Spaces of networks with a variable number of layers and choices per layer: transformers.

A cell prints as ``name(embed_dim=384, n_layer=3, n_head=12-4-8, bias=False)``: a global choice has
one option, and a choice per layer has one option for each layer, in order. Layers that a cell does
not have do not appear in its text and do not affect its encodings and sizes. The choices of absent
layers are 0.
"""

import itertools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import ClassVar, NamedTuple

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    Encoding,
    Flags,
    Matrix,
    by_name,
    macs_of,
    params_of,
    stacked,
    structural,
    together,
    values_at,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace, is_scale
from surrogate_nas.space.sketch import INK, MIDDLE, PAPER, Box, Mark, Sketch, Text

_BETWEEN = "-"
_PAPER = (288.0, 115.2)
_LEFT = 58.0
_TOP = 24.0
_COLOURS = ("#0969da", "#1a7f37", "#8250df", "#bf8700", "#cf222e", "#57606a")


class Decision(NamedTuple):
    """A choice, either for the whole network or for every layer.

    Attributes:
        name: The name of the choice, such as ``n_head``.
        options: One tuple of options for a global choice, or one tuple of options per layer.
        of_layers: Whether the choice is made for every layer.
    """

    name: str
    options: tuple[tuple[str, ...], ...]
    of_layers: bool


def global_choice(name: str, *options: str) -> Decision:
    """Return a choice that is made once for the whole network."""
    return Decision(name, (options,), False)


def of_every_layer(name: str, *options: str, layers: int) -> Decision:
    """Return a choice that is made for every layer among the same options."""
    return Decision(name, (options,) * layers, True)


class Layered(ChoiceSpace):
    """A space of networks whose layers are chosen one by one.

    Neighbouring cells differ in one option, or in the number of layers. A neighbour with the next
    larger number of layers has any layer added at the end. A neighbour with the next smaller number
    of layers lacks the last layer. If consecutive numbers of layers differ by more than 1, only
    copies of the last layer are added or removed.

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
        decisions: The choices, in the order in which a cell prints them.
        depth: The name of the choice that sets the number of layers, or empty if all cells have the
            same number of layers.
        network: The macro architecture for which the encoding ``size`` counts parameters.
    """

    network: ClassVar[Network] = Network()

    decisions: tuple[Decision, ...]
    depth: str = ""

    def __init__(
        self,
        name: str | None = None,
        decisions: Sequence[Decision] = (),
        *,
        depth: str = "",
    ) -> None:
        self.decisions = tuple(decisions) or self.decisions
        self.depth = depth or self.depth
        self.layers = max(
            len(decision.options) for decision in self.decisions if decision.of_layers
        )
        numbered = [
            (
                f"{decision.name}{layer if decision.of_layers else ''}",
                options,
                layer * decision.of_layers,
            )
            for decision in self.decisions
            for layer, options in enumerate(decision.options, 1)
        ]
        self.positions = tuple(position for position, *_ in numbered)
        self.texts = tuple(texts for _, texts, _ in numbered)
        super().__init__(name)
        self._layer = np.array([layer for *_, layer in numbered])

    @cached_property
    def places(self) -> Mapping[str, slice]:
        """The slice of each decision in the choices of a cell."""
        ends = itertools.accumulate(
            (len(decision.options) for decision in self.decisions), initial=0
        )
        names = (decision.name for decision in self.decisions)
        return dict(
            zip(names, itertools.starmap(slice, itertools.pairwise(ends)), strict=True)
        )

    @cached_property
    def _depths(self) -> tuple[int, ...]:
        if not self.depth:
            return (self.layers,)
        return tuple(map(int, self.texts[self._depth_at]))

    @property
    def _depth_at(self) -> int:
        return int(self.places[self.depth].start)

    @cached_property
    def _lists(self) -> list[slice]:
        return [
            self.places[decision.name]
            for decision in self.decisions
            if decision.of_layers
        ]

    def n_layers(self, choices: tuple[int, ...]) -> int:
        """Return the number of layers of a combination of choices."""
        return self._depths[choices[self._depth_at]] if self.depth else self.layers

    def live(self, choices: Choices) -> Flags:
        """Return whether each position is global or belongs to an existing layer, ``(n,
        positions)``.
        """
        if not self.depth:
            return super().live(choices)
        depths = np.array(self._depths)[choices[:, self._depth_at]]
        return self._layer <= depths[:, None]

    def chosen(self, choices: Choices, decision: str) -> Column:
        """Return the numeric options that cells choose for a decision.

        The result has shape ``(n,)``, or ``(n, layers)`` for a choice per layer, with 0 for absent
        layers.
        """
        section = self.places[decision]
        columns = range(section.start, section.stop)
        values = np.column_stack(
            [values_at(self.options[p], p)(choices) for p in columns]
        )
        if not self._layer[section.start]:
            return values[:, 0]
        return values * self.live(choices)[:, section]

    @property
    def size(self) -> float:  # type: ignore[override]
        """The number of cells."""
        counts = np.array([len(options) for options in self.options], dtype=float)
        if self.depth:
            counts[self._depth_at] = 1.0
        return float(sum(counts[self._layer <= depth].prod() for depth in self._depths))

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Return whether the choices of absent layers are 0."""
        n = self.n_layers(choices)
        return n == self.layers or not any(
            any(choices[section.start + n : section.stop]) for section in self._lists
        )

    def allows_all(self, choices: Choices) -> bool:
        """Return whether all given combinations of choices are cells."""
        return not (choices.astype(bool) & ~self.live(choices)).any()

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the canonical string of a combination of choices."""
        n = self.n_layers(choices)
        texts = []
        for decision in self.decisions:
            pairs = zip(
                decision.options, choices[self.places[decision.name]], strict=True
            )
            written = [options[choice] for options, choice in pairs]
            texts.append(
                f"{decision.name}={_BETWEEN.join(written[: n if decision.of_layers else 1])}"
            )
        return f"{self.cell_name}({', '.join(texts)})"

    def parse(self, text: str) -> Cell:
        """Return the cell for a string in the format of `write`."""
        names = list(self.places)
        texts = dict(zip(names, self._written_options(text, names), strict=True))
        n = self.layers
        if self.depth:
            known = self.texts[self._depth_at]
            n = self._depths[self._number(self.depth, texts[self.depth], known)]
        choices = [0] * len(self.positions)
        for decision in self.decisions:
            given = (
                texts[decision.name].split(_BETWEEN)
                if decision.of_layers
                else [texts[decision.name]]
            )
            if decision.of_layers and len(given) != n:
                raise UserError(
                    f"{decision.name} of a cell of the space {self.name} has one option per layer:"
                    f" {n}, not {len(given)}."
                )
            for position, word in enumerate(given, self.places[decision.name].start):
                choices[position] = self._number(
                    self.positions[position], word, self.texts[position]
                )
        return self.at(choices)

    def _steps(self, choices: tuple[int, ...]) -> list[tuple[int, ...]]:
        n = self.n_layers(choices)
        depth_at = self._depth_at if self.depth else -1
        steps = [
            (*choices[:p], option, *choices[p + 1 :])
            for p, options in enumerate(self.options)
            if p != depth_at and self._layer[p] <= n
            for option in range(len(options))
            if option != choices[p]
        ]
        ordered = sorted(self._depths)
        rank = ordered.index(n)
        for depth in ordered[max(rank - 1, 0) : rank + 2]:
            steps += self._to_depth(choices, n, depth) if depth != n else []
        return steps

    def _to_depth(
        self, choices: tuple[int, ...], n: int, depth: int
    ) -> list[tuple[int, ...]]:
        low, high = sorted((n, depth))
        more = high - low
        resized = list(choices)
        resized[self._depth_at] = self._depths.index(depth)
        ends = [section.start + low for section in self._lists]
        if depth < n:
            ended = (choices[at - 1 : at + more] for at in ends)
            if more > 1 and any(len(set(layers)) > 1 for layers in ended):
                return []
            kinds: list[Sequence[int]] = [[0] for _ in ends]
        elif more > 1:
            kinds = [[choices[at - 1]] for at in ends]
        else:
            kinds = [range(len(self.options[at])) for at in ends]
        steps = []
        for layer in itertools.product(*kinds):
            for at, option in zip(ends, layer, strict=True):
                resized[at : at + more] = [option] * more
            steps.append(tuple(resized))
        return steps

    @cached_property
    def encodings(self) -> Mapping[str, Encoding]:  # type: ignore[override]
        """The encodings of cells for models, including `further_encodings`.

        - ``one_hot`` and ``numbers`` are 0 for layers that a cell does not have. ``numbers`` counts
          the steps of a scale from 1.
        - ``operation_counts`` counts the layers with each option. This encoding equals ``numbers``
          if all cells have the same number of layers, because each layer then has its own role.
        - ``size`` is the logarithm of the number of parameters, the best single predictor of the
          quality of such networks.
        - The other encodings, which models request by default, consist of ``operation_counts`` and
          ``size``.
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
            own |= {
                "size": self._size,
                "alive": self._counts,
                "signal": self._size,
            } | both
        return own | dict(self.further_encodings)

    def _size(self, choices: Choices) -> Matrix:
        return stacked(np.log(self.analytic["params"][1](choices, self.network)))

    def _counts(self, choices: Choices) -> Matrix:
        if not self.depth:
            return self._columns(choices, first=1)
        live = self.live(choices)
        counts = []
        for decision in self.decisions:
            section = self.places[decision.name]
            if not decision.of_layers and is_scale(decision.options[0]):
                counts.append(choices[:, section] + 1)
            else:
                numbers = np.arange(max(map(len, decision.options)))
                here = (choices[:, section, None] == numbers) & live[:, section, None]
                counts.append(here.sum(axis=1))
        return stacked(*counts)

    @property
    def views(self) -> tuple[str, ...]:  # type: ignore[override]
        """The views (model inputs): ``operation_counts``, joined with ``size`` if available."""
        if "params" in self.analytic:
            return ("operation_counts+size",)
        return "operation_counts", "numbers"

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell with one bar per layer.

        The height or the colour of a bar shows the option.
        """
        n = self.n_layers(cell.choices)
        chosen = {name: cell.choices[section] for name, section in self.places.items()}
        label = ", ".join(
            f"{decision.name} {decision.options[0][chosen[decision.name][0]]}"
            for decision in self.decisions
            if not decision.of_layers
        )
        marks: list[Mark] = [Text((_PAPER[0] / 2, _TOP / 2), label)]
        high = (_PAPER[1] - _TOP) / len(self._lists)
        pitch = 224.0 / max(n, 4)
        for row, per_layer in enumerate(d for d in self.decisions if d.of_layers):
            floor = _TOP + (row + 1) * high - 5.0
            at = _LEFT - 6.0, floor - high / 3
            marks.append(Text(at, per_layer.name, 7.0, MIDDLE, "right"))
            for layer, option in enumerate(chosen[per_layer.name][:n]):
                names = per_layer.options[layer]
                scale = is_scale(names)
                tall = (high - 13.0) * ((option + 1) / len(names) if scale else 0.5)
                x = _LEFT + (layer + 0.5) * pitch
                colour = PAPER if scale else _COLOURS[option % len(_COLOURS)]
                size = 0.8 * pitch, tall
                marks.append(Box((x, floor - tall / 2), size, 1.0, colour, INK, 0.8))
                if n <= 14:
                    marks.append(Text((x, floor - tall - 4.5), names[option], 6.0))
        return Sketch(_PAPER, marks)


class Transformer(Layered):
    """A space of networks whose number of parameters is computed from the choices.

    Attributes:
        counts: The descriptions of the metrics ``params`` and ``n_layer``.
    """

    counts: ClassVar[tuple[str, str]]

    @abstractmethod
    def parameters(self, choices: Choices, network: Network) -> Column:
        """Return the numbers of trainable parameters, shape ``(n,)``."""

    def sizes(self) -> tuple[Analysed, ...]:
        """Return the metric ``params``, and other sizes if available."""
        return (params_of(self.parameters, self.counts[0]),)

    @cached_property
    def analytic(self) -> Analytic:  # type: ignore[override]
        """The analytic metrics: the sizes, and the total number of layers."""

        def layers(choices: Choices) -> Column:
            chosen = self.chosen(choices, self.depth or "depth")
            return np.asarray(chosen.reshape(len(choices), -1).sum(axis=1))

        return by_name(*self.sizes(), structural("n_layer", self.counts[1], layers))


_HEAD = 64
_SCALES = {
    "s": (("192", "384", "768"), ("10", "11", "12"), ("4", "8", "12")),
    "m": (("256", "512", "1024"), ("22", "23", "24"), ("8", "12", "16")),
    "l": (("320", "640", "1280"), ("34", "35", "36"), ("8", "16", "20")),
}


class GPT(Transformer):
    """HW-GPT-Bench's GPT-2 spaces: 10^12 to 10^35 choices of width, layers, heads and MLP ratios.

    Sukthanker et al., "HW-GPT-Bench: Hardware-Aware Architecture Benchmark for Language Models",
    NeurIPS 2024. A cell's text has the names and the order of the authors' records, without the
    prefix ``sample_``. Lists in the text contain one entry per layer. The additional entries in the
    authors' records have no meaning.

    The network follows the authors' code. The network consists of token embeddings, transformer
    layers, a final normalisation, and a separate linear layer to the vocabulary. A transformer
    layer consists of attention and a gated MLP (three matrices), each after a normalisation with
    weights and biases. Every attention head has width 64, independent of the width of the
    embedding. Positions are encoded by rotary embeddings. The choice ``bias`` adds biases to the
    linear maps of the layers.
    """

    complexity = "n_layer"
    network = Network(classes=50254, image_size=1024, dimensions=1)
    counts = ("trainable", "layers")
    depth = "n_layer"

    def __init__(self, scale: str) -> None:
        widths, depths, heads = _SCALES[scale]
        most = int(depths[-1])
        decisions = (
            global_choice("embed_dim", *widths),
            global_choice("n_layer", *depths),
            of_every_layer("n_head", *heads, layers=most),
            of_every_layer("mlp_ratio", "2", "3", "4", layers=most),
            global_choice("bias", "False", "True"),
        )
        super().__init__(f"gpt-{scale}", decisions)

    def sizes(self) -> tuple[Analysed, ...]:
        """Return ``params``, and ``macs`` of all linear maps for one sequence."""
        macs = (
            "multiply-accumulates of linear layers for one sequence, those between positions"
            " left out"
        )
        return *super().sizes(), macs_of(self.multiply_accumulates, macs)

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Return the numbers of trainable parameters, shape ``(n,)``.

        Args:
            choices: The choices of ``n`` cells.
            network: A network whose `classes` is the size of the vocabulary.
        """
        width, heads, ratios = self._widths(choices)
        layers = self.chosen(choices, "n_layer")
        biases = 3 * _HEAD * heads + 2 * width * (ratios + layers)
        normalised = 2 * width * (2 * layers + 1)
        tables = 2 * network.classes * width + self._weights(choices)
        return tables + normalised + biases * choices[:, -1]

    def multiply_accumulates(self, choices: Choices, network: Network) -> Column:
        """Return the multiply-accumulates of all linear maps for one sequence, shape ``(n,)``.

        Args:
            choices: The choices of ``n`` cells.
            network: A network whose `classes` is the vocabulary size and whose ``image_size``
                is the length of the sequence.
        """
        logits = network.classes * self.chosen(choices, "embed_dim")
        return network.image_size * (logits + self._weights(choices))

    def _widths(self, choices: Choices) -> tuple[Column, Column, Column]:
        """Return the width, and the sums of all heads and of all ratios."""
        heads, ratios = (self.chosen(choices, name) for name in ("n_head", "mlp_ratio"))
        return self.chosen(choices, "embed_dim"), heads.sum(axis=1), ratios.sum(axis=1)

    def _weights(self, choices: Choices) -> Column:
        width, heads, ratios = self._widths(choices)
        return 4 * _HEAD * heads * width + 3 * ratios * width**2


gpt_s = partial(GPT, "s")


gpt_m = partial(GPT, "m")


gpt_l = partial(GPT, "l")


VIT_NETWORK = Network(classes=100, image_size=224)

_PATCH = 16
_PIT_STRIDE = 8
# Of a layer: for keys and values, rows and columns, one vector for each of thirty distances.
_RELATIVE = 4 * 30 * _HEAD
_VIT_TEXTS = (
    "trainable, of the published network; the benchmark records none",
    "layers of attention",
)


def _block(width: Column, inner: Column, hidden: Column) -> Column:
    """Return the parameters of attention of width `inner` and an MLP, with normalisations."""
    attention = 3 * inner * (width + 1) + (inner + 1) * width
    return attention + 2 * width * hidden + hidden + width + 4 * width


def _patches(width: Column, network: Network, positions: int) -> Column:
    return (network.input_channels * _PATCH**2 + 1 + positions + 1) * width


class AutoFormer(Transformer):
    """The AutoFormer-Ti space of ViT-Bench-101, with about 10^9 cells.

    The other space of ViT-Bench-101 is `PiT`, with 11,664 cells.

    Wei et al., "Auto-Prox: Training-Free Vision Transformer Architecture Search via Automatic Proxy
    Discovery", AAAI 2024; Chen et al., "AutoFormer", ICCV 2021; Heo et al., "Rethinking Spatial
    Dimensions of Vision Transformers" (PiT), ICCV 2021. A cell's text has the names and the order
    of the benchmark's records.

    The benchmark records no sizes. Sizes are computed for the published networks, which have
    patches of 16×16, a class token, learned positions, and biases everywhere. AutoFormer has heads
    of width 64, independent of the width of the network, and two tables of relative positions per
    layer. PiT has patches that overlap by half, and three stages. The width of a stage is the base
    width times the stage's number of heads. Between the stages of PiT, there is a depthwise
    convolution of stride 2 with a linear layer for the class token.
    """

    name = "autoformer"
    network = VIT_NETWORK
    counts = _VIT_TEXTS
    depth = "depth"
    decisions = (
        global_choice("hidden_dim", "192", "216", "240"),
        of_every_layer("mlp_ratio", "3.5", "4.0", layers=14),
        global_choice("depth", "12", "13", "14"),
        of_every_layer("num_heads", "3", "4", layers=14),
    )

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Return the numbers of trainable parameters, shape ``(n,)``."""
        width = self.chosen(choices, "hidden_dim")[:, None]
        there = self.live(choices)[:, self.places["num_heads"]]
        inner = _HEAD * self.chosen(choices, "num_heads")
        hidden = width * self.chosen(choices, "mlp_ratio")
        layers = ((_block(width, inner, hidden) + _RELATIVE) * there).sum(axis=1)
        width = width[:, 0]
        ends = (
            _patches(width, network, (network.image_size // _PATCH) ** 2 + 1)
            + 2 * width
        )
        return np.asarray(layers + ends + (width + 1) * network.classes)


class PiT(Transformer):
    """PiT's space as ViT-Bench-101 samples it (see `AutoFormer`)."""

    name = "pit"
    listed = False
    network = VIT_NETWORK
    counts = _VIT_TEXTS
    decisions = (
        global_choice("base_dim", "16", "24", "32", "40"),
        global_choice("mlp_ratio", "2", "4", "6", "8"),
        Decision("depth", (("1", "2", "3"), ("4", "6", "8"), ("2", "4", "6")), True),
        of_every_layer("num_heads", "2", "4", "8", layers=3),
    )

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Return the numbers of trainable parameters, shape ``(n,)``."""
        base, ratio, depths, heads = (
            self.chosen(choices, name) for name in self.places
        )
        widths = base[:, None] * heads
        blocks = _block(widths, widths, ratio[:, None] * widths) * depths
        before, after = widths[:, :-1], widths[:, 1:]
        first, last = widths[:, 0], widths[:, -1]
        between = (10 * after + (before + 1) * after).sum(axis=1)
        positions = ((network.image_size - _PATCH) // _PIT_STRIDE + 1) ** 2
        ends = (
            _patches(first, network, positions)
            + 2 * last
            + (last + 1) * network.classes
        )
        return np.asarray(blocks.sum(axis=1) + between + ends)


BERT_OPERATIONS = ("SA_SDP", "SA_WMA", "LT_DFT", "LT_DCT", "DSC_5", "DSC_9")
_EMBEDDED = 128
_LAYERS = 4


class FlexiBERT(Transformer):
    """FlexiBERT's space as NAS-Bench-BERT samples it: 10,621,440 encoders of 2 or 4 layers.

    Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL
    2023; Tuli et al., "FlexiBERT", 2022. The choices of every layer are an operation, its heads,
    and the width and the number of layers of its MLP. An operation is self-attention, a linear
    transform or a convolution. Self-attention (``SA``) uses scaled dot products (``SDP``) or
    weighted multiplication (``WMA``). A linear transform (``LT``) is a Fourier (``DFT``) or a
    cosine transform (``DCT``). A dynamic span-based convolution (``DSC``) has kernel size 5 or 9.

    Parameters are counted for the authors' PyTorch encoder with the cell's own sizes. The counts
    recorded by the benchmark assume 256 hidden units and 1,024 units in the MLPs for every cell.
    """

    name = "flexibert"
    network = Network(classes=30522, image_size=512, dimensions=1, positions=True)
    counts = (
        "trainable, embeddings included; of the cell's own sizes, which the recorded counts are"
        " not",
        "layers of the encoder",
    )
    depth = "encoder_layers"
    decisions = (
        global_choice("hidden_size", "128", "256"),
        global_choice("encoder_layers", "2", "4"),
        of_every_layer("operation", *BERT_OPERATIONS, layers=_LAYERS),
        of_every_layer("num_operation_heads", "2", "4", layers=_LAYERS),
        of_every_layer("feed_forward_dimension", "512", "1024", layers=_LAYERS),
        of_every_layer("num_feed_forward", "1", "3", layers=_LAYERS),
    )

    def parameters(self, choices: Choices, network: Network) -> Column:
        """Return the numbers of trainable parameters, shape ``(n,)``.

        Args:
            choices: The choices of ``n`` cells.
            network: A network whose `classes` is the vocabulary size and whose ``image_size``
                is the number of positions.
        """
        hidden = self.chosen(choices, "hidden_size")
        inner = self.chosen(choices, "feed_forward_dimension")
        embedded = (network.classes + network.image_size + 2 + 2) * _EMBEDDED
        projected = np.where(hidden == _EMBEDDED, 0.0, (_EMBEDDED + 1) * hidden)
        h = hidden[:, None]
        heads = self.chosen(choices, "num_operation_heads")
        operation = choices[:, self.places["operation"]]
        transform = np.broadcast_to(h * (h + 1), operation.shape)
        output = transform + 2 * h
        attention = 3 * transform + output
        groups = np.maximum(heads // 2, 1)
        span = groups * (h // np.maximum(heads, 1))
        convolved = 5 * h * span + 5 * span + output
        per_tap = h + (span + 1) * groups
        convolutions = (convolved + kernel * per_tap for kernel in (5, 9))
        kinds = (attention, attention + h * h, transform, transform, *convolutions)
        layers = np.choose(operation, kinds)
        extra = np.maximum(self.chosen(choices, "num_feed_forward") - 1, 0)
        layers += (
            (h + 1) * inner + extra * inner * (inner + 1) + (inner + 1) * h + 2 * h
        )
        there = self.live(choices)[:, self.places["operation"]]
        return np.asarray(embedded + projected + (layers * there).sum(axis=1))
