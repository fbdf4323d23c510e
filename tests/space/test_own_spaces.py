"""Spaces of one's own: a listed one with its table in a file, and one of 10^18 cells that can only
be sampled.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Enumerable, register, space_named
from tests.examples_enumerable import SPACE as LISTED
from tests.examples_sampled import SPACE as SAMPLED

HERE = Path(__file__).parents[1]
BENCHES = [
    f"{HERE / 'examples_enumerable.py'}:BENCH",
    f"{HERE / 'examples_sampled.py'}:BENCH",
]


def test_a_space_that_cannot_be_listed_still_counts_samples_and_prints():
    assert SAMPLED.size == 4**30 and not isinstance(SAMPLED, Enumerable)
    cell = SAMPLED.sample(np.random.default_rng(0))
    assert SAMPLED.parse(str(cell)) == cell and cell in SAMPLED
    assert len(SAMPLED.neighbours(cell)) == 90
    child = SAMPLED.mutate(cell, np.random.default_rng(1))
    assert sum(a != b for a, b in zip(cell.choices, child.choices, strict=True)) == 1
    assert pickle.loads(pickle.dumps(SAMPLED)) == SAMPLED


def test_what_cannot_be_listed_has_no_column_and_says_so():
    with pytest.raises(UserError, match="cannot be listed"):
        sn.load(BENCHES[1]).column("valid_error")


def test_a_csv_of_cells_of_a_space_of_ones_own_becomes_a_benchmark(snas, tmp_path):
    rows = "\n".join(f'"{cell}",{20 + i / 10}' for i, cell in enumerate(LISTED))
    (tmp_path / "mine.csv").write_text(f"cell,valid_error\n{rows}\n")
    spec = f"{HERE / 'examples_enumerable.py'}:SPACE"
    made = snas(
        "data",
        "import",
        "csv",
        tmp_path / "mine.csv",
        "--name",
        "perceptrons",
        "--space",
        spec,
    )
    assert made.code == 0, made.err
    bench = sn.load("perceptrons")
    assert bench.space == LISTED and bench.query(
        str(LISTED[3]), "valid_error"
    ) == pytest.approx(20.3)


def test_a_definition_without_code_opens_the_same_space():
    assert (
        space_named(LISTED.definition) == LISTED
        and json.loads(LISTED.definition)["name"] == "perceptron"
    )
    assert space_named(SAMPLED.definition) == SAMPLED
    no_options = '{"name": "x", "listed": true, "options": {}}'
    for broken in (
        "{",
        '{"name": 3}',
        no_options,
        '{"name": "x", "listed": 1, "options": 7}',
    ):
        with pytest.raises(UserError):
            space_named(broken)


def test_a_registered_space_is_found_by_name_and_none_takes_its_name(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text(
        "import surrogate_nas as sn\n"
        "class Odd(sn.ChoiceSpace):\n"
        "    name, positions, options = 'odd', ('a', 'b'), (('1', '2'), ('1', '2'))\n"
        "    def allows(self, choices):\n        return choices != (1, 1)\n"
        "SPACE = Odd()\nOTHER = sn.ChoiceSpace('nb201', {'a': ('x', 'y')})\n"
        "def made():\n    return SPACE\n"
    )
    space = register(f"{file}:SPACE")
    assert len(space) == 3 and space_named("odd") is space
    assert all(cell in space for cell in space.neighbours(space.parse("odd(a=1, b=1)")))
    with pytest.raises(UserError, match="named nb201, like another"):
        register(f"{file}:OTHER")
    with pytest.raises(UserError, match="made is not a space"):
        register(f"{file}:made")
    with pytest.raises(UserError, match="defines no NOTHING"):
        register(f"{file}:NOTHING")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        (None, None, "name"),
        ("x y", {"a": ("1", "2")}, "name"),
        ("x", {}, "at least one position"),
        ("x", {"a": ()}, "1 to 127 options"),
        ("x", {"a": ("1", "1")}, "duplicate"),
        ("x", {"a": ("1,2",)}, "is not a name"),
        ("x", ["a"], "mapping"),
        ("x", {"a": 3}, "must be a list, such as"),
    ],
)
def test_a_malformed_space_is_refused_in_one_line(name, options, says):
    with pytest.raises(UserError, match=says) as caught:
        sn.ChoiceSpace(name, options)
    assert "\n" not in str(caught.value)
