"""Spaces stay what stored tables, stored models and repeated runs rely on (see `tests.golden`)."""

import json

import pytest

from surrogate_nas.space.registry import SPACES
from tests.golden import SPACES_FILE, agrees, of_space, settled

GOLDEN = json.loads(SPACES_FILE.read_text())
ROUNDED = {"encodings": 1e-6, "costs": 1e-6}
"""Relative; they are single precision, and logarithms are among them."""


@pytest.mark.parametrize("name", SPACES)
def test_a_space_stays_as_it_is(name):
    assert name in GOLDEN, f"The space {name} has no golden entry yet: run make golden."
    found = of_space(name)
    golden = GOLDEN[name]
    assert list(found) == list(golden)
    changed = [
        what
        for what in golden
        if not agrees(found[what], golden[what], ROUNDED.get(what, 1e-10))
    ]
    assert not changed, (
        f"{changed} of {name}; if they were meant to change, make golden NAMES={name}"
    )


def test_golden_files_are_rewritten_only_where_more_than_rounding_changed():
    stored = {"a": [1.0, 2.0], "b": {"c": 3, "d": "text"}, "gone": 1}
    found = {"b": {"c": 4, "d": "text"}, "a": [1.0, 2.0 + 1e-12], "new": [0.5]}
    assert settled(found, stored, 1e-10) == {
        "b": {"c": 4, "d": "text"},
        "a": [1.0, 2.0],
        "new": [0.5],
    }
    assert settled({"a": [1.0, 2.1]}, stored, 1e-10) == {"a": [1.0, 2.1]}
    assert settled({"a": {"x": 1}}, stored, 1e-10) == {"a": {"x": 1}}
