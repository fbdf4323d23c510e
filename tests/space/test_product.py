"""Spaces of options: encodings, cells that are made when they are asked for, and what is no space
or no cell.
"""

import json
import pickle

import numpy as np
import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.contract.checks import trajectory
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, ChoiceSpace, Enumerable, space_named
from surrogate_nas.space.blind import blind
from surrogate_nas.space.product import MOST_LISTED, is_scale
from surrogate_nas.space.registry import SPACES
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation

OPTIONS = {
    "width": ("16", "64", "256"),
    "act": ("relu", "tanh"),
    "norm": ("none", "batch", "layer"),
}
LISTED = ChoiceSpace("mlp", OPTIONS)
DRAWN = ChoiceSpace("mlp", OPTIONS, listed=False)
TEXT = "mlp(width=256, act=relu, norm=batch)"


class Odd(ChoiceSpace):
    """Cells whose choices sum to an odd number."""

    def allows(self, choices):
        return sum(choices) % 2 == 1


class Never(ChoiceSpace):
    listed = False

    def allows(self, choices):
        return False


ODD = Odd("odd", OPTIONS)


@pytest.mark.parametrize(
    ("names", "scale"),
    [
        (("1", "2", "4"), True),
        (("8", "4", "0.5"), True),
        (("1", "2"), False),
        (("1", "3", "2"), False),
        (("1", "1.0", "2"), False),
        (("1", "2", "many"), False),
    ],
)
def test_a_scale_is_three_numbers_that_rise_or_fall(names, scale):
    assert is_scale(names) is scale


def test_encodings_by_hand():
    cells = [LISTED.parse(TEXT), LISTED.parse("mlp(width=16, act=tanh, norm=layer)")]
    assert LISTED.encode(cells, "one_hot").tolist() == [
        [0, 0, 1, 1, 0, 0, 1, 0],
        [1, 0, 0, 0, 1, 0, 0, 1],
    ]
    assert LISTED.encode(cells, "numbers").tolist() == [
        [2, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 1],
    ]
    assert LISTED.views == ("numbers", "one_hot") and ChoiceSpace(
        "x", {"act": ("relu", "tanh")}
    ).views == ("one_hot",)


LAYERS = {"width": ("16", "64", "256")} | dict.fromkeys("abc", ("conv", "pool"))


@pytest.mark.parametrize("listed", [True, False])
def test_options_that_three_positions_share_are_counted(listed):
    space = ChoiceSpace("layers", LAYERS, listed=listed)
    cells = [space.cell((2, 0, 1, 1)), space.cell((0, 0, 0, 0))]
    assert space.encode(cells, "counts").tolist() == [[1, 2], [3, 0]]
    assert space.views == ("numbers+counts", "one_hot+counts")
    two = ChoiceSpace("layers", dict.fromkeys("ab", ("conv", "pool")))
    assert two.views == ("one_hot",) and "counts" not in two.encodings


def test_columns_belong_to_positions():
    space = ChoiceSpace("layers", LAYERS)
    assert {name: group.tolist() for name, group in space.groups.items()} == {
        "one_hot": [0, 0, 0, 1, 1, 2, 2, 3, 3],
        "numbers": [0, 1, 1, 2, 2, 3, 3],
        "counts": [0, 0],
    }


@pytest.mark.parametrize("hidden", [False, True])
def test_a_column_changes_with_the_position_of_its_group_alone(hidden):
    space = ChoiceSpace("layers", LAYERS)
    seen = blind(space, 3) if hidden else space
    cells = [space.cell((2, 0, 1, 1)), space.cell((2, 1, 1, 1))]
    shown = [seen.hide(cell) for cell in cells] if hidden else cells
    for name in ("one_hot", "numbers"):
        first, second = seen.encode(shown, name)
        assert set(seen.groups[name][first != second]) == {1}
        assert len(seen.groups[name]) == len(first)


@pytest.mark.parametrize("name", SPACES)
def test_every_column_of_an_encoding_in_groups_has_one(name):
    space = space_named(name)
    for encoding in space.groups.keys() & space.encodings.keys():
        columns = space.encode([space.reference], encoding)
        assert columns.shape[1] == len(space.groups[encoding]), encoding


def test_an_own_encoding_of_the_same_name_has_no_groups():
    class Own(ChoiceSpace):
        further_encodings = {"counts": lambda choices: choices[:, :1]}

    space = Own("own", LAYERS)
    assert set(space.groups) == {"one_hot", "numbers"}
    asked = trajectory(BayesianOptimisation, space, seed=0, n=13)
    assert all(cell in space for cell in asked)


@pytest.mark.parametrize("space", [LISTED, ODD], ids=["every combination", "some"])
def test_places_count_from_either_end(space):
    size = len(space)
    fresh = type(space)(space.name, OPTIONS)  # whose cells are not made yet
    assert (
        fresh[-1].index == size - 1
        and fresh[-size].index == 0
        and fresh[size - 1] is fresh[-1]
    )
    assert [cell.index for cell in fresh[1:7:2]] == [1, 3, 5] and fresh[-2:] == [
        fresh[size - 2],
        fresh[size - 1],
    ]
    with pytest.raises(IndexError):
        fresh[size]


def test_the_last_position_varies_fastest_and_only_allowed_cells_are_listed():
    assert [cell.choices for cell in LISTED[:4]] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 0, 2),
        (0, 1, 0),
    ]
    assert LISTED.size == 18 == DRAWN.size and len(LISTED.choices) == 18
    assert [cell.choices for cell in ODD[:3]] == [
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 2),
    ] and ODD.size == 9
    for space in (LISTED, ODD):
        assert [space.index(space.cell(cell.choices)) for cell in space] == list(
            range(len(space))
        )
    with pytest.raises(
        UserError, match=r"odd\(width=16, .*\) is not a cell of the space"
    ):
        ODD.at((0, 0, 0))
    with pytest.raises(UserError, match="not a cell of the space odd"):
        ODD.parse("odd(width=16, act=relu, norm=none)")


@pytest.mark.parametrize(
    "given",
    [(0, 0), (0, 0, 0, 0), (3, 0, 0), (0, 2, 0), (-1, 0, 0), (0, 0, -1)],
    ids=lambda given: str(given),
)
@pytest.mark.parametrize("space", [LISTED, DRAWN], ids=["listed", "drawn"])
def test_indices_outside_are_no_cell(space, given):
    with pytest.raises(UserError, match="is not a cell of the space mlp"):
        space.cell(given)


@pytest.mark.parametrize("given", [7, None, [None, 0, 0], ["a", 0, 0]])
def test_what_is_neither_cell_text_nor_indices_is_refused(given):
    with pytest.raises(
        UserError, match="a string, options such as width='16', or indices"
    ):
        DRAWN.cell(given)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT[:-1], "Malformed cell"),
        (
            TEXT.replace("mlp", "cnn"),
            r"a cell of the space mlp reads mlp\(width=16, act=relu, norm=none\)",
        ),
        ("mlp(act=relu, width=16, norm=none)", "Malformed cell"),
        ("mlp(width=16, act=relu)", "Malformed cell"),
        (
            TEXT.replace("relu", "elu"),
            "act of the space mlp is one of relu, tanh, not 'elu'",
        ),
    ],
)
def test_a_malformed_text_is_refused(text, says):
    for space in (LISTED, DRAWN):
        assert space.parse(f" {TEXT}\n").choices == (2, 0, 1)
        with pytest.raises(UserError, match=says):
            space.parse(text)


def test_what_has_no_neighbour_or_no_cell_says_so():
    rng = np.random.default_rng(0)
    single = {"act": ("relu",)}
    for space in (ChoiceSpace("one", single), ChoiceSpace("one", single, listed=False)):
        cell = space.sample(rng)
        assert not space.neighbours(cell)
        with pytest.raises(UserError, match=r"one\(act=relu\) has no neighbour"):
            space.mutate(cell, rng)
    with pytest.raises(UserError, match="allows none of 10,000 sampled combinations"):
        Never("never", OPTIONS).sample(rng)
    with pytest.raises(UserError, match="has no neighbour in the space never"):
        Never("never", OPTIONS).mutate(Cell((0, 0, 0), "never"), rng)


@pytest.mark.parametrize("options", [1, 127, 128])
def test_a_position_has_one_to_127_options(options):
    given = {"width": tuple(map(str, range(options)))}
    if options > 127:
        with pytest.raises(UserError, match="needs 1 to 127 options, not 128"):
            ChoiceSpace("wide", given)
    else:
        assert ChoiceSpace("wide", given).size == options


def test_a_definition_holds_the_options_and_a_class_of_its_own_only_its_name():
    assert (
        '"listed": true' in LISTED.definition and '"listed": false' in DRAWN.definition
    )
    assert ODD.definition == "odd"
    assert LISTED == ChoiceSpace("mlp", OPTIONS) != DRAWN and hash(LISTED) == hash(
        ChoiceSpace("mlp", OPTIONS)
    )


# constraints, and which spaces list their cells

MLP = {"width": (16, 64), "depth": (1, 2, 8)}


def fits(options):
    return options["width"] * options["depth"] <= 256


FITTING = ChoiceSpace("mlp", MLP, allows=fits)


@pytest.mark.parametrize("again", [pickle.loads(pickle.dumps(FITTING)), FITTING])
def test_a_function_of_the_options_says_which_are_cells(again):
    assert [tuple(cell.values()) for cell in again] == [
        (16, 1),
        (16, 2),
        (16, 8),
        (64, 1),
        (64, 2),
    ]
    assert len(again) == again.size == len(again.choices) == 5
    with pytest.raises(UserError, match=r"mlp\(width=64, depth=8\) is not a cell"):
        again.cell(width=64, depth=8)
    stored = space_named(again.definition)
    assert stored == again != ChoiceSpace("mlp", MLP)
    assert [cell.options for cell in stored] == [cell.options for cell in again]
    assert len(blind(again, 3)) == 5


def test_a_large_space_asks_its_function_about_what_it_draws():
    wide = {f"p{i}": range(10) for i in range(9)}
    space = ChoiceSpace("wide", wide, allows=lambda o: sum(o.values()) % 2 == 0)
    rng = np.random.default_rng(0)
    cell = space.sample(rng)
    child = space.mutate(cell, rng)
    assert not sum(cell.values()) % 2 and not sum(child.values()) % 2
    assert not isinstance(space, Enumerable) and bool(space)
    assert all(sum(near.values()) % 2 == 0 for near in space.neighbours(cell))
    for ask in (len, list, lambda space: space[3]):
        with pytest.raises(
            UserError, match="wide with 1e.09 combinations is not enumerable"
        ):
            ask(space)
    assert space != ChoiceSpace("wide", wide) and '"allows"' in space.definition
    with pytest.raises(UserError, match="a function determines its cells"):
        space_named(space.definition)


@pytest.mark.parametrize(
    ("allows", "says"),
    [
        (
            lambda o: o["widht"] > 1,
            r"fails for mlp\(width=16, depth=1\): KeyError: 'widht'",
        ),
        (lambda o: None, "allows none of its combinations"),
    ],
)
def test_a_function_that_fails_or_allows_nothing_is_one_line(allows, says):
    with pytest.raises(UserError, match=says):
        ChoiceSpace("mlp", MLP, allows=allows)


@pytest.mark.parametrize("allowed", [[7], [-1], [0, 0], [2, 1], "1"])
def test_a_definition_whose_cells_are_no_combinations_is_refused(allowed):
    content = json.loads(FITTING.definition) | {"allowed": allowed}
    with pytest.raises(UserError, match="does not describe a space"):
        space_named(json.dumps(content))


def test_a_space_of_at_most_100_000_combinations_lists_its_cells():
    ten = {f"p{i}": range(10) for i in range(5)}
    assert len(ChoiceSpace("ten", ten)) == MOST_LISTED == 100_000
    larger = ten | {"p5": range(2)}
    assert not isinstance(ChoiceSpace("ten", larger), Enumerable)
    assert len(ChoiceSpace("ten", larger, listed=True)) == 200_000
    with pytest.raises(UserError, match="10,000,000 can be listed"):
        len(ChoiceSpace("huge", {f"p{i}": range(9) for i in range(99)}, listed=True))
    assert len(ChoiceSpace("narrow", {f"p{i}": (i,) for i in range(100)})) == 1


@pytest.mark.parametrize(
    "places",
    [[1, 3], np.array([1, 3]), pd.Series([1, 3]), np.array([0, 1, 0, 1, 0], bool)],
    ids=["list", "array", "series", "mask"],
)
def test_several_places_give_several_cells(places):
    assert [cell.index for cell in FITTING[places]] == [1, 3]
    assert FITTING[np.int64(3)] is FITTING[3] and FITTING[[]] == []


@pytest.mark.parametrize("place", ["mlp(width=16, depth=1)", [0, 7], 1.5, None])
def test_what_is_no_place_is_one_line(place):
    with pytest.raises(IndexError) as caught:
        FITTING[place]
    assert "\n" not in str(caught.value)


def test_the_former_name_lists_cells_and_warns():
    with pytest.warns(DeprecationWarning, match="is now ChoiceSpace") as caught:
        assert sn.EnumerableChoiceSpace("mlp", OPTIONS) == LISTED
    assert caught[0].filename == __file__

    class Own(sn.EnumerableChoiceSpace):
        name, positions, options = "own", ("a", "b"), ((1, 2), (3, 4))

        def allows(self, choices):
            return choices != (1, 1)

    with pytest.warns(DeprecationWarning, match="is now ChoiceSpace"):
        assert len(Own()) == 3
