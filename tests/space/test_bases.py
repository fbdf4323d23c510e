"""What all spaces share, what held cells of a larger space take from it, and spaces and cells by
name.
"""

import pickle

import numpy as np
import pytest

from surrogate_nas.contract.checks import TinySpace
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import (
    Cell,
    ChoiceSpace,
    Space,
    cell_named,
    drawn_cells,
    nb201,
    space_named,
)
from surrogate_nas.space.base import listed, numbered
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import Sampled, subset_of
from surrogate_nas.space.registry import space_of

LARGER = nb201()
HELD = Sampled(LARGER, LARGER.choices[[9, 4000, 77, 15000, 312]])
SMALL = Network(channels=4, cells_per_stage=1, image_size=8)
ALONE = ChoiceSpace("alone", {"width": ("16", "64", "256")}, listed=False)


@pytest.mark.parametrize(
    "of",
    [
        lambda space, cell: space.encode([cell, cell], "paths").tolist(),
        lambda space, _: (
            list(space.encodings),
            space.views,
            list(space.analytic),
        ),
        lambda space, cell: space.identity(cell),
        lambda space, cell: [
            space.similarity(cell, LARGER[9]),
            space.similarity(cell, cell),
        ],
        lambda space, _: [
            group.tolist() for group in space.cost_groups(LARGER.choices[:3])
        ],
        lambda space, cell: [space.graph(cell), space.graph(cell, live_only=True)],
        lambda space, _: (space.is_buildable, space.has_blueprints),
        lambda space, cell: [
            (layer.kind, layer.sources)
            for live in (False, True)
            for layer in space.blueprint(cell, SMALL, live_only=live).layers
        ],
        lambda space, cell: [
            sum(
                parameter.numel()
                for parameter in space.build(
                    cell, SMALL, seed=3, live_only=live
                ).parameters()
            )
            for live in (False, True)
        ],
        lambda space, cell: space.sketch(cell),
        lambda space, cell: space.write(cell.choices),
    ],
)
def test_held_cells_are_in_all_as_in_the_larger_space(of):
    text = "|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    space = Sampled(
        LARGER,
        np.array([LARGER.parse(text).choices, *HELD.choices.tolist()], dtype=np.int8),
    )
    assert of(space, space.parse(text)) == of(LARGER, LARGER.parse(text)) is not None


def test_held_cells_stand_in_their_own_order():
    assert (
        HELD.name == "nb201-5"
        and len(HELD) == 5 == HELD.size
        and "among 5 architectures" in HELD.notice
    )
    assert [cell.index for cell in HELD] == [0, 1, 2, 3, 4] and HELD[1].text == LARGER[
        4000
    ].text
    assert HELD.allows(LARGER[77].choices) and not HELD.allows(LARGER[78].choices)
    assert (
        HELD.at(LARGER[312].choices)
        is HELD[4]
        is HELD.cell(LARGER[312])
        is HELD.cell(LARGER[312].choices)
    )
    for wrong in (HELD.at, HELD.cell):
        with pytest.raises(
            UserError, match="is a cell of the space nb201, but not one of"
        ):
            wrong(LARGER[78].choices)
    assert all(len(HELD.neighbours(cell)) == 4 for cell in HELD), (
        "so few that each is near to all"
    )
    one = Sampled(LARGER, LARGER.choices[:1])
    assert len(one) == 1 and not one.neighbours(one[0])


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (np.zeros((0, 6)), "have 6 positions; at least one is needed"),
        (np.zeros((2, 5)), "have 6 positions"),
        (np.zeros(6), "have 6 positions"),
        (np.full((1, 6), 5), "not in the space nb201"),
        (np.full((1, 6), -1), "not in the space nb201"),
        (np.zeros((2, 6)), "the space nb201 twice"),
    ],
)
def test_what_cannot_be_held_is_refused(held, says):
    with pytest.raises(UserError, match=says):
        Sampled(LARGER, held)
    assert len(Sampled(LARGER, np.full((1, 6), 4))) == 1
    with pytest.raises(ValueError):
        subset_of(LARGER, "AAA?")


def test_a_space_has_by_default_what_follows_from_its_cells():
    cell = ALONE.parse("alone(width=64)")
    assert (
        ALONE.identity(cell) == cell.text
        and ALONE.graph(cell) is None
        and ALONE.terms is None
    )
    assert (
        not ALONE.is_buildable
        and not ALONE.has_blueprints
        and ALONE.blueprint(cell, SMALL) is None
    )
    constant, columns = ALONE.cost_groups(np.array([[2], [0]]))
    assert constant.tolist() == [[1], [1]] and columns.tolist() == [
        [0, 0, 1],
        [1, 0, 0],
    ]
    assert ALONE.reference == ALONE.reference and ALONE.reference in ALONE
    assert len(ALONE.reference_sample) == 10_000 == len(ALONE.reference_choices)
    for refused in (
        lambda: ALONE.build(cell, SMALL, seed=0),
        lambda: listed(ALONE),
    ):
        with pytest.raises(UserError, match="alone cannot be"):
            refused()
    with pytest.raises(
        UserError, match="Unknown encoding of alone 'one_hat'. Did you mean 'one_hot'"
    ):
        ALONE.encode([cell], "one_hat")
    assert "reference_sample" in vars(ALONE) and "reference_sample" not in vars(
        pickle.loads(pickle.dumps(ALONE))
    )


def test_cells_are_told_by_their_text_and_belong_where_their_choices_do():
    cell = ALONE.parse("alone(width=64)")
    assert cell == Cell((9,), cell.text) != Cell(
        cell.choices, "alone(width=16)"
    ) and hash(cell) == hash(cell.text)
    assert cell != cell.text and cell.index == -1
    assert (
        cell in ALONE
        and Cell((0,), cell.text) not in ALONE
        and Cell((1,), "other") not in ALONE
    )
    assert cell.text not in ALONE
    for wrong in (7, None, Cell((1,), 7)):
        with pytest.raises(
            UserError, match="is a Cell or its string|is a Cell, a string or indices"
        ):
            Space.cell(ALONE, wrong)
    with pytest.raises(UserError, match="a cell of the space alone reads"):
        ALONE.cell(Cell((1,), "other"))


def test_identities_are_numbered_as_they_come():
    assert numbered("abacb", 5).tolist() == [0, 1, 0, 2, 1]


def test_cells_are_drawn_once_each():
    tiny = TinySpace()
    assert set(drawn_cells(tiny, len(tiny))) == set(tiny) and drawn_cells(
        tiny, 3
    ) != drawn_cells(tiny, 3, seed=1)
    assert set(map(str, drawn_cells(ALONE, 3))) == {
        f"alone(width={width})" for width in (16, 64, 256)
    }
    for n in (0, 4, "3"):
        with pytest.raises(UserError, match="number of cells must be 1 to 3.0"):
            drawn_cells(ALONE, n)
    with pytest.raises(UserError, match="seed"):
        drawn_cells(ALONE, 1, seed=-1)

    class Same(ChoiceSpace):
        listed = False

        def sample(self, rng):
            return self.at((0,))

    with pytest.raises(UserError, match="were found in 200 samples"):
        drawn_cells(Same("same", {"width": ("1", "2")}), 2)


def test_cells_are_found_by_what_they_look_like():
    assert (
        cell_named(" 11 ") == (LARGER, LARGER[11])
        and cell_named("15624")[1].index == 15624
    )
    for text in ("15625", "9" * 5000):
        with pytest.raises(UserError, match="has cells 0 to 15624, not"):
            cell_named(text)
    with pytest.raises(UserError, match="a cell of the space nb201 reads"):
        cell_named("|nor_conv_3x3~0|+|")
    with pytest.raises(
        UserError, match=r"a cell of the space macro reads|of the space macro"
    ):
        cell_named("conv_stack(layers=3)")
    with pytest.raises(UserError, match="Did you mean 'DARTS_V2'"):
        cell_named("DARTS_V3")
    for name in ("macro", "transnas-macro", "darts"):
        space = space_named(name)
        assert space_of(space.reference) == space
    with pytest.raises(
        UserError, match="does not belong to a registered space. Registered: .*darts, "
    ):
        space_of(Cell((0,), "nowhere"))
