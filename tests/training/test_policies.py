"""Policies: their environments against other computations, their advantages against exact
gradients, and baselines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, Task, train
from surrogate_nas.training.losses import LOSSES, fitting
from surrogate_nas.training.tasks import (
    Environment,
    Schedule,
    cartpole,
    gridworld,
)
from surrogate_nas.training.trainers import policy
from surrogate_nas.training.trainers.policy import Policy, act, advantages

CELL = nb201().parse(
    "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"
)
CONTROL = ["cartpole", "gridworld"]
SEEDS = (0, 1)


def test_the_cart_and_the_pole_obey_the_equations_of_motion():
    """Against Lagrange's equations of a cart and a uniform rod, solved for both accelerations at
    once.
    """
    rng = np.random.default_rng(0)
    states = rng.normal(size=(50, 4))
    actions = rng.integers(2, size=50)
    found = (cartpole.pushed(states, actions) - states) / cartpole.SECONDS
    _, velocity, angle, turning = states.T
    inertia = cartpole.POLE_MASS * cartpole.HALF_LENGTH
    left = np.empty((50, 2, 2))
    left[:, 0, 0], left[:, 1, 1] = (
        cartpole.CART_MASS + cartpole.POLE_MASS,
        4 / 3 * inertia * cartpole.HALF_LENGTH,
    )
    left[:, 0, 1] = left[:, 1, 0] = inertia * np.cos(angle)
    force = cartpole.PUSH * (2 * actions - 1) + inertia * turning**2 * np.sin(angle)
    moved, turned = np.linalg.solve(
        left,
        np.stack([force, inertia * cartpole.GRAVITY * np.sin(angle)], 1)[:, :, None],
    )[:, :, 0].T
    np.testing.assert_allclose(
        found, np.stack([velocity, moved, turning, turned], 1), atol=1e-9
    )


def test_an_episode_ends_where_the_cart_or_the_pole_is_too_far_off():
    states = np.zeros((4, 8, 4))
    states[1:, -1] = (2.39, 1.0, 0, 0), (0, 0, -0.2, -1.0), (2.39, -1.0, 0, 0)
    after, rewards, ended = cartpole.ENVIRONMENT.step(states, np.zeros(4, dtype=int))
    assert ended.tolist() == [False, True, True, False] and rewards.tolist() == [1] * 4
    assert np.array_equal(after[:, :-1], states[:, 1:])
    seen = cartpole.ENVIRONMENT.observe(after)
    assert (
        seen.shape == (4, 2, 1, 8) and abs(seen[1, 0, 0, -1]) > 1 > abs(seen[0]).max()
    )


def test_distances_are_shortest_paths_of_the_graph_of_free_squares():
    states = TASKS["gridworld"].data["test"].targets[:5]
    for state, found in zip(states, gridworld.distances(states), strict=True):
        goal = state[1]
        free = state[2].ravel() == 0
        rows, columns = np.divmod(np.arange(free.size), gridworld.SIZE)
        near = abs(rows[:, None] - rows) + abs(columns[:, None] - columns) == 1
        expected = shortest_path(
            csr_array(near & free[:, None] & free), indices=goal.argmax()
        )
        np.testing.assert_array_equal(found.ravel()[free], expected[free])


def test_a_walker_stops_at_walls_and_edges_and_leaves_a_trail():
    state = np.zeros((1, 4, 7, 7), dtype=np.float32)
    state[0, 0, 0, 0] = state[0, 1, 0, 2] = state[0, 2, 1, 0] = 1
    world = gridworld.ENVIRONMENT
    states = state.repeat(4, 0)
    after, rewards, ended = world.step(states, np.arange(4))
    assert (
        after[:, 0].reshape(4, -1).argmax(1).tolist() == [0, 0, 0, 1]
        and not ended.any()
    )
    final, rewards, ended = world.step(after[3:], np.array([3]))
    assert rewards.tolist() == [1] and ended.all()
    assert final[0, 3, 0, :3].tolist() == pytest.approx([0.8, 1, 0])
    assert world.greatest(state) == pytest.approx([0.95])
    seen = world.observe(final)[0]
    assert seen[0, 2, 2] == 1 and seen[2, 2, 1] == 1
    assert seen[1].tolist() == [[1] * 5, [1] * 5, [0] * 5, [1, 0, 0, 0, 0], [0] * 5]


@dataclass(frozen=True)
class Bandit(Environment):
    """One step; the reward is the square of the action's number, and of noise."""

    longest: int = 1

    def observe(self, states):
        return states[:, None, None].astype(np.float32)

    def step(self, states, actions):
        return states, actions**2.0 + states[:, 0], np.ones(len(states), dtype=bool)

    def greatest(self, states):
        return 4 + states[:, 0]


def always(*odds):
    return lambda inputs: np.tile(odds, (1, len(inputs), 1))


def bandit(**changes):
    noise = {
        name: np.random.default_rng(i).normal(size=(40, 4))
        for i, name in enumerate(("train", "valid", "test"))
    }
    task = Task(
        "bandit",
        "",
        lambda: Bandit().starting(noise),
        3,
        kind="policy",
        environment=Bandit(),
    )
    return replace(task, **changes)


def trainer_of(task):
    return Policy(task, task.data, seed=0)


@pytest.mark.parametrize("name", ["expected_return", "clipped_return"])
def test_the_gradient_is_that_of_the_expected_return(name):
    odds = torch.tensor([0.3, -0.4, 0.1])
    starts = np.random.default_rng(0).normal(size=(40_000, 4))
    episodes = act(Bandit(), starts, always(*odds.tolist()), np.random.default_rng(1))
    better = advantages(episodes, 1.0)
    told = np.stack([episodes.actions[0], better[0], episodes.likelihoods[0]], 1)
    given = odds.clone().requires_grad_()
    LOSSES[name].each(
        given.expand(1, len(starts), -1), torch.from_numpy(told).float()
    ).mean().backward()
    chances = odds.softmax(0)
    rewards = torch.tensor([0.0, 1.0, 4.0])
    exact = chances * (rewards - chances @ rewards) / (episodes.rewards.std())
    assert given.grad is not None
    torch.testing.assert_close(-given.grad, exact, atol=0.01, rtol=0)


def test_a_baseline_does_not_hold_the_own_reward():
    starts = np.array([[1.0, 0, 0, 0], [2, 0, 0, 0], [6, 0, 0, 0]])
    episodes = act(Bandit(), starts, always(50.0, 0.0, 0.0), np.random.default_rng(0))
    raw = np.array([1 - 4, 2 - 3.5, 6 - 1.5])
    np.testing.assert_allclose(advantages(episodes, 1.0)[0], raw / raw.std(), rtol=1e-6)


def test_advantages_discount_what_surprises_later():
    lives = np.array([[True, True], [True, False], [True, False]])
    told = np.array([[1.0, 1.0], [2.0, 0.0], [4.0, 0.0]])
    episodes = policy.Episodes(np.zeros((3, 2, 1)), told, told, told, told, lives)
    to_go = np.array([[1 + 0.5 * (2 + 0.5 * 4), 1], [2 + 0.5 * 4, 0], [4, 0]])
    raw = to_go - to_go[:, ::-1]
    np.testing.assert_allclose(
        advantages(episodes, 0.5), raw / raw[lives].std(), rtol=1e-6
    )
    assert episodes.returns(0.5).tolist() == [1 + 0.5 * 2 + 0.25 * 4, 1]


def test_a_reported_loss_is_what_is_lost_and_its_gradient_the_surrogates():
    task = bandit()
    trainer = trainer_of(task)
    for name in CONTROL:
        used = {
            loss: trainer_of(TASKS[name].with_loss(loss)).passes
            for loss in fitting("policy")
        }
        assert used == {
            "expected_return": 1,
            "entropy_return": 1,
            "clipped_return": policy.PASSES,
        }
    batches = list(trainer.batches(0, always(0.0, 0.0, 0.0)))
    assert len(batches) == trainer.steps == policy.PASSES
    inputs, targets = batches[0]
    odds = np.zeros((1, len(inputs), 3), np.float32)
    loss, gradient = trainer.loss_and_gradient(odds, targets)
    chosen = np.random.default_rng((0, 0)).integers(40, size=policy.EPISODES)
    noise = task.data["train"].targets[chosen, 0]
    gained = (targets[:, 0] ** 2).sum().item() + noise.sum()
    assert loss.item() == pytest.approx(1 - gained / (4 + noise).sum(), rel=1e-5)
    assert (
        loss.shape == (1,)
        and np.isnan(trainer.loss_and_gradient(odds * np.nan, targets)[0]).all()
    )
    same = torch.zeros(1, len(inputs), 3, requires_grad=True)
    task.losses(same, torch.from_numpy(targets)).sum().backward()
    assert (
        same.grad is not None
        and np.allclose(gradient, same.grad, rtol=1e-5, atol=1e-9)
        and gradient.any()
    )


def test_a_policy_is_judged_by_its_returns_and_collapse_is_noted():
    task = bandit()
    trainer = trainer_of(task)
    greatest = task.data["valid"].targets[:, 0].astype(np.float64) + 4
    for odds, gained, note in [
        ((0.0, 0.0, 90.0), greatest, "no action but 2"),
        ((90.0, 0.0, 0.0), greatest - 4, "but 0"),
    ]:
        losses, answers = trainer.judged("valid", always(*odds))
        share = gained.sum() / greatest.sum()
        assert losses.item() == pytest.approx(1 - share.item(), abs=1e-6)
        told = {measure.name: measure.of(answers).item() for measure in task.measured}
        failed = 100 * (gained < greatest / 2).mean()
        assert told == pytest.approx({"return": 100 * share.item(), "failures": failed})
        assert note in trainer.note
    trainer.judged("valid", always(0.0, 0.0, 0.0))
    assert not trainer.note


def test_a_policy_that_is_no_number_is_recorded_as_the_worst():
    (curve,) = train(
        [CELL], bandit(schedule=Schedule(epochs=2, learning_rate=1e30)), seed=0
    )
    assert "not finite" in curve.note
    assert curve.metrics["valid_loss"] == 10 and curve.metrics["valid_return"] == 0
    assert curve.metrics["test_failures"] == 100


def test_a_policy_needs_an_environment():
    with pytest.raises(UserError, match="policy task bandit has no environment"):
        train([CELL], bandit(environment=None))


def test_an_environments_settings_are_part_of_the_digest():
    assert (
        bandit().digest
        == bandit().digest
        != bandit(environment=Bandit(longest=2)).digest
    )


@pytest.fixture(scope="module", params=CONTROL)
def trained(request):
    """A control task, and a known good cell trained on it with two seeds."""
    task = TASKS[request.param]
    return task, [train([CELL], task, seed=seed)[0] for seed in SEEDS]


def returns_of(task, answer):
    _, answers = trainer_of(task).judged("test", answer)
    return task.measured[0].of(answers).item()


def test_a_good_cell_beats_chance_and_constants_by_more_than_seeds_differ(trained):
    task, curves = trained
    found = [curve.metrics["test_return"] for curve in curves]
    chance = returns_of(task, always(*[0.0] * task.classes))
    constant = max(
        returns_of(task, always(*np.eye(task.classes)[a] * 99))
        for a in range(task.classes)
    )
    assert min(found) > max(chance, constant) + abs(found[0] - found[1])
    assert not any(curve.note for curve in curves)


def test_what_a_control_task_tells(trained):
    task, curves = trained
    for curve in curves:
        assert curve.metrics["test_loss"] == pytest.approx(
            1 - curve.metrics["test_return"] / 100
        )
        assert (
            0 <= curve.metrics["train_loss"] <= 1
            and curve.values["train_loss"][0] > curve.values["train_loss"][-1]
        )
    assert (
        train([CELL], task, seed=SEEDS[0], epochs=1)[0].values
        == train([CELL], task, seed=SEEDS[0], epochs=1)[0].values
    )


@pytest.mark.parametrize("name", CONTROL)
def test_starts_are_fixed_and_disjoint(name):
    task = TASKS[name]
    again = task.load()
    seen = set()
    for split, part in task.data.items():
        assert np.array_equal(part.targets, again[split].targets) and np.array_equal(
            part.inputs, again[split].inputs
        )
        mine = {start.tobytes() for start in part.targets}
        assert len(mine) == len(part.targets) and not mine & seen
        seen |= mine
