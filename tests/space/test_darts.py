"""Spaces of genotypes: printing and parsing as DARTS does, exact sizes, the network, and
everybody's work on them.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chisquare

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import cell_named, choices_of, space_named
from surrogate_nas.space.darts.genotype import INPUTS
from surrogate_nas.space.network import Network
from tests.networks import SMALL

DARTS = space_named("darts")
NASNET = space_named("nasnet")

SPACES = pytest.mark.parametrize("space", [DARTS, NASNET], ids=lambda space: space.name)
PUBLISHED = Network(channels=36, cells_per_stage=6)
"""Twenty cells, as DARTS trains them on CIFAR-10."""


def sizes(space, cell, network):
    return {
        name: function(choices_of([cell]), network)[0]
        for name, (_, function) in space.analytic.items()
    }


def test_darts_has_as_many_cells_as_its_paper_counts():
    pairs = [len(list(combinations(range(INPUTS + node), 2))) for node in range(4)]
    assert DARTS.size == int(np.prod(pairs)) ** 2 * 7**16 == 1_076_746_950_455_072_400
    assert "1,076,746,950,455,072,400" in repr(DARTS)


def test_a_genotype_is_read_as_darts_prints_it_and_printed_with_the_lower_source_first() -> (
    None
):
    given_order = DARTS.named["DARTS_V2"]
    cell = DARTS.parse(given_order)
    assert cell == DARTS.parse(cell.text) and cell.text.startswith(
        "Genotype(normal=[('sep_conv_3x3', 0), "
    )
    assert cell.text.endswith(
        "('max_pool_3x3', 1), ('skip_connect', 2)], reduce_concat=range(2, 6))"
    )
    spread = given_order.replace("(", "(\n  ").replace("]", ",\n]").replace("'", '"')
    assert DARTS.parse(f"\n{spread} ") == DARTS.parse("DARTS_V2") == cell


@SPACES
def test_published_cells_are_cells_found_by_their_names(space):
    for name, text in space.named.items():
        assert space.parse(name) == space.parse(text) and cell_named(name) == (
            space,
            space.parse(name),
        )


V2 = DARTS.named["DARTS_V2"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("DARTS_V3", "Did you mean 'DARTS_V2'"),
        (V2[:-1], r"reads Genotype\(normal=.*or is one of DARTS_V1, DARTS_V2"),
        (
            V2.replace("dil_conv_3x3", "none"),
            "contains 'none'; the operation of an edge is one of max_pool_3x3",
        ),
        (
            V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"),
            "normal cell .* the sources of node 5 are 0 to 4, not 5",
        ),
        (
            V2.replace("('sep_conv_3x3', 1)", "('sep_conv_3x3', 0)"),
            "Node 2 of the normal cell .* not 0 twice",
        ),
        (
            V2.replace("reduce_concat=[2, 3", "reduce_concat=[3, 2, 3"),
            "reduce cell .* joins the nodes 2, 3, 4, 5 ",
        ),
        (NASNET.named["NASNet"], "8 edges, two for each of its 4 nodes, not 10"),
    ],
)
def test_what_is_no_cell_is_refused_in_one_line(text, says):
    with pytest.raises(UserError, match=says) as caught:
        DARTS.parse(text)
    assert "\n" not in str(caught.value)


def test_loose_ends_are_what_a_cell_of_nasnet_joins():
    normal, reduce = NASNET.genotype(NASNET.parse("AmoebaNet"))
    assert (normal[1], reduce[1]) == ((4, 5, 6), (3, 4, 6))
    with pytest.raises(
        UserError, match="normal cell of the space nasnet joins the nodes 4, 5, 6 "
    ):
        NASNET.parse(
            NASNET.named["AmoebaNet"].replace("normal_concat=[4", "normal_concat=[3, 4")
        )


def test_darts_cells_have_120_neighbours_and_mutation_is_uniform_over_them():
    rng = np.random.default_rng(0)
    centre = DARTS.sample(rng)
    around = DARTS.neighbours(centre)
    assert len(around) == 16 * 6 + 2 * 2 * (1 + 2 + 3)
    counts = Counter(DARTS.mutate(centre, rng) for _ in range(6000))
    assert set(counts) == set(around) and chisquare(list(counts.values())).pvalue > 1e-3


def test_nodes_with_two_equal_edges_are_drawn_as_often_as_any_others():
    """A node of two edges among m has m·(m+1)/2 pairs; the first node of `nasnet` has 16 edges, 16
    equal pairs.
    """
    rng = np.random.default_rng(1)
    cells = [NASNET.sample(rng) for _ in range(3000)]
    equal = sum(
        half[0][0] == half[0][1]
        for cell in cells
        for half in NASNET.halves(cell.choices)
    )
    assert abs(equal / 6000 - 16 / 136) < 4 * np.sqrt(16 / 136 / 6000)


def test_the_order_of_the_nodes_is_no_part_of_a_cells_identity():
    text = DARTS.named["DARTS_V2"]
    first = "('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    second = "('sep_conv_3x3', 1), ('skip_connect', 0), "
    swapped = text.replace(first + second, second + first, 1)
    one = DARTS.parse(text)
    other = DARTS.parse(swapped)
    assert (
        one != other
        and DARTS.identity(one) == DARTS.identity(other)
        and DARTS.similarity(one, other) == 1
    )
    changed = DARTS.parse(text.replace("dil_conv_3x3", "dil_conv_5x5"))
    assert (
        DARTS.identity(one) != DARTS.identity(changed)
        and DARTS.similarity(one, changed) == 15 / 16
    )


@pytest.mark.parametrize(
    ("name", "millions_of_parameters", "millions_of_macs"),
    [
        ("DARTS_V2", 3.349342, 528),
        ("PC_DARTS_cifar", 3.63, None),
        ("PDARTS", 3.43, 532),
        ("DARTS_V1", 3.17, None),
    ],
)
def test_published_sizes(name, millions_of_parameters, millions_of_macs):
    found = sizes(DARTS, DARTS.parse(name), PUBLISHED)
    digits = len(str(millions_of_parameters).partition(".")[2])
    assert round(found["params"] / 1e6, digits) == millions_of_parameters
    assert millions_of_macs is None or round(found["macs"]) == millions_of_macs


def test_structure_is_counted():
    found = sizes(DARTS, DARTS.parse("DARTS_V2"), SMALL)
    assert (found["convolutions"], found["pools"], found["skips"]) == (6, 5, 5)
    assert (found["depth"], found["reduction_depth"]) == (2, 1)


def test_a_reduction_cell_strides_only_what_enters_from_its_inputs_and_halves_the_image() -> (
    None
):
    cell = DARTS.parse("DARTS_V2")
    layers = DARTS.blueprint(cell, SMALL).layers
    shapes = [
        layer.shape
        for layer in layers
        if layer.kind == "join" and len(layer.sources) == 4
    ]
    c = SMALL.channels
    assert shapes == [
        (4 * c, 7, 7),
        (8 * c, 4, 4),
        (8 * c, 4, 4),
        (16 * c, 2, 2),
        (16 * c, 2, 2),
    ]
    pools = [
        (layers[layer.sources[0]].shape[1], layer.shape[1])
        for layer in layers
        if layer.kind == "largest"
    ]
    assert pools == [(7, 4)] * 5 + [(4, 2)] * 5
