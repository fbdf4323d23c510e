"""Product spaces, whose cells have one of several named options at every position.

``ChoiceSpace("mlp", {"width": (16, 64), "act": ("relu", "tanh")})`` defines a space of any size,
which is enumerable if it is small. A cell of this space prints as ``mlp(width=16, act=tanh)``.

A sampled space contains only the cells of a larger space for which a table has values. Some
benchmarks trained only a few thousand architectures of a space with more than 10^10. The list of
trained cells belongs to the authors' data, so it is stored in the table's file, never in code. The
definition of a sampled space names the larger space and lists the cells in base 64, with one byte
for the option at each position.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import pairwise
from operator import eq
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import (
    UserError,
    digest_of_function,
    in_a_line,
    shown,
    unknown,
    warn_renamed,
)
from surrogate_nas.space.base import Encoding, Enumerable, Flags, Matrix, stacked
from surrogate_nas.space.cell import Cell, Choices, Options, cell_text


def is_scale(names: Sequence[str]) -> bool:
    """Return whether options are at least three numbers in ascending or descending order."""
    try:
        values = list(map(float, names))
    except ValueError:
        return False
    return len(values) > 2 and len({low < high for low, high in pairwise(values)}) == 1


def own_option(given: Any) -> Any:
    """Return a user's option with NumPy values converted to Python and lists to tuples."""
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, np.generic):
        return float(str(given)) if isinstance(given, np.floating) else given.item()
    return tuple(map(own_option, given)) if isinstance(given, list | tuple) else given


def option_text(option: Any) -> str:
    """Return the text of an option in a cell's string. Items of a tuple are joined by ``-``."""
    is_tuple = isinstance(option, tuple)
    return "-".join(map(option_text, option)) if is_tuple else str(option)


def option_value(text: str) -> Any:
    """Convert the text of an option to a number, a truth value or None, or else return the text.

    Example:
        >>> list(map(option_value, ("16", "1e-8", "True", "None", "relu", "3-3")))
        [16, 1e-08, True, None, 'relu', '3-3']
    """
    number = int if text.lstrip("-").isdigit() else float
    return number(text) if _NUMBER.fullmatch(text) else _WORDS.get(text, text)


class LazyCells(Sequence[Cell]):
    """All cells of a space in order. Each cell object is created when it is first used.

    Attributes:
        choices: The choices of all cells, shape ``(n, positions)``.
        by_text: The cells that have already been created, by their strings.
    """

    def __init__(
        self,
        choices: Choices,
        write: Callable[[tuple[int, ...]], str],
        options: Options,
    ) -> None:
        """Store the choices, the printer and the options of the cells, without creating any."""
        self.choices = choices
        self.by_text: dict[str, Cell] = {}
        self._write = write
        self._options = options
        self._created: list[Cell | None] = [None] * len(choices)
        self._found: dict[tuple[int, ...], Cell] = {}

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.bytes_], NDArray[np.intp]]:
        """The keys of all cells in ascending order, and the index of each."""
        keys = keys_of(self.choices)
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    def find(self, choices: tuple[int, ...]) -> Cell | None:
        """Return the cell with given valid choices, or None if there is no such cell."""
        cell = self._found.get(choices)
        if cell is None:
            keys, order = self._sorted
            rank = min(int(keys.searchsorted(bytes(choices))), len(keys) - 1)
            if self.choices[order[rank]].tolist() == [*choices]:
                cell = self._found[choices] = self[order[rank]]
        return cell

    def places(self, choices: Choices) -> NDArray[np.intp]:
        """Return the index of the cell with each combination of valid choices, or -1 if there is no
        such cell.
        """
        keys, order = self._sorted
        wanted = keys_of(choices)
        ranks = np.minimum(keys.searchsorted(wanted), len(keys) - 1)
        return np.where(keys[ranks] == wanted, order[ranks], -1)

    def __len__(self) -> int:
        return len(self._created)

    def __iter__(self) -> Iterator[Cell]:
        return map(self.__getitem__, range(len(self._created)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        cell = self._created[index]
        if cell is None:
            choices = tuple(self.choices[index].tolist())
            text = self._write(choices)
            place = range(len(self))[index]
            cell = self._created[index] = Cell(choices, text, place, self._options)
            self.by_text.setdefault(text, cell)
        return cell


def keys_of(choices: Choices) -> NDArray[np.bytes_]:
    """Return the choices of every cell as a sortable byte string, shape ``(n,)``."""
    rows = np.ascontiguousarray(choices, dtype=np.int8)
    return rows.view(f"S{rows.shape[1]}").ravel()


_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|-?inf|nan")
_WORDS = {"True": True, "False": False, "None": None}
_WORD = re.compile(r"[A-Za-z0-9_.+-]+")
_MOST_OPTIONS = 127
MOST_LISTED = 100_000
"""The largest number of combinations of a `ChoiceSpace` that is enumerable by default."""
MOST_COMBINATIONS = 10_000_000
"""The largest number of combinations of an enumerable space."""
_MOST_TRIES = 10_000


class ChoiceSpace(Enumerable):
    """A space whose cells have one option at every position.

    A space with at most 100,000 combinations is enumerable: `len`, ``space[3]`` and iteration work,
    and the last position varies fastest. By default, a larger space can only be sampled.

    Subclasses may define `name`, `positions`, `options` and `listed` as class attributes, and
    override `write`, `parse`, and ``allows(choices)``, which receives one option index per
    position.

    Example:
        >>> options = {"width": (16, 64), "depth": (1, 2, 8)}
        >>> space = ChoiceSpace(
        ...     "mlp", options, allows=lambda o: o["width"] * o["depth"] <= 256
        ... )
        >>> len(space), str(space[-1]), space.cell(width=64, depth=2)["width"]
        (5, 'mlp(width=64, depth=2)', 64)

    Attributes:
        positions: The names of the positions.
        options: The options at each position. Options may have any type whose values have different
            texts.
        further_encodings: Encodings that the class adds to `encodings`, by name. The strategy `bo`
            uses the encodings that the class lists in `views`.
        apart: Name of the encoding that defines the distance between cells. If empty, the distance
            is the number of positions with different options.
        listed: Whether the space is enumerable, or None to make it enumerable if it has at most
            100,000 combinations.
    """

    apart: ClassVar[str] = ""
    positions: tuple[str, ...]
    options: tuple[tuple[Any, ...], ...]
    listed: bool | None = None
    _allows: Callable[[dict[str, Any]], object] | None = None
    _allowed: NDArray[np.intp] | None = None

    def __init__(
        self,
        name: str | None = None,
        options: Mapping[str, Iterable[object]] | None = None,
        *,
        allows: Callable[[dict[str, Any]], object] | None = None,
        listed: bool | None = None,
    ) -> None:
        """Define the space by options, unless the class does.

        Args:
            name: The name of the space, of letters, digits and ``_.+-``.
            options: For each position, at least one option: text, numbers, True, False, None, or
                tuples of these.
            allows: A function that receives the options of a combination by position, such as
                ``{"width": 16, "depth": 2}``, and returns whether it is a cell. If the space is
                enumerable, the constructor calls it once per combination.
            listed: Whether to make the space enumerable; None for up to 100,000 combinations.

        Raises:
            UserError: A name or an option is malformed, missing or duplicate, or `allows` fails or
                rejects every combination.
        """
        if name is not None:
            self.name = name
        if options is not None:
            if not isinstance(options, Mapping):
                raise UserError(
                    "The options of a space must be a mapping from positions to options, not"
                    f" {options!r:.80}."
                )
            self.positions = tuple(map(str, options))
            for own in options.values():
                if isinstance(own, str) or not isinstance(own, Iterable):
                    raise UserError(
                        "The options of a position must be a list, such as (16, 32), not"
                        f" {own!r:.80}."
                    )
            self.options = tuple(map(tuple, options.values()))
        if listed is not None:
            self.listed = listed
        self._check()
        if allows is not None:
            self._allows = allows
            if self.is_listed:
                every = map(tuple, self._matrix().tolist())
                self._allowed = np.flatnonzero(list(map(self.allows, every)))
                self._allows = None
                len(self)

    def _check(self) -> None:
        name = getattr(self, "name", None)
        if not isinstance(name, str) or not _WORD.fullmatch(name):
            raise UserError(
                f"A space's name consists of letters, digits and '_.+-', not {name!r:.80}."
            )
        given = getattr(self, "options", None) or getattr(self, "texts", ())
        if not given or len(getattr(self, "positions", ())) != len(given):
            raise UserError(
                f"The space {name} needs at least one position, each with its options."
            )
        if hasattr(self, "options"):
            self.options = tuple(tuple(map(own_option, own)) for own in self.options)
        else:
            self.options = tuple(tuple(map(option_value, own)) for own in self.texts)
        for position, options in zip(self.positions, self.texts, strict=True):
            if not 1 <= len(options) <= _MOST_OPTIONS:
                raise UserError(
                    f"{position} of {name} needs 1 to {_MOST_OPTIONS} options, not {len(options)}."
                )
            for word in (position, *options):
                if not _WORD.fullmatch(word):
                    raise UserError(
                        f"{word!r} of {name} is not a name: use letters, digits and '_.+-' only."
                    )
            if len(set(options)) < len(options):
                raise UserError(
                    f"{position} of {name} has a duplicate option: {', '.join(options)}."
                )

    @cached_property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """The texts of the options in a cell's string.

        If a class defines `texts`, `options` are their values.
        """
        return tuple(tuple(map(option_text, options)) for options in self.options)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "texts": self.texts}

    @cached_property
    def _by_position(self) -> Options:
        return dict(zip(self.positions, enumerate(self.options), strict=True))

    @property
    def cell_name(self) -> str:
        """The name at the beginning of a cell's string."""
        return self.name

    @cached_property
    def is_listed(self) -> bool:  # type: ignore[override]
        """Whether the space is enumerable."""
        n = math.prod(map(len, self.texts))
        return n <= MOST_LISTED if self.listed is None else self.listed

    @property
    def size(self) -> float:  # type: ignore[override]
        """The number of cells, or the number of all combinations if the space is not enumerable."""
        if self.is_listed:
            return len(self._cells)
        return float(min(math.prod(map(len, self.texts)), 10**308))

    @property
    def definition(self) -> str:
        """The name of the space, or a JSON text of its options if they describe the space
        completely.
        """
        if type(self) is not ChoiceSpace:
            return self.name
        options = dict(zip(self.positions, map(list, self.texts), strict=True))
        constrained = {
            "allowed": None if self._allowed is None else self._allowed.tolist(),
            "allows": self._allows and digest_of_function(self._allows, self),
        }
        return json.dumps(
            {"name": self.name, "listed": self.is_listed, "options": options}
            | {key: value for key, value in constrained.items() if value}
        )

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Return whether a combination of options is a cell of this space."""
        if self._allows is None:
            return not self.is_listed or self._cells.find(choices) is not None
        try:
            named = zip(self.positions, self.options, choices, strict=True)
            return bool(self._allows({name: own[i] for name, own, i in named}))
        except Exception as error:
            raise UserError(
                f"The allows function of the space {self.name} fails for {self.write(choices)}:"
                f" {in_a_line(error)}."
            ) from error

    def allows_all(self, choices: Choices) -> bool:
        """Return whether all given combinations of options are cells of this space."""
        if self.is_listed:
            return bool((self.places_of(choices) >= 0).all())
        is_free = type(self).allows is ChoiceSpace.allows and self._allows is None
        return is_free or all(map(self.allows, map(tuple, choices.tolist())))

    def places_of(self, choices: Choices) -> NDArray[np.intp]:
        """Return the index of each combination in the order of the space, or -1 if it is not a
        cell.

        Args:
            choices: The index of a valid option at each position, shape ``(n, positions)``.

        Raises:
            UserError: The space is not enumerable.
        """
        return self._cells.places(choices)

    def _matrix(self) -> Choices:
        """Return the choices of all cells in the order of the space, shape ``(n, positions)``."""
        if (n := math.prod(map(len, self.texts))) > MOST_COMBINATIONS:
            raise UserError(
                f"The space {self.name} has {n:.3g} combinations; at most"
                f" {MOST_COMBINATIONS:,} can be listed."
            )
        counts = np.array(list(map(len, self.texts)))
        steps = np.cumprod([1, *counts[:0:-1]])[::-1]
        every: Choices = np.empty((n, len(counts)), dtype=np.int8)
        for position, (step, count) in enumerate(zip(steps, counts, strict=True)):
            every[:, position] = np.arange(n) // step % count
        if self._allowed is not None:
            every = every[self._allowed]
        if type(self).allows is ChoiceSpace.allows:
            return every
        allowed: Choices = every[list(map(self.allows, map(tuple, every.tolist())))]
        return allowed

    @cached_property
    def _cells(self) -> LazyCells:
        if not self.is_listed:
            raise UserError(
                f"The space {self.name} with {self.size:.3g} combinations is not enumerable: use"
                " space.sample(rng), or define the space with listed=True."
            )
        matrix = self._matrix()
        if not len(matrix):
            raise UserError(f"The space {self.name} allows none of its combinations.")
        return LazyCells(matrix, self.write, self._by_position)

    @property
    def _by_text(self) -> dict[str, Cell]:
        return self._cells.by_text if self.is_listed else {}

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the canonical string of a combination of options."""
        pairs = zip(self._written, choices, strict=True)
        return (
            f"{self.cell_name}({', '.join([texts[choice] for texts, choice in pairs])})"
        )

    @cached_property
    def _written(self) -> list[list[str]]:
        named = zip(self.positions, self.texts, strict=True)
        return [[f"{name}={option}" for option in options] for name, options in named]

    def parse(self, text: str) -> Cell:
        """Return the cell for a string in the format of `write`.

        Raises:
            UserError: The string has another format, or an option is unknown.
        """
        return self._named(self._written_options(text, self.positions))

    def _named(self, names: Sequence[str]) -> Cell:
        given = zip(self.positions, names, self.texts, strict=True)
        return self.at([self._number(*choice) for choice in given])

    def _written_options(self, text: str, names: Sequence[str]) -> list[str]:
        stripped = cell_text(text)
        head, _, inside = stripped.removesuffix(")").partition("(")
        pairs = [pair.strip().partition("=") for pair in inside.split(",")]
        given = [name for name, *_ in pairs]
        if (head, given, stripped[-1:]) != (self.cell_name, [*names], ")"):
            shape = self.write((0,) * len(self.positions))
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {shape:.400}."
            )
        return [option for *_, option in pairs]

    def _matched(
        self, pattern: re.Pattern[str], text: str, shape: str
    ) -> tuple[str, ...]:
        match = pattern.fullmatch(cell_text(text))
        if match is None:
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {shape}."
            )
        return match.groups()

    def _number(self, position: str, option: Any, options: Sequence[Any]) -> int:
        if option in options:
            choice = options.index(option)
            if isinstance(option, bool) == isinstance(options[choice], bool):
                return choice
        listing = ", ".join(map(str if isinstance(option, str) else repr, options))
        raise UserError(
            f"{position} of the space {self.name} is one of {listing}, not {shown(option)}."
        )

    def cell(self, given: Any = None, /, **options: Any) -> Cell:
        """Return the cell of this space that a given cell, string, options or indices describe.

        Args:
            given: A cell, its string, a mapping of positions to options, or one option index per
                position.
            options: The option at every position. Together with a cell or a mapping, only the
                options to change.

        Raises:
            UserError: The arguments do not describe a cell of this space.

        Example:
            >>> space = ChoiceSpace("mlp", {"width": (16, 64), "act": ("relu", "tanh")})
            >>> space.cell(width=64, act="relu") == space.cell(
            ...     "mlp(width=64, act=relu)"
            ... )
            True
        """
        if isinstance(given, Cell | str) and not options:
            return super().cell(given)
        if hasattr(given, "keys") or (options and given is None):
            options = {**({} if given is None else given), **options}
            for position in options.keys() - self._by_position.keys():
                raise unknown(f"position of {self.name}", position, self.positions)
            if absent := [name for name in self.positions if name not in options]:
                raise UserError(
                    f"A cell of the space {self.name} also needs {', '.join(absent)}:"
                    f" {absent[0]} is one of {self._by_position[absent[0]][1]!r:.200}."
                )
            given = [
                self._number(position, own_option(options[position]), known)
                for position, (_, known) in self._by_position.items()
            ]
        try:
            choices = [int(choice) for choice in given]
        except (TypeError, ValueError) as error:
            raise UserError(
                f"A cell of {self.name} is given by a Cell, a string, options such as"
                f" {self.positions[0]}={self.options[0][0]!r}, or indices, not {given!r:.60}."
            ) from error
        return self.at(choices)

    def at(self, choices: Sequence[int]) -> Cell:
        """Return the cell with given choices: the index of an option at each position.

        Raises:
            UserError: The choices do not describe a cell of this space.
        """
        chosen = tuple(map(int, choices))
        fits = len(chosen) == len(self.options) and all(
            0 <= choice < len(options)
            for choice, options in zip(chosen, self.options, strict=True)
        )
        cell = self._cell_of(chosen) if fits else None
        if cell is None:
            what = f"{self.write(chosen) if fits else list(chosen)}"
            raise UserError(f"{what:.200} is not a cell of the space {self.name}.")
        return cell

    def _cell_of(self, choices: tuple[int, ...]) -> Cell | None:
        """Return the cell with given valid choices, or None if there is no such cell."""
        if self.is_listed:
            return self._cells.find(choices)
        if not self.allows(choices):
            return None
        return Cell(choices, self.write(choices), -1, self._by_position)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Sample a cell uniformly.

        Raises:
            UserError: None of the sampled combinations is a cell.
        """
        if self.is_listed:
            return self[int(rng.integers(len(self)))]
        counts = list(map(len, self.options))
        for _ in range(_MOST_TRIES):
            if cell := self._cell_of(tuple(rng.integers(counts).tolist())):
                return cell
        raise UserError(
            f"The space {self.name} allows none of {_MOST_TRIES:,} sampled combinations."
        )

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """Sample a cell uniformly among the `neighbours` of `cell`.

        Raises:
            UserError: The cell has no neighbour.
        """
        if self.is_listed:
            return super().mutate(cell, rng)
        steps = self._steps(cell.choices)
        for _ in range(_MOST_TRIES if steps else 0):
            if neighbour := self._cell_of(steps[int(rng.integers(len(steps)))]):
                return neighbour
        raise UserError(f"{cell} has no neighbour in the space {self.name}.")

    def neighbours(self, cell: Cell) -> Sequence[Cell]:
        """Return all cells that differ from `cell` at one position, ordered by position, then by
        option.
        """
        if not self.is_listed:
            return self._near(cell)
        own = self.cell(cell)
        around = self._around[own.index]
        if around is None:
            around = self._around[own.index] = self._near(own)
        return around

    @cached_property
    def _around(self) -> list[list[Cell] | None]:
        return [None] * len(self._cells)

    def _near(self, cell: Cell) -> list[Cell]:
        steps = self._steps(cell.choices)
        if not self.is_listed:
            return list(filter(None, map(self._cell_of, steps)))
        around = np.array(steps, dtype=np.int8).reshape(-1, len(self.positions))
        places = self.places_of(around)
        return [self._cells[place] for place in places[places >= 0].tolist()]

    def _steps(self, choices: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [
            (*choices[:p], option, *choices[p + 1 :])
            for p, options in enumerate(self.options)
            for option in range(len(options))
            if option != choices[p]
        ]

    def similarity(self, first: Cell, second: Cell) -> float:
        """Return the share of positions with equal options, or 1 for isomorphic cells."""
        return super().similarity(first, second) or self._shared(first, second)

    def _shared(self, first: Cell, second: Cell) -> float:
        same = sum(map(eq, first.choices, second.choices))
        return float(same / len(self.positions))

    @cached_property
    def encodings(self) -> Mapping[str, Encoding]:  # type: ignore[override]
        """The encodings ``one_hot``, ``numbers``, ``counts`` (if a view uses it), and
        `further_encodings`.
        """
        numbers = partial(self._columns, first=0)
        is_seen = "counts" in "+".join(self.views).split("+")
        counts = {"counts": self._counts} if is_seen else {}
        own: dict[str, Encoding] = {"one_hot": self._columns, "numbers": numbers}
        return {**own, **counts, **self.further_encodings}

    @cached_property
    def groups(self) -> Mapping[str, NDArray[np.intp]]:  # type: ignore[override]
        """The group of each column by encoding: the position for ``one_hot`` and ``numbers``, and a
        single group for ``counts``.

        Encodings that a class adds have no groups.
        """
        options = list(map(len, self.texts))
        steps = [
            1 if is_scale(names) else n
            for names, n in zip(self.texts, options, strict=True)
        ]
        counted = sum(len(self.texts[shared[0]]) for shared in self._shared_options)
        positions = np.arange(len(options))
        groups = {
            "one_hot": np.repeat(positions, options),
            "numbers": np.repeat(positions, steps),
            "counts": np.zeros(counted, dtype=np.intp),
        }
        return {n: g for n, g in groups.items() if n not in self.further_encodings}

    @cached_property
    def _shared_options(self) -> list[list[int]]:
        """The positions of each list of options that at least three positions share."""
        places: dict[Sequence[str], list[int]] = {}
        for p, names in enumerate(self.texts):
            places.setdefault(tuple(names), []).append(p)
        return [shared for shared in places.values() if len(shared) >= _LEAST_SHARED]

    def live(self, choices: Choices) -> Flags:
        """Return whether each position of a cell affects its network, shape ``(n, positions)``."""
        return np.ones(choices.shape, dtype=bool)

    def _columns(self, choices: Choices, first: int | None = None) -> Matrix:
        """Return a column per option; if `first` is given, scales count their steps from it."""
        live = self.live(choices)
        blocks = []
        for p, names in enumerate(self.texts):
            if first is None or not is_scale(names):
                columns = choices[:, [p]] == np.arange(len(names))
            else:
                columns = choices[:, [p]] + first
            blocks.append(live[:, [p]] * columns)
        return stacked(*blocks)

    def _counts(self, choices: Choices) -> Matrix:
        """Count how often each option is chosen among the positions that share it."""
        live = self.live(choices)[:, :, None]
        blocks = []
        for shared in self._shared_options:
            chosen = choices[:, shared, None] == np.arange(len(self.texts[shared[0]]))
            blocks.append((live[:, shared] & chosen).sum(axis=1))
        return stacked(*blocks)

    further_encodings: ClassVar[Mapping[str, Encoding]] = {}

    @property
    def views(self) -> tuple[str, ...]:  # type: ignore[override]
        """The views (model inputs) ``numbers``, if the options of a position are a scale, and
        ``one_hot``.

        Each view is joined with ``counts`` if at least three positions have the same options.
        """
        scales = ("numbers",) if any(map(is_scale, self.texts)) else ()
        counts = "+counts" if self._shared_options else ""
        return tuple(view + counts for view in (*scales, "one_hot"))


class EnumerableChoiceSpace(ChoiceSpace):
    """The former name of ``ChoiceSpace(…, listed=True)``.

    Example:
        >>> import surrogate_nas as sn
        >>> len(sn.EnumerableChoiceSpace("mlp", {"width": (16, 64)}))
        2
    """

    listed = True

    def __new__(cls, *given: Any, **options: Any) -> Any:
        """Warn, and return a `ChoiceSpace`."""
        warn_renamed("EnumerableChoiceSpace", "ChoiceSpace(…, listed=True)", 3)
        if cls is EnumerableChoiceSpace:
            return ChoiceSpace(*given, **options, listed=True)
        return super().__new__(cls)


_LEAST_SHARED = 3
NEAREST = 12
"""The number of nearest cells that are always neighbours of a cell."""
MOST_CELLS = 1_000_000
# With more cells, neighbours are found for one cell at a time. No published table has more.
_MOST_PAIRED = 32_768
_BLOCK = 256
_AS_IN_BASE = (
    "encodings",
    "views",
    "groups",
    "analytic",
    "is_buildable",
    "has_blueprints",
    "write",
    "identity",
    "similarity",
    "cost_groups",
    "graph",
    "blueprint",
    "build",
    "sketch",
)


class Sampled(ChoiceSpace):
    """A subset of the cells of a larger space, in the order of the table that contains them.

    Sampling is uniform over the subset. Two cells are neighbours if either is among the `NEAREST`
    nearest cells of the other, so every cell has at least `NEAREST` neighbours and can be reached
    by mutation. With more than 32,768 cells, the neighbours of a cell are only its own `NEAREST`
    nearest cells, the nearest first. With more than 32,768 cells, being a neighbour is not
    symmetric.

    The distance between cells is the number of positions with different options, or the sum of
    differences in an encoding that the larger space selects (`ChoiceSpace.apart`). Ties in distance
    are broken by the total number of steps between options, then by the order of the space,
    starting from the cell. Encodings, metrics and networks are those of the larger space.

    Example:
        >>> mlp = ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> held = Sampled(mlp, np.array([[0, 2], [1, 0]], dtype=np.int8))
        >>> held.name, len(held), str(held[1])
        ('mlp-2', 2, 'mlp(width=64, depth=1)')
    """

    listed = True

    def __init__(self, base: ChoiceSpace, choices: Choices) -> None:
        """Define the subset.

        Args:
            base: The larger space.
            choices: One option index per position, shape ``(n, positions)``.

        Raises:
            UserError: A row is not a cell of the larger space, or is a duplicate.
        """
        self.base = base
        self._choices = array = np.array(choices, dtype=np.int8, order="C")
        array.flags.writeable = False
        widths = [len(options) for options in base.options]
        n = len(array)
        if array.shape != (n, len(widths)) or not n:
            raise UserError(
                f"Cells of the space {base.name} have {len(widths)} positions; at least one is"
                " needed."
            )
        if n > MOST_CELLS:
            raise UserError(
                f"A sampled space has at most {MOST_CELLS:,} cells, not {n:,} of the space"
                f" {base.name}."
            )
        if not ((array >= 0) & (array < widths)).all() or not base.allows_all(array):
            raise UserError(
                f"The sample contains a cell that is not in the space {base.name}."
            )
        keys = np.sort(keys_of(array))
        if (keys[1:] == keys[:-1]).any():
            raise UserError(
                f"The sample contains a cell of the space {base.name} twice."
            )
        self.name = f"{base.name}-{n}"
        self.positions = base.positions
        self.options, self.texts = base.options, base.texts
        super().__init__()

    @cached_property
    def definition(self) -> str:
        """A JSON text with the definition of the larger space and the list of cells."""
        encoded = base64.b64encode(self._choices.tobytes()).decode()
        return json.dumps({"of": self.base.definition, "held": encoded})

    @property
    def notice(self) -> str:
        """The notice in every report of a search on this space."""
        return (
            f"A sampled space: a search chooses among {len(self):,} architectures of about"
            f" {self.base.size:.2g} in the space {self.base.name}."
        )

    def _matrix(self) -> Choices:
        return self._choices

    def parse(self, text: str) -> Cell:
        """Return the cell for a string in the format of the larger space.

        Raises:
            UserError: The cell is not in the larger space, or not in the sample. The message says
                which case applies.
        """
        return self._own(self.base.parse(text))

    def at(self, choices: Sequence[int]) -> Cell:
        """Return the cell of the sample with given choices.

        Raises:
            UserError: The cell is not in the larger space, or not in the sample. The message says
                which case applies.
        """
        return self._own(self.base.at(choices))

    def _own(self, cell: Cell) -> Cell:
        known = self._cells.find(cell.choices)
        if known is None:
            raise UserError(
                f"{cell} is a cell of the space {self.base.name}, but not one of the"
                f" {len(self):,} available ones (of {self.base.size:.3g})."
            )
        return known

    @cached_property
    def _graph(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The start of each cell's neighbours, and the indices of all neighbours."""
        n = len(self)
        k = min(NEAREST, n - 1)
        counts = list(map(len, self.options))
        chosen = [(self._choices[:, [p]], np.arange(m)) for p, m in enumerate(counts)]
        equal = stacked(*(values == numbers for values, numbers in chosen))
        steps = stacked(*(values >= numbers[1:] for values, numbers in chosen))
        seen, total = self._seen, sum(counts)
        sums, ones = steps.sum(axis=1), np.ones(n)
        left = stacked(
            -2 * steps, sums, ones, *([-total * equal] if seen is None else [])
        )
        right = stacked(steps, ones, sums, *([equal] if seen is None else []))
        near = []
        for start in range(0, n, _BLOCK):
            block = slice(start, start + _BLOCK)
            # but for a constant; `total` is more than the steps that two cells can be apart
            distances = left[block] @ right.T
            if seen is not None:
                far = np.stack([np.abs(seen - row).sum(axis=1) for row in seen[block]])
                distances += total * far
            near.append(_nearest(distances, start, k))
        sources, targets = np.repeat(np.arange(n), k), np.concatenate(near).ravel()
        pairs = np.unique(
            np.concatenate([sources * n + targets, targets * n + sources])
        )
        return np.searchsorted(pairs, np.arange(n + 1) * n), pairs % n

    @cached_property
    def _by_column(self) -> Choices:
        return np.ascontiguousarray(self._choices.T)

    @cached_property
    def _seen(self) -> Matrix | None:
        apart = self.base.apart
        return self.base.encodings[apart](self._choices) if apart else None

    def _own_nearest(self, index: int) -> NDArray[np.intp]:
        """Return the nearest cells of one cell, by one pass over the choices of all cells."""
        steps, far = np.zeros((2, len(self)), dtype=np.float32)
        for column in self._by_column:
            apart = np.abs(column - column[index])
            steps += apart
            far += apart > 0
        if self._seen is not None:
            far = np.abs(self._seen - self._seen[index]).sum(axis=1)
        steps += sum(map(len, self.options)) * far
        nearest: NDArray[np.intp] = _nearest(steps[None], index, NEAREST)[0]
        return nearest

    def _near(self, cell: Cell) -> list[Cell]:
        if len(self) > _MOST_PAIRED:
            indices = self._own_nearest(cell.index)
        else:
            starts, near = self._graph
            indices = near[starts[cell.index] : starts[cell.index + 1]]
        return [self._cells[neighbour] for neighbour in indices.tolist()]


def _as_in_base(name: str) -> property:
    def answered(self: Sampled) -> Any:
        return getattr(self.base, name)

    answered.__doc__ = f"The `{name}` of the larger space."
    return property(answered)


for _name in _AS_IN_BASE:
    setattr(Sampled, _name, _as_in_base(_name))


def _nearest(distances: Matrix, start: int, k: int) -> NDArray[np.intp]:
    n_some, n = distances.shape
    indices = np.arange(start, start + n_some)
    distances[np.arange(n_some), indices] = np.inf
    furthest = np.partition(distances, k - 1, axis=1)[:, [k - 1]]
    rows, neighbours = np.divmod(np.flatnonzero(distances <= furthest), n)
    order = np.lexsort(
        [(neighbours - indices[rows]) % n, distances[rows, neighbours], rows]
    )
    starts = np.searchsorted(rows, np.arange(n_some))
    nearest: NDArray[np.intp] = neighbours[order[starts[:, None] + np.arange(k)]]
    return nearest


def described(content: Mapping[str, Any]) -> ChoiceSpace:
    """Return the space whose options a definition lists.

    Raises:
        ValueError: The definition is malformed. The error can also be a KeyError, TypeError or
            UserError.
    """
    if "allows" in content:
        raise TypeError(
            "a function determines its cells; give the file with that function"
        )
    is_listed = bool(content["listed"])
    space = ChoiceSpace(content["name"], content["options"], listed=is_listed)
    space.options = tuple(tuple(map(option_value, own)) for own in space.texts)
    if "allowed" in content:
        space._allowed = allowed = np.array(content["allowed"], dtype=np.intp)
        n = math.prod(map(len, space.texts))
        if (np.diff([-1, *allowed, n]) <= 0).any():
            raise ValueError(f"its cells are not a subset of its {n} combinations")
    return space


def subset_of(base: ChoiceSpace, encoded: str) -> Sampled:
    """Return the sampled space whose cells a definition lists.

    Raises:
        ValueError: The list of cells is malformed. The error can also be a UserError from
            `Sampled`.
    """
    content = np.frombuffer(base64.b64decode(encoded, validate=True), dtype=np.int8)
    return Sampled(base, content.reshape(-1, len(base.positions)))
