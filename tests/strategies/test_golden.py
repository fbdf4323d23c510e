"""Strategies ask for the cells, and train supernets to the numbers, that they had before."""

import json

import pytest

from surrogate_nas.strategies import ONE_SHOT, STRATEGIES
from tests import golden

GOLDEN = json.loads(golden.ELSEWHERE_FILE.read_text())


@pytest.mark.parametrize("name", golden.STEADY)
def test_a_strategy_asks_for_the_golden_cells(name):
    stored = json.loads(golden.FILE.read_text())
    assert name in stored, f"{name} has no golden cells yet: make golden"
    assert golden.trajectory(name) == stored[name]


@pytest.mark.parametrize("name", [*golden.ELSEWHERE, *golden.OPTIONS])
def test_a_strategy_asks_for_the_golden_cells_elsewhere(name):
    assert name in GOLDEN, f"{name} has no golden cells yet: make golden"
    assert golden.elsewhere(name) == GOLDEN[name]


def test_options_left_out_are_the_golden_ones():
    found = {name: golden.defaults(name) for name in STRATEGIES | ONE_SHOT}
    assert found == GOLDEN["defaults"]


@pytest.mark.parametrize("name", golden.SUPERNETS)
def test_a_supernet_trains_alpha_to_the_golden_numbers(name):
    found = golden.supernet(name)
    stored = GOLDEN["supernets"][name]
    assert list(found) == list(stored)
    for group, numbers in stored.items():
        assert found[group] == pytest.approx(numbers, abs=2e-4), group


def test_only_entries_that_are_new_or_named_are_rewritten(tmp_path):
    file = tmp_path / "golden.json"
    before = {"old": 1, "old(x=2)": 1, "other": 1, "defaults": {"gone": 1}}
    file.write_text(json.dumps(before | {"gone": 1}))

    def update(*wanted, part=""):
        return golden.update(
            file, part, len, ("old", "old(x=2)", "other", "new"), wanted
        )

    assert update() == ["old", "old(x=2)", "other"], "what differs is named"
    assert json.loads(file.read_text()) == before | {"new": 3}
    assert update("old") == []
    assert json.loads(file.read_text()) == before | {"old": 3, "old(x=2)": 8, "new": 3}
    update(part="defaults")
    every = {"old": 3, "old(x=2)": 8, "other": 5, "new": 3}
    assert json.loads(file.read_text())["defaults"] == every
