"""The NAS-Bench-201 space: its order, its three identities, its one sampler and one mutator."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201 as make_space
from surrogate_nas.space.four_nodes import edge_live, path_live
from surrogate_nas.space.nb201 import OPERATIONS
from surrogate_nas.space.network import CONV1, CONV3

SPACE = make_space()
CELLS = st.integers(0, 15624).map(SPACE.__getitem__)
NONE, SKIP, ONE, THREE, POOL = range(5)
LANDSCAPE = (
    "v-tao/nats-bench-landscape/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
)


def cell(*choices):
    """A cell by the operations of its edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""
    return SPACE.cell(choices)


def same_function(one, other):
    return bool(SPACE.classes[one.index] == SPACE.classes[other.index])


def test_counts():
    assert len(SPACE) == 15625 == len(set(SPACE)) == len({str(c) for c in SPACE})
    assert len(set(SPACE.classes.tolist())) == 5044
    paths = path_live(SPACE.choices)
    edges = edge_live(SPACE.choices)
    assert (~paths.any(axis=1)).sum() == 341
    working = edges & np.isin(SPACE.choices, (CONV1, CONV3))
    assert (~working.any(axis=1)).sum() == 1983


@pytest.mark.data
def test_the_order_is_the_official_one(mirror):
    with (mirror / LANDSCAPE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [str(c) for c in SPACE] == [row["ArchitectureString"] for row in rows]


def test_known_cells_have_their_official_index():
    assert (
        SPACE[0].text
        == "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"  # noqa: E501
    )
    assert (
        SPACE[11].text
        == "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"
    )


def test_naslib_tuples_by_hand():
    """Edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3; operations skip 0, none 1, 3x3 2, 1x1 3, pool 4."""
    by_hand = {
        "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|": (
            0,
            1,
            2,
            3,
            4,
            1,
        ),
        "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|": (1, 1, 4, 1, 1, 1),
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|": (
            2,
            2,
            1,
            4,
            2,
            4,
        ),
    }
    for text, numbers in by_hand.items():
        assert str(SPACE.from_naslib(numbers)) == text
    for wrong in ((0,) * 5, (5, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, -1)):
        with pytest.raises(UserError, match="6 numbers from 0 to 4"):
            SPACE.from_naslib(wrong)


PIECES = st.sampled_from(
    [
        *OPERATIONS,
        "|",
        "+",
        "~",
        "0",
        "1",
        "2",
        "~0|",
        "|+|",
        "nor_conv_7x7",
        " ",
        "None",
        "",
    ]
)
NEARLY = st.tuples(
    CELLS.map(str), st.integers(0, 90), st.integers(0, 5), st.text(max_size=3)
).map(lambda t: t[0][: t[1]] + t[3] + t[0][t[1] + t[2] :])


@given(
    st.one_of(st.text(max_size=120), st.lists(PIECES, max_size=30).map("".join), NEARLY)
)
@settings(max_examples=400, deadline=None)
def test_parsing_gives_a_cell_or_a_user_error_of_one_line(text):
    try:
        parsed = SPACE.parse(text)
    except UserError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert str(parsed) == text.strip()


SAME_FUNCTION = {
    "a skip before or after a convolution": (
        cell(SKIP, 0, THREE, 0, 0, SKIP),
        cell(THREE, 0, SKIP, 0, 0, SKIP),
    ),
    "two nodes around a skip": (
        cell(0, THREE, 0, 0, 0, SKIP),
        cell(THREE, 0, 0, 0, SKIP, 0),
    ),
    "a dead convolution": (cell(THREE, 0, 0, ONE, 0, 0), cell(0, 0, 0, ONE, 0, 0)),
    "a dead end before node 2": (
        cell(0, 0, THREE, SKIP, 0, THREE),
        cell(0, 0, 0, SKIP, 0, 0),
    ),
    "the order of a sum": (
        cell(ONE, THREE, 0, 0, SKIP, SKIP),
        cell(THREE, ONE, 0, 0, SKIP, SKIP),
    ),
    "pooling distributes over a sum": (
        cell(THREE, SKIP, SKIP, 0, 0, POOL),
        cell(THREE, 0, 0, POOL, POOL, 0),
    ),
    "pooling a sum of twice the input": (
        cell(SKIP, SKIP, SKIP, 0, 0, POOL),
        cell(POOL, 0, 0, POOL, SKIP, 0),
    ),
    "no path at all": (cell(THREE, ONE, POOL, 0, 0, 0), cell(0, 0, 0, 0, 0, 0)),
}
OTHER_FUNCTION = {
    "one convolution used twice, or two": (
        cell(THREE, 0, SKIP, 0, SKIP, SKIP),
        cell(THREE, THREE, 0, 0, SKIP, SKIP),
    ),
    "a kernel's size": (cell(0, 0, 0, ONE, 0, 0), cell(0, 0, 0, THREE, 0, 0)),
    "pooling once or twice": (
        cell(0, POOL, 0, 0, 0, POOL),
        cell(0, POOL, 0, 0, 0, SKIP),
    ),
    "the input once or twice": (
        cell(0, 0, 0, SKIP, 0, 0),
        cell(SKIP, 0, 0, SKIP, SKIP, 0),
    ),
    "a convolution of a sum, or a sum of convolutions": (
        cell(POOL, SKIP, SKIP, 0, 0, THREE),
        cell(POOL, THREE, 0, 0, THREE, SKIP),
    ),
    "pooling before or after a convolution": (
        cell(0, POOL, 0, 0, 0, THREE),
        cell(0, THREE, 0, 0, 0, POOL),
    ),
}


@pytest.mark.parametrize("pair", SAME_FUNCTION.values(), ids=SAME_FUNCTION)
def test_cells_of_the_same_function_share_a_class(pair):
    assert same_function(*pair)


@pytest.mark.parametrize("pair", OTHER_FUNCTION.values(), ids=OTHER_FUNCTION)
def test_cells_of_other_functions_do_not(pair):
    assert not same_function(*pair)
