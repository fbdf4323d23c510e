import json

import pytest

from tests.golden import (
    ELSEWHERE,
    ELSEWHERE_FILE,
    FILE,
    OPTIONS,
    SUPERNETS,
    defaults,
    elsewhere,
    supernet,
    trajectories,
)

GOLDEN = json.loads(ELSEWHERE_FILE.read_text())


def test_every_strategy_asks_for_the_golden_cells():
    assert trajectories() == json.loads(FILE.read_text())


@pytest.mark.parametrize("name", [*ELSEWHERE, *OPTIONS])
def test_a_strategy_asks_for_the_golden_cells_elsewhere(name: str) -> None:
    assert elsewhere(name) == GOLDEN[name]


def test_options_left_out_are_the_golden_ones() -> None:
    assert defaults() == GOLDEN["defaults"]


@pytest.mark.parametrize("name", SUPERNETS)
def test_a_supernet_trains_alpha_to_the_golden_numbers(name: str) -> None:
    found = supernet(name)
    golden = GOLDEN["supernets"][name]
    assert list(found) == list(golden)
    for group, numbers in golden.items():
        assert found[group] == pytest.approx(numbers, abs=2e-4), group
