"""NAS-Bench-101's space: the paper's counts, hashes, sizes and networks; isomorphic graphs are one
cell.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Sampled, choices_of, drawn_cells, space_named
from surrogate_nas.space.nb101 import _graph, channels, graphs, links, sizes
from surrogate_nas.space.nb101.graphs import (
    PAIRS,
    Graph,
    bits_of,
    canonical,
    listed,
    module_hash,
    pruned,
)
from surrogate_nas.space.network import Network
from tests.networks import inputs, size

SPACE = space_named("nb101")
PUBLISHED = Network(channels=128, cells_per_stage=3)
COUNTS = (1, 6, 84, 2441, 62_010, 359_082)
OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
CELLS = st.integers(0, len(SPACE) - 1).map(SPACE.__getitem__)
SPEC_HASH = "28cfc7874f6d200472e1a9dcd8650aa0"
SPEC_PARAMETERS = 2_694_282


def relabelled(graph, order):
    """The graph with its inner vertices in another order; None where an edge would be turned
    round.
    """
    place = {0: 0, graph.vertices - 1: graph.vertices - 1} | {
        v: i for i, v in enumerate(order, 1)
    }
    moved = [
        (place[x], place[y])
        for bit, (x, y) in enumerate(PAIRS)
        if graph.edges >> bit & 1
    ]
    if any(x >= y for x, y in moved):
        return None
    return Graph(
        graph.vertices,
        sum(1 << PAIRS.index(pair) for pair in moved),
        tuple(graph.operations[v - 1] for v in order),
    )


def all_labelled(graph):
    orders = itertools.permutations(range(1, graph.vertices - 1))
    return [moved for order in orders if (moved := relabelled(graph, order))]


def same(graph):
    """The cell of a graph."""
    return SPACE.parse(spec_of(graph))


def matrix_of(graph):
    matrix = np.zeros((graph.vertices, graph.vertices), dtype=int)
    for x, y in graph.pairs:
        matrix[x, y] = 1
    return matrix.tolist()


def edge_bits(matrix):
    return bits_of(zip(*np.nonzero(matrix), strict=True))


# The list


def test_cells_by_vertices_are_the_papers():
    assert tuple(np.bincount(listed().vertices)[2:]) == COUNTS
    assert len(SPACE) == SPACE.size == sum(COUNTS) == len(listed().edges)


def test_the_list_is_all_graphs_up_to_five_vertices_counted_one_by_one():
    graphs = list(listed())
    for vertices in (2, 3, 4, 5):
        found = {}
        pairs = vertices * (vertices - 1) // 2
        for edges in range(1 << pairs):
            for operations in itertools.product(range(3), repeat=vertices - 2):
                graph = Graph(vertices, edges, operations)
                if edges.bit_count() <= 9 and pruned(*graph) == graph:
                    found.setdefault(module_hash(graph), graph)
        low, high = np.searchsorted(listed().vertices, [vertices, vertices + 1])
        assert graphs[low:high] == list(found.values())


def test_every_cell_of_the_list_is_its_own_and_is_found_by_its_text():
    columns = [listed().vertices, listed().edges, listed().operations]
    assert len(np.unique(np.stack(columns), axis=1).T) == len(SPACE)
    for vertices in range(2, 8):
        rows = np.flatnonzero(listed().vertices == vertices)
        assert graphs.are_canonical(
            vertices, listed().edges[rows], listed().operations[rows]
        ).all()
    for place in range(0, len(SPACE), 31):
        assert SPACE.parse(SPACE[place].text).index == place


# One cell for isomorphic graphs


def test_the_authors_example():
    cell = SPACE.parse("inception")
    assert SPACE.identity(cell) == SPEC_HASH and cell == SPACE.reference
    assert sizes(choices_of([cell]), PUBLISHED)[0][0] == SPEC_PARAMETERS


@given(CELLS)
@settings(max_examples=60, deadline=None)
def test_isomorphic_graphs_are_one_cell_with_one_hash(cell):
    graph = _graph(cell.choices)
    others = all_labelled(graph)
    assert min(others, key=lambda other: (other.edges, other.operations)) == graph
    for other in others[:20]:
        assert canonical(other) == graph and module_hash(other) == SPACE.identity(cell)
        assert SPACE.parse(spec_of(other)) == cell


def spec_of(graph):
    rows = (
        "".join(map(str, row[x + 1 :])) for x, row in enumerate(matrix_of(graph)[:-1])
    )
    return f"{'|'.join(rows)}:{','.join(OPERATIONS[one] for one in graph.operations)}"


@given(st.integers(0, (1 << 21) - 1), st.tuples(*[st.integers(0, 2)] * 5))
@settings(max_examples=300, deadline=None)
def test_any_matrix_of_seven_vertices_is_pruned_to_a_cell_or_refused(edges, operations):
    linked = np.zeros((7, 7), dtype=int)
    for bit, (x, y) in enumerate(PAIRS):
        linked[x, y] = edges >> bit & 1
    reach = np.linalg.matrix_power(linked + np.eye(7, dtype=int), 7) > 0
    kept = [v for v in range(7) if reach[0, v] and reach[v, 6]]
    spec = spec_of(Graph(7, edges, operations))
    if not reach[0, 6]:
        with pytest.raises(UserError, match="no path from input to output"):
            SPACE.parse(spec)
        return
    inner = linked[np.ix_(kept, kept)]
    if inner.sum() > 9:
        with pytest.raises(UserError, match="at most 9 edges"):
            SPACE.parse(spec)
        return
    graph = Graph(
        len(kept),
        edge_bits(inner.tolist()),
        tuple(operations[v - 1] for v in kept[1:-1]),
    )
    assert SPACE.parse(spec) == same(graph)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "Malformed cell"),
        ("11|1", "Malformed cell"),
        ("11|11:maxpool3x3", "one bit shorter"),
        ("11|1:maxpool3x3,maxpool3x3", "3 vertices and 2 operations"),
        ("11|1:conv7x7", "is one of conv3x3-bn-relu, .*not conv7x7"),
        ("10|0:maxpool3x3", "no path from input"),
        (
            "111111|11111|1111|111|11|1:" + ",".join(["maxpool3x3"] * 5),
            "at most 9 edges, not 21",
        ),
    ],
)
def test_what_is_no_graph_of_the_space_is_refused(text, message):
    with pytest.raises(UserError, match=message) as caught:
        SPACE.parse(text)
    assert "\n" not in str(caught.value)


def test_choices_that_are_no_canonical_form_are_no_cell():
    cell = SPACE[200_000]
    assert SPACE.cell(cell.choices) is cell and SPACE.allows(cell.choices)
    rng = np.random.default_rng(0)
    rows = np.array([other.choices for other in drawn_cells(SPACE, 300)])
    assert SPACE.allows_all(rows)
    rows[:, rng.permutation(21)[:4]] ^= 1
    assert not SPACE.allows_all(rows)
    for row in rows.tolist():
        assert SPACE.allows(tuple(row)) == (_graph_of(row) == _canonical_of(row))
    with pytest.raises(UserError, match="is not a cell"):
        SPACE.cell([0] * 26)


def _graph_of(row):
    """Choices as a graph, read plainly."""
    inner = [operation for operation in row[21:] if operation != 3]
    if row[21:] != [*inner, *[3] * (5 - len(inner))]:
        return None
    place = {v: v for v in range(len(inner) + 1)} | {6: len(inner) + 1}
    pairs = [PAIRS[column] for column in range(21) if row[column]]
    if any(x not in place or y not in place for x, y in pairs):
        return None
    return Graph(
        len(inner) + 2,
        sum(1 << PAIRS.index((place[x], place[y])) for x, y in pairs),
        tuple(inner),
    )


def _canonical_of(row):
    graph = _graph_of(row)
    if graph is None or pruned(*graph) != graph or graph.edges.bit_count() > 9:
        return "none"
    return canonical(graph)


# Moves


def steps_back(graph):
    """What taking an edge or a vertex away makes of a graph, in any order of its vertices, found
    plainly.
    """
    found = set()
    for one in all_labelled(graph):
        for bit in range(len(PAIRS)):
            less = one._replace(edges=one.edges & ~(1 << bit))
            if less.edges != one.edges and pruned(*less) == less:
                found.add(less)
        matrix = np.array(matrix_of(one))
        for v in range(1, one.vertices - 1):
            if matrix[v].sum() == 1 == matrix[:, v].sum():
                rest = np.delete(np.delete(matrix, v, 0), v, 1).tolist()
                less = Graph(
                    one.vertices - 1,
                    edge_bits(rest),
                    (*one.operations[: v - 1], *one.operations[v:]),
                )
                if pruned(*less) == less:
                    found.add(less)
    return found


def test_neighbours_are_one_operation_edge_or_simple_vertex_apart():
    cells = [SPACE[place] for place in range(sum(COUNTS[:3]))]
    expected = {cell.text: set() for cell in cells}
    for cell in cells:
        graph = _graph(cell.choices)
        others = {same(other).text for other in steps_back(graph)}
        for place, operation in itertools.product(range(graph.vertices - 2), range(3)):
            changed = (
                *graph.operations[:place],
                operation,
                *graph.operations[place + 1 :],
            )
            others.add(same(graph._replace(operations=changed)).text)
        for other in others - {cell.text}:
            expected[cell.text].add(other)
            expected[other].add(cell.text)
    for cell in cells:
        small = {
            other.text for other in SPACE.neighbours(cell) if other.text in expected
        }
        assert small == expected[cell.text]


# Sizes and the network


def test_channels_are_the_papers():
    three = SPACE.parse("1110|001|01|1:conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu")
    assert channels(links(choices_of([three])), 128)[:, 0].tolist() == [
        43,
        43,
        42,
        0,
        0,
    ]
    chain = SPACE.parse("1000|100|10|1:conv3x3-bn-relu,conv1x1-bn-relu,maxpool3x3")
    assert channels(links(choices_of([chain])), 256)[:, 0].tolist() == [
        256,
        256,
        256,
        0,
        0,
    ]
    assert channels(links(choices_of([three])), 2)[:, 0].tolist() == [
        1,
        1,
        0,
        0,
        0,
    ], "what is left without any"


def test_the_published_network_has_the_published_size():
    assert size(SPACE.build(SPACE.reference, PUBLISHED, seed=0)) == SPEC_PARAMETERS


def test_wider_vertices_are_cut_for_narrower_ones():
    """Three ways into the output of 128 channels: vertices of 43, 43 and 42; one of 43 is read by
    that of 42.
    """
    cells = [SPACE[place] for place in range(4000, 60_000, 331)]
    rows = links(choices_of(cells))
    widths = channels(rows, 128)
    cut = [
        i
        for i, (linked, own) in enumerate(
            zip(np.moveaxis(rows, -1, 0), widths.T, strict=True)
        )
        if any(
            linked[x, y] and own[x - 1] > own[y - 1]
            for x in range(1, 6)
            for y in range(x + 1, 6)
        )
    ]
    assert cut, "some cells have one"
    network = Network(channels=8, cells_per_stage=1, image_size=8)
    for i in cut[:5]:
        model = SPACE.build(cells[i], network, seed=0).double()
        assert torch.isfinite(model(inputs(network))).all()


# Encodings, and sampled spaces


def test_a_sample_of_it_is_checked_and_opens_again():
    held = choices_of(drawn_cells(SPACE, 50, seed=1))
    space = Sampled(SPACE, held)
    again = space_named(space.definition)
    assert again == space and "of about 4.2e+05 in the space nb101" in space.notice
    graph = _graph(space[7].choices)
    other = next(one for one in reversed(all_labelled(graph)))
    assert space.parse(spec_of(other)) is space[7]
    bad = held.copy()
    bad[3, :21] = 0
    with pytest.raises(UserError, match="not in the space nb101"):
        Sampled(SPACE, bad)
    absent = next(one for one in drawn_cells(SPACE, 60, seed=2) if one not in space)
    with pytest.raises(
        UserError, match="but not one of the 50 available ones .of 4.24e\\+05"
    ):
        space.parse(absent.text)
