"""Encodings against a slow second writing of their docstrings, one cell and one path at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, nb201
from surrogate_nas.space.four_nodes import edge_live, path_live
from surrogate_nas.space.nb201 import EDGES, OPERATIONS
from surrogate_nas.space.nb201.encodings import ENCODINGS, depth_and_live, signal

SPACE = nb201()
CELLS = st.integers(0, 15624).map(SPACE.__getitem__)
WIDTHS = {
    "one_hot": 30,
    "operation_counts": 5,
    "paths": 40,
    "graph": 102,
    "path_and_graph": 153,
    "alive": 148,
    "signal": 16,
    "functional": 164,
}
LIVE = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def walk(cell: Cell, node: int = 0) -> list[list[int]]:
    """Every live path as a list of edges, shortest paths first where lengths differ."""
    if node == 3:
        return [[]]
    found = []
    for edge, (source, target) in enumerate(EDGES):
        if source == node and OPERATIONS[cell.choices[edge]] != "none":
            found += [[edge, *rest] for rest in walk(cell, target)]
    return found


def operations(cell: Cell, path: list[int]) -> list[str]:
    return [OPERATIONS[cell.choices[edge]] for edge in path]


def slow_one_hot(cell: Cell) -> list[float]:
    return [float(OPERATIONS[choice] == name) for choice in cell.choices for name in OPERATIONS]


def slow_counts(cell: Cell) -> list[float]:
    return [
        float(sum(OPERATIONS[choice] == name for choice in cell.choices)) for name in OPERATIONS
    ]


def slow_paths(cell: Cell) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {}
    for path in walk(cell):
        sequence = tuple(name for name in operations(cell, path) if name != "skip_connect")
        counts[sequence] = counts.get(sequence, 0) + 1
    return counts


def slow_depth_and_live(cell: Cell) -> list[float]:
    found = walk(cell)
    edges = {edge for path in found for edge in path}
    depth = max(
        (sum(name != "skip_connect" for name in operations(cell, path)) for path in found),
        default=0,
    )
    return [
        depth,
        len(found),
        *(sum(OPERATIONS[cell.choices[e]] == name for e in edges) for name in LIVE),
    ]


def slow_graph(cell: Cell) -> list[float]:
    found = walk(cell)
    columns: list[float] = []
    for size in (1, 2, 3, 4):
        for subset in itertools.combinations(LIVE, size):
            only = [len(path) for path in found if set(operations(cell, path)) <= set(subset)]
            inside = [sum(name in subset for name in operations(cell, path)) for path in found]
            columns += [len(only), min(only, default=-1), max(only, default=-1)]
            columns += [max(inside, default=-1), min(inside, default=-1), sum(inside)]
    edges = {edge for path in found for edge in path}
    for name in LIVE:
        here = [EDGES[e] for e in edges if OPERATIONS[cell.choices[e]] == name]
        columns += [
            len(here),
            sum(source == 0 for source, _ in here),
            sum(target == 3 for _, target in here),
        ]
    return columns


def one(cell: Cell, encoding: str) -> list[float]:
    return list(map(float, ENCODINGS[encoding](SPACE.choices[[cell.index]])[0]))


@given(CELLS)
@settings(max_examples=150, deadline=None)
def test_every_encoding_is_what_its_docstring_says(cell: Cell) -> None:
    assert one(cell, "one_hot") == slow_one_hot(cell)
    assert one(cell, "operation_counts") == slow_counts(cell)
    assert one(cell, "graph") == slow_graph(cell)
    assert depth_and_live(SPACE.choices[[cell.index]])[0].tolist() == slow_depth_and_live(cell)
    together = one(cell, "paths") + slow_depth_and_live(cell) + slow_counts(cell) + slow_graph(cell)
    assert one(cell, "path_and_graph") == together


def test_path_columns_are_the_forty_sequences_in_a_fixed_order() -> None:
    """Each column holds one sequence: no two sequences share one, and no sequence has two."""
    matrix = ENCODINGS["paths"](SPACE.choices)
    column_of: dict[tuple[str, ...], int] = {}
    for cell in SPACE:
        found = walk(cell)
        if len(found) == 1:
            (sequence,) = slow_paths(cell)
            (column,) = np.flatnonzero(matrix[cell.index])
            assert column_of.setdefault(sequence, int(column)) == column
    assert sorted(column_of.values()) == list(range(40))
    for cell in SPACE[::23]:
        expected = np.zeros(40)
        for sequence, count in slow_paths(cell).items():
            expected[column_of[sequence]] = count
        assert matrix[cell.index].tolist() == expected.tolist()


@pytest.mark.parametrize("name", ENCODINGS)
def test_shape_type_and_independence_of_the_batch(name: str) -> None:
    matrix = ENCODINGS[name](SPACE.choices)
    assert matrix.shape == (15625, WIDTHS[name])
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()
    some = [5, 15624, 0, 5]
    assert (ENCODINGS[name](SPACE.choices[some]) == matrix[some]).all()
    assert ENCODINGS[name](SPACE.choices[:0]).shape == (0, WIDTHS[name])


def test_paths_do_not_see_what_is_dead() -> None:
    pruned = np.where(edge_live(SPACE.choices), SPACE.choices, 0).astype(np.int8)
    for name in ("paths", "graph", "alive", "signal", "functional"):
        assert (ENCODINGS[name](pruned) == ENCODINGS[name](SPACE.choices)).all()
    assert (path_live(pruned) == path_live(SPACE.choices)).all()


def test_the_signal_of_cells_worked_out_by_hand() -> None:
    """Skips alone: x, 2x and 4x at the nodes. A convolution is normalised, so what went before it
    only deepens it.
    """
    skips, convolution, dead = (
        SPACE.parse(text)
        for text in (
            "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|",
            "|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|",
            "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|",
        )
    )
    total, logarithm, input_share, *rest = signal(np.array([skips.choices]))[0]
    assert (total, input_share) == (16.0, 1.0) and logarithm == pytest.approx(np.log(16))
    assert rest[7:9] == [0.0, 4.0] and rest[-1] == 0.0
    expected = [
        2.0,
        np.log(2),
        0.5,
        0.0,
        0.5,
        0.0,
        1.0,
        0.5,
        1.0,
        0.0,
        0.0,
        1.0,
        0.5,
        1.0,
        1.0,
        np.log(2),
    ]
    np.testing.assert_allclose(signal(np.array([convolution.choices]))[0], expected, atol=1e-6)
    assert not signal(np.array([dead.choices])).any()


def test_paths_are_the_same_for_one_function_where_no_weight_is_shared_or_pooled() -> None:
    """Skips contract: among cells of one live path, a functional class has one row."""
    matrix = ENCODINGS["paths"](SPACE.choices)
    rows: dict[int, bytes] = {}
    for cell in SPACE:
        if len(walk(cell)) == 1:
            row = matrix[cell.index].tobytes()
            assert rows.setdefault(int(SPACE.classes[cell.index]), row) == row


def test_no_encoding_holds_a_label() -> None:
    """Encodings see choices only: relabelling the space's order changes nothing but the order."""
    order = np.random.default_rng(0).permutation(15625)
    for name in ENCODINGS:
        matrix = ENCODINGS[name](SPACE.choices)
        assert (ENCODINGS[name](SPACE.choices[order]) == matrix[order]).all()


def test_an_unknown_encoding_is_a_user_error_with_a_hint() -> None:
    with pytest.raises(UserError, match="Did you mean 'one_hot'"):
        SPACE.encode(SPACE[:1], "onehot")
