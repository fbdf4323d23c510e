"""Spaces of layers that are chosen one by one: cells, neighbours, encodings, and sizes of the
networks.
"""

import itertools
import re

import numpy as np
import pytest
from torch import nn

from surrogate_nas import contract
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import choices_of, space_named
from surrogate_nas.space.layered import (
    Decision,
    FlexiBERT,
    Layered,
    global_choice,
    of_every_layer,
)
from surrogate_nas.space.network import Network

FLEXIBERT = space_named("flexibert")
GPT_S = space_named("gpt-s")
AUTOFORMER = space_named("autoformer")
PIT = space_named("pit")

ONE_BY_ONE = Layered(
    "one-by-one",
    (
        global_choice("width", "8", "16"),
        global_choice("depth", "1", "2", "3"),
        of_every_layer("kind", "a", "b", "c", layers=3),
        of_every_layer("ratio", "2", "4", layers=3),
    ),
    depth="depth",
)
AT_ONCE = Layered(
    "at-once",
    (global_choice("depth", "3", "1"), of_every_layer("kind", "a", "b", "c", layers=3)),
    depth="depth",
)
EVEN = Layered(
    "even",
    (
        global_choice("width", "8", "16"),
        Decision("depth", (("1", "2"), ("3", "4", "5")), True),
    ),
)


def cells_of(space):
    """All cells, one by one."""
    every = itertools.product(*(range(len(options)) for options in space.options))
    return [space.at(choices) for choices in every if space.allows(choices)]


@pytest.mark.parametrize(
    "space", [ONE_BY_ONE, AT_ONCE, EVEN], ids=lambda space: space.name
)
def test_cells_and_neighbours_are_what_they_should_be(space):
    cells = cells_of(space)
    assert len(cells) == len({cell.text for cell in cells}) == space.size
    assert all(space.parse(cell.text).choices == cell.choices for cell in cells)
    around = {cell: set(space.neighbours(cell)) for cell in cells}
    assert all(cell in around[other] for cell in cells for other in around[cell])
    reached = {cells[0]}
    edge = {cells[0]}
    while edge:
        edge = {other for cell in edge for other in around[cell]} - reached
        reached |= edge
    assert reached == set(cells), "every cell can be reached"
    assert not [check for check in contract.check(space) if not check.passed]
    assert space.allows_all(choices_of(cells))


def test_layers_come_and_go_at_the_end():
    two = ONE_BY_ONE.parse("one-by-one(width=8, depth=2, kind=b-c, ratio=2-4)")
    near = {cell.text for cell in ONE_BY_ONE.neighbours(two)}
    assert "one-by-one(width=8, depth=1, kind=b, ratio=2)" in near
    assert len([text for text in near if "depth=3" in text]) == 6
    three = AT_ONCE.parse("at-once(depth=3, kind=b-b-b)")
    assert "at-once(depth=1, kind=b)" in {
        cell.text for cell in AT_ONCE.neighbours(three)
    }
    other = AT_ONCE.parse("at-once(depth=3, kind=b-b-c)")
    assert not [cell for cell in AT_ONCE.neighbours(other) if "depth=1" in cell.text]


def test_layers_that_are_not_there_say_nothing():
    with pytest.raises(UserError, match="is not a cell of the space one-by-one"):
        ONE_BY_ONE.at((0, 0, 0, 1, 0, 0, 0, 0))
    assert not ONE_BY_ONE.allows_all(
        np.array([[0, 0, 0, 1, 0, 0, 0, 0]], dtype=np.int8)
    )
    one = choices_of(
        [ONE_BY_ONE.parse("one-by-one(width=16, depth=1, kind=c, ratio=4)")]
    )
    assert ONE_BY_ONE.encodings["one_hot"](one).sum() == 1 + 1 + 1 + 1
    assert ONE_BY_ONE.encodings["operation_counts"](one).tolist() == [
        [0, 1, 1, 0, 0, 1, 0, 1]
    ]
    assert ONE_BY_ONE.chosen(one, "ratio").tolist() == [[4, 0, 0]]
    assert ONE_BY_ONE.chosen(one, "width").tolist() == [16]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "one-by-one(width=8, depth=2, kind=b, ratio=2-4)",
            "kind of a cell .* has one option per layer: 2, not 1",
        ),
        (
            "one-by-one(width=8, depth=2, kind=b-b, ratio=2-4-4)",
            "ratio of a cell .* has one option per layer: 2, not 3",
        ),
        (
            "one-by-one(width=8, depth=2, kind=b-b, ratio=2-4-4-2)",
            "one option per layer: 2, not 4",
        ),
        (
            "one-by-one(width=8, depth=2, kind=b-d, ratio=2-4)",
            "kind2 of the space one-by-one is one of a, b, c, not 'd'",
        ),
        (
            "one-by-one(width=9, depth=2, kind=b-a, ratio=2-4)",
            "width of the space one-by-one is one of 8, 16, not '9'",
        ),
        (
            "one-by-one(width=8-8, depth=2, kind=b-a, ratio=2-4)",
            "width of .* not '8-8'",
        ),
        ("one-by-one(depth=2, width=8, kind=b-a, ratio=2-4)", "Malformed cell"),
        ("one-by-one(width=8, depth=2, kind=-, ratio=2-4)", "kind1 of .* not "),
        ("two-by-two(width=8)", "Malformed cell"),
    ],
)
def test_what_is_no_cell_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        ONE_BY_ONE.parse(text)


def weights(*layers):
    return sum(weight.numel() for layer in layers for weight in layer.parameters())


@pytest.mark.parametrize("bias", [False, True])
def test_parameters_of_a_gpt_are_those_of_its_layers(bias):
    heads = (4, 8, 12, 4, 8, 12, 4, 8, 12, 4)
    ratios = (2, 3, 4, 2, 3, 4, 2, 3, 4, 2)
    width = 192
    cell = GPT_S.parse(
        f"gpt-s(embed_dim={width}, n_layer=10, n_head={'-'.join(map(str, heads))}, "
        f"mlp_ratio={'-'.join(map(str, ratios))}, bias={bias})"
    )
    total = 2 * 50254 * width + weights(nn.LayerNorm(width))
    macs = 50254 * width
    for head, ratio in zip(heads, ratios, strict=True):
        maps = [
            nn.Linear(width, 3 * 64 * head, bias),
            nn.Linear(64 * head, width, bias),
        ]
        maps += [nn.Linear(width, ratio * width, bias) for _ in range(2)] + [
            nn.Linear(ratio * width, width, bias)
        ]
        total += weights(*maps, nn.LayerNorm(width), nn.LayerNorm(width))
        macs += sum(one.weight.numel() for one in maps)
    choices = choices_of([cell])
    assert GPT_S.parameters(choices, GPT_S.network).tolist() == [total]
    assert GPT_S.multiply_accumulates(choices, GPT_S.network).tolist() == [1024 * macs]


def test_pit_ti_has_its_published_size():
    cell = PIT.at((2, 1, 1, 1, 1, 0, 1, 2))
    assert str(cell) == "pit(base_dim=32, mlp_ratio=4, depth=2-6-4, num_heads=2-4-8)"
    (found,) = PIT.parameters(choices_of([cell]), Network(classes=1000, image_size=224))
    assert found == 4_847_272, (
        "Heo et al., 2021, table 4: 4.9 M, with everything at 224×224"
    )


def test_parameters_of_an_autoformer_are_those_of_its_layers():
    heads = (3, 4) * 6
    ratios = (3.5, 4.0, 4.0) * 4
    width = 216
    cell = AUTOFORMER.parse(
        f"autoformer(hidden_dim={width}, mlp_ratio={'-'.join(map(str, ratios))}, depth=12, "
        f"num_heads={'-'.join(map(str, heads))})"
    )
    total = weights(
        nn.Conv2d(3, width, 16), nn.LayerNorm(width), nn.Linear(width, 100)
    ) + width * (1 + 14**2 + 1)
    for head, ratio in zip(heads, ratios, strict=True):
        hidden = int(width * ratio)
        inner = 64 * head
        maps = (
            nn.Linear(width, 3 * inner),
            nn.Linear(inner, width),
            nn.Linear(width, hidden),
            nn.Linear(hidden, width),
        )
        total += (
            weights(*maps, nn.LayerNorm(width), nn.LayerNorm(width)) + 2 * 2 * 30 * 64
        )
    assert AUTOFORMER.parameters(
        choices_of([cell]), Network(classes=100, image_size=224)
    ).tolist() == [total]


@pytest.mark.parametrize("hidden", [128, 256])
def test_parameters_of_a_flexibert_are_those_of_its_layers(hidden):
    cell = FLEXIBERT.parse(
        f"flexibert(hidden_size={hidden}, encoder_layers=4, operation=SA_SDP-SA_WMA-LT_DCT-DSC_9,"
        " num_operation_heads=2-4-2-4, feed_forward_dimension=512-1024-512-1024,"
        " num_feed_forward=1-3-1-3)"
    )
    output = weights(nn.Linear(hidden, hidden), nn.LayerNorm(hidden))
    three = 3 * weights(nn.Linear(hidden, hidden))
    span = hidden // 2
    convolution = weights(
        *(nn.Linear(hidden, span) for _ in range(4)),
        nn.Conv1d(hidden, hidden, 9, groups=hidden, bias=False),
        nn.Conv1d(hidden, span, 1),
        nn.Linear(span, 2 * 9),
    )
    operations = [
        three + output,
        three + hidden**2 + output,
        weights(nn.Linear(hidden, hidden)),
        convolution + output,
    ]
    total = weights(nn.Embedding(30522 + 512 + 2, 128), nn.LayerNorm(128)) + sum(
        operations
    )
    total += weights(nn.Linear(128, hidden)) if hidden != 128 else 0
    for inner, number in ((512, 1), (1024, 3), (512, 1), (1024, 3)):
        between = [nn.Linear(inner, inner) for _ in range(number - 1)]
        total += weights(
            nn.Linear(hidden, inner),
            *between,
            nn.Linear(inner, hidden),
            nn.LayerNorm(hidden),
        )
    assert FLEXIBERT.parameters(choices_of([cell]), FlexiBERT.network).tolist() == [
        total
    ]


def test_sizes_of_the_spaces_are_those_of_their_descriptions():
    assert FLEXIBERT.size == 10_621_440 == 2 * (48**2 + 48**4)
    assert PIT.size == 11_664
    assert GPT_S.size == 3 * 2 * sum(9**n for n in (10, 11, 12))
    assert re.fullmatch(
        r"gpt-s\(embed_dim=\d+, n_layer=\d+, n_head=[\d-]+, mlp_ratio=[\d-]+, bias=\w+\)",
        str(GPT_S.reference),
    )
