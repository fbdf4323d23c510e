import json

from tests.golden import FILE, trajectories


def test_every_strategy_asks_for_the_golden_cells():
    assert trajectories() == json.loads(FILE.read_text())
