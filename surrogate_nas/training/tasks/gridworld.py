"""Control task: walk to a goal through a grid with random walls. The policy observes only its
neighbourhood.

Every episode has different walls. The policy observes the 5×5 squares around it as seven image
planes. Three planes show the goal if it is in sight, the walls, and the policy's own fading trail.
Two constant planes give the direction of the goal, as the compass of point-goal navigation does
(Anderson et al. 2018). Two planes number the rows and columns (CoordConv, Liu et al., NeurIPS
2018). The reward for reaching the goal is 1, discounted by 0.95 per step. After 20 steps, an
episode ends without a reward. The baseline of advantages is the return that would be possible
without walls.
"""

from dataclasses import dataclass

import numpy as np

from surrogate_nas.training.tasks import (
    Array,
    Environment,
    Schedule,
    Splits,
    Task,
    split_rng,
)

SIZE = 7
WALLS = 0.3
"""The number of squares per side, and the share of squares that are walls."""
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
NEAREST = 3
FURTHEST = 12
"""The minimum and the maximum number of steps from start to goal on the shortest way."""
_AGENT, _GOAL, _WALLS, _TRAIL = range(4)
_SIZES = {"train": 500, "valid": 384, "test": 768}
_COMPASS = 3.0


def distances(states: Array) -> Array:
    """Return the number of steps to the goal from every square, shape ``(n, height, width)``. The
    number is infinite if the goal cannot be reached.
    """
    walls = states[:, _WALLS] > 0
    steps = np.where(states[:, _GOAL] > 0, 0.0, np.inf)
    while True:
        around = np.pad(steps, ((0, 0), (1, 1), (1, 1)), constant_values=np.inf)
        sides = [np.roll(around, move, (1, 2))[:, 1:-1, 1:-1] for move in MOVES]
        nearer = np.where(
            walls, np.inf, np.minimum(steps, 1 + np.minimum.reduce(sides))
        )
        if np.array_equal(nearer, steps):
            return steps
        steps = nearer


@dataclass(frozen=True)
class GridWorld(Environment):
    """The grid environment. A state has four planes of ones and zeros, shape
    ``(n, 4, height, width)``: agent, goal, walls, and the squares that the agent has visited.

    Attributes:
        longest: Maximum number of steps in an episode.
        discount: The factor by which every step reduces the reward for reaching the goal.
        trace: The λ of generalised advantages (Schulman et al., ICLR 2016).
        sight: Number of squares that the agent observes in each direction.
    """

    longest: int = 20
    discount: float = 0.95
    trace: float = 0.5
    sight: int = 2

    def observe(self, states: Array) -> Array:
        """Return the observed planes, shape ``(n, 7, 5, 5)``: goal, walls and trail around the
        agent, the direction of the goal (two planes), rows and columns.
        """
        at = _position(states, _AGENT)
        goal = _position(states, _GOAL)
        side = 2 * self.sight + 1
        height, width = np.array(states.shape[2:]) + 2 * self.sight
        padded = np.zeros((len(states), 3, height, width), dtype=np.float32)
        padded[:, 1] = 1
        padded[:, :, self.sight : -self.sight, self.sight : -self.sight] = states[
            :, _GOAL:
        ]
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (2, 3))
        view = np.empty((len(states), 7, side, side), dtype=np.float32)
        view[:, :3] = windows[np.arange(len(states)), :, *at.T]
        view[:, 3:5] = np.clip((goal - at) / _COMPASS, -1, 1)[:, :, None, None]
        ramp = np.linspace(-1, 1, side)
        view[:, 5] = ramp[:, None]
        view[:, 6] = ramp
        return view

    def step(self, states: Array, actions: Array) -> tuple[Array, Array, Array]:
        """Move every agent by one square, unless a wall is in the way. Return the next states, the
        rewards, and whether each episode has ended.
        """
        rows = np.arange(len(states))
        at = _position(states, _AGENT)
        to = np.clip(at + MOVES[actions], 0, np.array(states.shape[2:]) - 1)
        to = np.where(states[rows, _WALLS, *to.T][:, None] > 0, at, to)
        moved = states.copy()
        moved[:, _TRAIL] = np.maximum(0.8 * states[:, _TRAIL], states[:, _AGENT])
        moved[:, _AGENT] = 0
        moved[rows, _AGENT, *to.T] = 1
        ended = states[rows, _GOAL, *to.T] > 0
        return moved, ended.astype(float), ended

    def greatest(self, states: Array) -> Array:
        """Return the reward of 1, discounted along the shortest way to the goal, shape ``(n,)``."""
        return self.discount ** (_away(states) - 1)

    def value(self, states: Array) -> Array:
        """Return the reward of 1, discounted along the way to the goal if there were no walls,
        shape ``(n,)``.
        """
        steps: Array = (
            np.abs(_position(states, _GOAL) - _position(states, _AGENT)).sum(1) - 1
        )
        return self.discount**steps


def _position(states: Array, plane: int) -> Array:
    """Return row and column of the 1 in a plane, shape ``(n, 2)``."""
    return np.stack(
        np.divmod(states[:, plane].reshape(len(states), -1).argmax(1), states.shape[3]),
        1,
    )


def _away(states: Array) -> Array:
    """Return the number of steps from agent to goal on the shortest way, shape ``(n,)``."""
    steps: Array = distances(states)[
        np.arange(len(states)), *_position(states, _AGENT).T
    ]
    return steps


ENVIRONMENT = GridWorld()


def load() -> Splits:
    """Sample grids whose goal can be reached in 3 to 12 steps: 500 for training, 384 for
    validation, 768 for testing.
    """
    n = sum(_SIZES.values())
    rng = split_rng()
    solvable = np.empty((0, 4, SIZE, SIZE), dtype=np.float32)
    while len(solvable) < n:
        planes = np.zeros((n, 4, SIZE * SIZE), dtype=np.float32)
        planes[:, _WALLS] = rng.random((n, SIZE * SIZE)) < WALLS
        two = np.argsort(rng.random((n, SIZE * SIZE)), axis=1)[:, :2]
        for plane in (_AGENT, _GOAL):
            planes[np.arange(n), plane, two[:, plane]] = 1
            planes[np.arange(n), _WALLS, two[:, plane]] = 0
        grids = planes.reshape(n, 4, SIZE, SIZE)
        far = _away(grids)
        solvable = np.concatenate(
            [solvable, grids[(far >= NEAREST) & (far <= FURTHEST)]]
        )
    parts = np.split(solvable[:n], np.cumsum([*_SIZES.values()])[:-1])
    return ENVIRONMENT.starting(dict(zip(_SIZES, parts, strict=True)))


TASK = Task(
    name="gridworld",
    title="find the way to a goal among walls, seeing 5×5 squares",
    load=load,
    classes=len(MOVES),
    kind="policy",
    residual=False,
    schedule=Schedule(epochs=6, batch=256),
    source="grids drawn here",
    environment=ENVIRONMENT,
)
