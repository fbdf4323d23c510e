"""The tutorial on the source article's agent: the original stands still, and REINFORCE on the same space learns."""

from __future__ import annotations

import pytest

from analysis.tutorials import article


def test_the_original_agent_never_gets_a_gradient_and_never_moves() -> None:
    still = article.original(steps=50)
    assert not still.gradients and still.moved == 0.0
    assert sum(still.chosen.values()) == 50 and len(still.chosen) == 1
    assert still.child_gradients[0] == still.child_gradients[1] > 0


@pytest.mark.slow
def test_reinforce_on_the_same_space_and_loss_learns() -> None:
    learned = article.right(asks=150)
    first, _, last = learned.thirds
    assert last < first and last < learned.mean
    assert learned.favourite[2] < learned.mean and learned.favourite[1] > 2 / 36
