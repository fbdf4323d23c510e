"""Blinded spaces: the same cells, neighbours, draws and models' columns, and no name of the space
behind.
"""

import pickle
import re

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Enumerable, space_named
from surrogate_nas.space.base import drawn_cells
from surrogate_nas.space.blind import blind

SPACES = ("nb201", "darts", "macro", "mnasnet", "nats-size", "nbgraph")


@pytest.mark.parametrize("name", SPACES)
def test_everything_but_names_is_as_behind(name):
    base = space_named(name)
    space = blind(base, 5)
    assert (
        isinstance(space, Enumerable) == isinstance(base, Enumerable)
        and space.size == base.size
    )
    cells = drawn_cells(base, 12, seed=1)
    for cell in cells:
        hidden = space.hide(cell)
        assert (
            space.reveal(hidden) == cell
            and space.parse(str(hidden)) == hidden
            and hidden in space
        )
        assert [space.reveal(one) for one in space.neighbours(hidden)] == list(
            base.neighbours(cell)
        )
        one = np.random.default_rng(2)
        other = np.random.default_rng(2)
        assert space.reveal(space.mutate(hidden, one)) == base.mutate(cell, other)
        assert space.reveal(space.sample(one)) == base.sample(other)
    first, second = cells[:2]
    assert space.similarity(space.hide(first), space.hide(second)) == base.similarity(
        first, second
    )
    disguised = [space.hide(cell) for cell in cells]
    classes = {
        (base.identity(cell), space.identity(its))
        for cell, its in zip(cells, disguised, strict=True)
    }
    assert len(classes) == len({a for a, _ in classes}) == len({b for _, b in classes})
    for view in base.views:
        for encoding in view.split("+"):
            seen = space.encode(disguised, encoding)
            behind = base.encode(cells, encoding)
            assert sorted(map(tuple, seen.T.tolist())) == sorted(
                map(tuple, behind.T.tolist())
            )


@pytest.mark.parametrize("name", SPACES)
def test_no_name_of_the_space_is_left(name):
    base = space_named(name)
    space = blind(base, 8)
    words = {
        word for options in base.texts for word in options if not word.isdigit()
    } | {
        *base.positions,
        base.name,
    }
    cell = space.hide(drawn_cells(base, 1)[0])
    shown = (
        f"{space!r} {cell} {space.options} {space.texts} {cell.options} {space.positions}"
        f" {space.citation} {space.named} {space.identity(cell)}"
    )
    assert not {
        word for word in words if re.search(rf"\b{re.escape(word)}\b", shown)
    } - {"space"}
    if isinstance(space, Enumerable):
        assert [space.reveal(one).index for one in space[:8]] != list(range(8))


def test_the_seed_draws_the_names_and_scales_keep_their_order():
    base = space_named("nb201")
    faces = {str(blind(base, seed).hide(base[11])) for seed in range(10)}
    assert len(faces) > 5
    assert (
        blind(base, 4) == pickle.loads(pickle.dumps(blind(base, 4))) != blind(base, 6)
    )
    widths = blind(space_named("nats-size"), 1)
    assert all(
        [int(word) for word in options] == list(range(1, 9)) for options in widths.texts
    )


def test_cells_that_are_no_choices_are_refused():
    from surrogate_nas.space.base import Space

    class Own(Space):
        name = "own"
        sample = mutate = neighbours = parse = None

    with pytest.raises(UserError, match="The space own cannot be blinded"):
        blind(Own(), 0)
