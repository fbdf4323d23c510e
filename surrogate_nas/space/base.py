"""The interface of search spaces, with one sampler and one mutator for every strategy.

A `Space` samples, mutates, parses and prints cells, and lists their neighbours. A space also
provides encodings, sizes, isomorphism, diagrams and networks of its cells.
"""

import math
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import Metric, UserError, check_whole, unknown
from surrogate_nas.space.cell import Cell, Choices, choices_of
from surrogate_nas.space.network import Blueprint, Graph, Network, Terms
from surrogate_nas.space.sketch import Sketch

if TYPE_CHECKING:
    from torch import nn


Column: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]
Encoding: TypeAlias = Callable[[Choices], Matrix]
"""A function from choices, shape ``(n, positions)``, to the inputs of a model, shape ``(n, d)``."""
Analysed: TypeAlias = tuple[Metric, Callable[[Choices, Network], Column]]
"""An analytic metric, with the function that computes it from choices and network, shape
``(n,)``.
"""
Analytic: TypeAlias = Mapping[str, Analysed]

REFERENCE_SIZE = 10_000
_SURVEY_SEED = 201
_MOST_DIGITS = 18


class Space(ABC):
    """A search space.

    Subclasses implement `sample`, `neighbours` and `parse`. `ChoiceSpace` implements them for
    spaces with one choice per position.

    Attributes:
        name: The name by which tables and surrogates refer to the space.
        size: The number of cells, which is infinite if it is unknown.
        encodings: The encodings of cells for models, by name. Every column is computed from the
            cell alone.
        views: The inputs of quality models, which contain one expert per view. A view is the name
            of an encoding, or several names joined by ``+`` for encodings with equal weight.
        groups: The group of each column, shape ``(columns,)``, by encoding. Only encodings whose
            columns belong to positions of the space have groups. If all views use encodings with
            groups, a model may weigh groups separately.
        cost_encodings: The encodings that a cost model uses as inputs, in addition to a constant.
        analytic: Metrics that are computed without training or measurement, such as the number of
            parameters.
        complexity: The name of an analytic metric that counts a cell's operations with weights.
            Rankings are also compared among cells with equal complexity. The name is empty if the
            space has no such metric.
        named: Published cells by name, in the format of their authors. `parse` also accepts the
            names.
        citation: The paper to cite, if the space comes from one.
        reference_text: The string of the reference cell (`reference`), or empty to use the first
            sampled cell.

    Example:
        >>> import surrogate_nas as sn
        >>> darts, rng = sn.space_named("darts"), np.random.default_rng(0)
        >>> cell = darts.sample(rng)
        >>> (
        ...     darts.mutate(cell, rng) in darts.neighbours(cell),
        ...     darts.parse(str(cell)) == cell,
        ... )
        (True, True)
        >>> (
        ...     f"{darts.size:.1e}",
        ...     darts.encode([cell], "paths").shape
        ...     == (1, darts.encode([cell] * 5, "paths").shape[1]),
        ... )
        ('1.1e+18', True)
    """

    name: str
    size: float = math.inf
    encodings: ClassVar[Mapping[str, Encoding]] = {}
    views: ClassVar[tuple[str, ...]] = ("one_hot",)
    groups: ClassVar[Mapping[str, NDArray[np.intp]]] = {}
    cost_encodings: ClassVar[tuple[str, ...]] = ("one_hot",)
    analytic: ClassVar[Analytic] = {}
    complexity: ClassVar[str] = ""
    named: ClassVar[Mapping[str, str]] = {}
    citation: ClassVar[str] = ""
    reference_text: ClassVar[str] = ""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Cell:
        """Sample a cell uniformly. Isomorphic cells count separately."""

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """Sample a cell uniformly among the `neighbours` of another cell.

        Args:
            cell: The parent.

        Raises:
            UserError: The cell has no neighbour.
        """
        around = self.neighbours(cell)
        if not around:
            raise UserError(f"{cell} has no neighbour in the space {self.name}.")
        return around[int(rng.integers(len(around)))]

    @abstractmethod
    def neighbours(self, cell: Cell) -> Sequence[Cell]:
        """Return all cells that are one mutation away, in a documented order."""

    @abstractmethod
    def parse(self, text: str) -> Cell:
        """Return the cell with a given canonical string.

        Raises:
            UserError: The string does not describe a cell of this space. The message gives the
                reason.
        """

    def cell(self, given: Any = None, /, **options: Any) -> Cell:
        """Return the cell of this space that a given cell or string describes.

        If the given cell belongs to another space object, only its text is used.

        Args:
            given: A `Cell` or a canonical string.
            options: The chosen option at every position, if positions have names (`ChoiceSpace`).

        Raises:
            UserError: The argument does not describe a cell of this space.
        """
        text = given.text if isinstance(given, Cell) else given
        if not isinstance(text, str) or options:
            raise UserError(
                f"A cell of the space {self.name} is a Cell or its string, not"
                f" {options or given!r:.80}."
            )
        return self.parse(text)

    def __contains__(self, cell: object) -> bool:
        try:
            return isinstance(cell, Cell) and self.cell(cell).choices == cell.choices
        except UserError:
            return False

    if (
        TYPE_CHECKING
    ):  # whether positions have names and cells are listed, no type tells
        positions: tuple[str, ...]
        options: tuple[tuple[Any, ...], ...]

        def __len__(self) -> int: ...

        @overload
        def __getitem__(  # type: ignore[overload-overlap] # an array is no place
            self, index: SupportsIndex
        ) -> Cell: ...

        @overload
        def __getitem__(
            self, index: slice | Sequence[int] | NDArray[Any]
        ) -> Sequence[Cell]: ...

        def __getitem__(self, index: Any) -> Any: ...

    @cached_property
    def reference_sample(self) -> Sequence[Cell]:
        """The cells from which scaling constants are computed: all cells, or a fixed sample of
        10,000.
        """
        rng = np.random.default_rng(_SURVEY_SEED)
        return [self.sample(rng) for _ in range(REFERENCE_SIZE)]

    @cached_property
    def reference_choices(self) -> Choices:
        """The choices of the cells in `reference_sample`, shape ``(n, positions)``."""
        return choices_of(self.reference_sample)

    @cached_property
    def reference(self) -> Cell:
        """The cell that is measured repeatedly to correct for drift of a device.

        By default, the reference cell is a sampled cell.
        """
        if self.reference_text:
            return self.parse(self.reference_text)
        return self.sample(np.random.default_rng(_SURVEY_SEED))

    @property
    def definition(self) -> str:
        """The text that identifies this space in a file: its name, or a full definition."""
        return self.name

    def identity(self, cell: Cell) -> str:
        """Return the key of a cell's isomorphism class. By default, each cell is its own class."""
        return cell.text

    def similarity(self, first: Cell, second: Cell) -> float:
        """Return the similarity of two cells (0 to 1) for the diversity term of an objective."""
        return float(self.identity(first) == self.identity(second))

    def encode(self, cells: Sequence[Cell], encoding: str) -> Matrix:
        """Encode ``n`` cells as a matrix of shape ``(n, d)``.

        Args:
            cells: The cells of this space to encode.
            encoding: The name of an encoding, a key of `encodings`.

        Raises:
            UserError: The space has no encoding with this name.
        """
        if encoding not in self.encodings:
            raise unknown(f"encoding of {self.name}", encoding, self.encodings)
        return self.encodings[encoding](choices_of(cells))

    def cost_groups(self, choices: Choices) -> list[Matrix]:
        """Return features of cells in which a cost, such as latency, is approximately linear.

        The features are grouped by how their weights vary between devices. By default, the features
        are a constant and the columns of ``one_hot``.

        Returns:
            One matrix of shape ``(n, d)`` per group. The first matrix is constant.

        Raises:
            UserError: The space has no encoding ``one_hot``.
        """
        for name in self.cost_encodings:
            if name not in self.encodings:
                raise unknown(f"encoding of {self.name}", name, self.encodings)
        return [
            np.ones((len(choices), 1), dtype=np.float32),
            *(self.encodings[name](choices) for name in self.cost_encodings),
        ]

    @property
    def terms(self) -> Terms | None:
        """The shared terms of all cells, for graph neural networks, or None if not available."""
        return None

    def graph(self, cell: Cell, *, live_only: bool = False) -> Graph | None:
        """Return a cell as a graph of operations, or None if the space has no such graphs.

        Args:
            cell: A cell of this space.
            live_only: Whether to omit operations that do not affect the output.
        """
        return None

    @property
    def is_buildable(self) -> bool:
        """Whether networks of cells can be built and trained (see `build`)."""
        return self.has_blueprints or type(self).build is not Space.build

    def blueprint(
        self, cell: Cell, network: Network, *, live_only: bool = False
    ) -> Blueprint | None:
        """Return the network of a cell as a list of layers, or None if not available.

        Args:
            cell: A cell of this space.
            network: The macro architecture around the cell.
            live_only: Whether to omit operations that do not affect the output.
        """
        return None

    @property
    def has_blueprints(self) -> bool:
        """Whether the space describes networks layer by layer (see `blueprint`)."""
        return type(self).blueprint is not Space.blueprint

    def build(
        self, cell: Cell, network: Network, *, seed: int, live_only: bool = False
    ) -> "nn.Module":
        """Return the PyTorch network of a cell with initial weights.

        By default, the network follows the cell's `blueprint`.

        Args:
            cell: A cell of this space.
            network: The macro architecture around the cell.
            seed: The root seed of the initial weights.
            live_only: Whether to omit operations that do not affect the output.

        Raises:
            UserError: Networks of this space cannot be built.
        """
        plan = self.blueprint(cell, network, live_only=live_only)
        if plan is None:
            raise UserError(
                f"Cells of the space {self.name} cannot be built and trained: the space defines no"
                " network."
            )
        from surrogate_nas.space.network.module import BlueprintModule

        return BlueprintModule(plan, plan.weights(seed))

    def sketch(self, cell: Cell) -> Sketch | None:
        """Return a diagram of a cell, or None if the space has no diagrams."""
        return None

    def __eq__(self, other: object) -> bool:
        return self is other or (
            type(self) is type(other) and self.definition == other.definition
        )

    def __hash__(self) -> int:
        return hash(self.definition)

    def __repr__(self) -> str:
        size = f"{int(self.size):,}" if math.isfinite(self.size) else "uncounted"
        return f"<{type(self).__name__} {self.name!r}: {size} cells>"

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self).items()
            if not isinstance(getattr(type(self), name, None), cached_property)
        }


def together(*encodings: Encoding) -> Encoding:
    """Return an encoding that concatenates the columns of several encodings."""
    return lambda choices: np.column_stack([encode(choices) for encode in encodings])


def params_of(
    function: Callable[[Choices, Network], Column], description: str = "trainable"
) -> Analysed:
    """Return the metric ``params`` (number of parameters), which a given function computes."""
    return (
        Metric("params", "parameters", "search", "cost", description=description),
        function,
    )


def macs_of(
    function: Callable[[Choices, Network], Column], description: str, name: str = "macs"
) -> Analysed:
    """Return the metric ``macs`` (multiply-accumulates in millions), which a given function
    computes.
    """
    return (
        Metric(name, "M", "search", "cost", description=description),
        lambda choices, network: function(choices, network) / 1e6,
    )


def sizes_of(
    function: Callable[[Choices, Network], Any],
    params: str = "trainable",
    macs: str = "multiply-accumulates of convolutions and linear layer",
) -> tuple[Analysed, Analysed]:
    """Return the metrics ``params`` and ``macs``, which a single given function computes.

    Args:
        function: A function from choices and network to two arrays of shape ``(n,)``.
        params: The description of ``params``.
        macs: The description of ``macs``.
    """
    return (
        params_of(lambda choices, network: function(choices, network)[0], params),
        macs_of(lambda choices, network: function(choices, network)[1], macs),
    )


def counted(
    plan_of: Callable[[tuple[int, ...], Network], Blueprint],
) -> tuple[Analysed, Analysed]:
    """Return the metrics ``params`` and ``macs`` of a small space, counted layer by layer.

    Args:
        plan_of: A function that returns the network for the choices of a cell.
    """

    @lru_cache(maxsize=1024)
    def sizes(choices: tuple[int, ...], network: Network) -> tuple[int, int]:
        plan = plan_of(choices, network)
        return plan.size, plan.multiply_accumulates

    return sizes_of(
        lambda choices, network: (
            np.array(
                [sizes(tuple(cell), network) for cell in choices.tolist()],
                dtype=np.float64,
            ).T
        )
    )


def values_at(options: Sequence[str], position: int) -> Callable[[Choices], Column]:
    """Return a function that maps choices to the numeric value of the option at a position."""
    numbers = np.array(options, dtype=np.float64)
    return lambda choices: numbers[choices[:, position]]


def stacked(*columns: Any) -> Matrix:
    """Concatenate columns, or matrices of columns, into one matrix."""
    return np.column_stack(columns).astype(np.float32)


def structural(
    name: str, description: str, compute: Callable[[Choices], Any]
) -> Analysed:
    """Return a metric of a cell's structure, computed from its choices alone."""
    return (
        Metric(name, "", "search", "structure", description=description),
        lambda choices, _: np.asarray(compute(choices), dtype=np.float64),
    )


def by_name(*metrics: Analysed) -> Analytic:
    """Return a mapping from names to analytic metrics."""
    return {metric.name: (metric, function) for metric, function in metrics}


class _Listing(ABCMeta):
    def __instancecheck__(cls, instance: Any) -> bool:
        is_one = super().__instancecheck__(instance)
        return is_one and (cls is not Enumerable or instance.is_listed)


class Enumerable(Space, Sequence[Cell], metaclass=_Listing):
    """A finite space that enumerates its cells in a documented order.

    An enumerable space supports ``len(space)``, ``space[i]`` and iteration. ``isinstance(space,
    Enumerable)`` tests whether a space is enumerable. A `ChoiceSpace` is enumerable if it is small.

    Subclasses implement `_cells` in addition to the methods of a `Space`.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.nb201()
        >>> (
        ...     len(space),
        ...     space.index(space[11]),
        ...     len(set(space.classes.tolist())),
        ... )  # cells; isomorphism classes
        (15625, 11, 5044)
    """

    is_listed: bool = True

    @property
    @abstractmethod
    def _cells(self) -> Sequence[Cell]:
        """Every cell, in the order of the space; its index is its position in that order."""

    @cached_property
    def _by_text(self) -> dict[str, Cell]:
        return {cell.text: cell for cell in self._cells}

    @property
    def size(self) -> float:  # type: ignore[override]
        """The number of cells."""
        return len(self._cells)

    @cached_property
    def choices(self) -> Choices:
        """The choices of all cells in the order of the space, shape ``(len(space), positions)``."""
        return choices_of(self._cells)

    @property
    def classes(self) -> NDArray[np.int32] | None:
        """The isomorphism class of every cell, shape ``(len(space),)``.

        Cells of one isomorphism class compute the same functions of the weights that affect their
        output. Sizes and latencies of isomorphic cells can differ. The value is None if each cell
        is its own class.
        """
        return None

    @cached_property
    def reference_sample(self) -> Sequence[Cell]:
        """All cells of an enumerable space, or else a fixed sample of 10,000 cells."""
        return self if self.is_listed else super().reference_sample

    def __len__(self) -> int:
        return len(self._cells)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells)

    if not TYPE_CHECKING:

        def __getitem__(self, index: Any) -> Any:
            try:
                return self._cells[index]
            except TypeError:
                index = np.asarray(index)
                places = np.arange(len(self))[
                    index if index.size else index.astype(int)
                ]
            return [self._cells[place] for place in places.tolist()]

    def index(self, cell: object, *_: Any) -> int:
        """Return the index of a cell in the order of the space.

        The cell is looked up by its string.

        Raises:
            UserError: The cell does not belong to this space.
        """
        return self.cell(cell).index

    def cell(self, given: Any = None, /, **options: Any) -> Cell:
        """Return the cell of this space that a given cell or string describes.

        If the given cell belongs to another space object, only its text is used.

        Raises:
            UserError: The argument does not describe a cell of this space.
        """
        text = given.text if isinstance(given, Cell) else None
        known = self._by_text.get(text) if isinstance(text, str) else None
        return known or super().cell(given, **options)


def cell_given(space: Space, given: Any) -> Cell:
    """Return the cell that a user specified.

    Args:
        space: The space.
        given: A cell, its canonical string, its options by position, or its index in the order of
            the space. The index may also be a string.

    Raises:
        UserError: The argument does not describe a cell of the space.

    Example:
        >>> import surrogate_nas as sn
        >>> str(cell_given(sn.space_named("macro"), " 0 "))
        'conv_stack(layers=1, channels=4)'
    """
    digits = given.strip() if isinstance(given, str) else ""
    if digits.isascii() and digits.isdigit():
        given = int(digits[:_MOST_DIGITS])
    is_index = isinstance(given, Integral) and not isinstance(given, bool)
    if not is_index:
        return space.cell(given)
    if not isinstance(space, Enumerable):
        raise UserError(
            f"The space {space.name} is not enumerable, so its cells have no index; give the cell's"
            " text."
        )
    if not 0 <= given < len(space):
        raise UserError(
            f"The space {space.name} has cells 0 to {len(space) - 1}, not {str(given):.20}."
        )
    cell: Cell = space[int(given)]
    return cell


def cells_given(space: Space, given: Iterable[Any]) -> list[Cell]:
    """Return the cells that a list, an array, or a pandas Series or data frame specifies, in order.

    Args:
        space: The space.
        given: Items that `cell_given` accepts, or a data frame with a column for each position.

    Raises:
        UserError: An item does not describe a cell of the space.

    Example:
        >>> import surrogate_nas as sn
        >>> cells_given(sn.space_named("macro"), np.array([3, 0]))[1].index
        0
    """
    if getattr(given, "ndim", 1) == 2 and hasattr(given, "to_dict"):
        given = given.to_dict("records")
    return [
        space.cell(each) if isinstance(each, Cell) else cell_given(space, each)
        for each in given
    ]


def listed(space: Space) -> Enumerable:
    """Return the space itself if it is enumerable.

    Raises:
        UserError: The space is not enumerable.

    Example:
        >>> import surrogate_nas as sn
        >>> len(listed(sn.space_named("macro")))
        36
    """
    if not isinstance(space, Enumerable):
        raise UserError(
            f"This needs an enumerable space; the cells of {space.name} cannot be listed."
        )
    return space


def first_of_class(space: Enumerable) -> NDArray[np.intp]:
    """Return, for every cell, the index of the first cell of its isomorphism class.

    The result has shape ``(len(space),)``.

    Example:
        >>> from surrogate_nas.space import macro, nb201
        >>> len(set(first_of_class(nb201()))), len(set(first_of_class(macro())))
        (5044, 36)
    """
    if space.classes is None:
        return np.arange(len(space))
    _, first, number = np.unique(space.classes, return_index=True, return_inverse=True)
    return first[number]


def numbered(identities: Iterable[object], n: int) -> NDArray[np.int32]:
    """Number `n` keys by first appearance.

    Equal keys have equal numbers. The result has shape ``(n,)``.
    """
    seen: dict[object, int] = {}
    numbers = (seen.setdefault(identity, len(seen)) for identity in identities)
    return np.fromiter(numbers, dtype=np.int32, count=n)


_MOST_TRIES = 100


def drawn_cells(space: Space, n: int, seed: int = 0) -> list[Cell]:
    """Sample different cells uniformly.

    With the same seed, a larger sample begins with the smaller one.

    Raises:
        UserError: The space has too few cells, or the seed is negative.

    Example:
        >>> import surrogate_nas as sn
        >>> few, more = drawn_cells(sn.nb201(), 3), drawn_cells(sn.nb201(), 100)
        >>> few == more[:3], len(set(more))
        (True, 100)
    """
    check_whole("A seed", seed)
    if not isinstance(n, int) or not 1 <= n <= space.size:
        raise UserError(
            f"The number of cells must be 1 to {space.size}, not {n!r:.80}."
        )
    rng = np.random.default_rng(seed)
    if isinstance(space, Enumerable):
        return [space[int(i)] for i in rng.permutation(len(space))[:n]]
    drawn: dict[Cell, None] = {}
    for _ in range(_MOST_TRIES * n):
        drawn[space.sample(rng)] = None
        if len(drawn) == n:
            return list(drawn)
    raise UserError(
        f"Only {len(drawn)} different cells of the space {space.name} were found in"
        f" {_MOST_TRIES * n} samples."
    )
