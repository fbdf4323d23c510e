"""Control task: keep a pole upright on a cart without observing velocities (Barto, Sutton &
Anderson 1983).

The equations of motion are those of the paper without its small friction terms, integrated by
Euler's method with steps of 20 ms. In every step, the cart is pushed by 10 N to the left or to the
right, and the reward is 1. An episode ends when the pole is more than 12° from the vertical, when
the cart is more than 2.4 m off the centre, or after 100 steps. The policy observes the positions of
cart and pole at the last eight steps as two channels, as in a variant by Gomez & Miikkulainen
(IJCAI 1999).
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

GRAVITY = 9.8
PUSH = 10.0
SECONDS = 0.02
CART_MASS = 1.0
POLE_MASS = 0.1
HALF_LENGTH = 0.5
"""Masses in kg, and half the length of the pole in m."""
EDGE = 2.4
LEAN = np.radians(12)
"""The position (m) and the angle (rad) beyond which an episode ends."""
_SIZES = {"train": 500, "valid": 128, "test": 384}
_START = 0.05


def pushed(states: Array, actions: Array) -> Array:
    """Return the states of carts and poles one step after a push, shape ``(n, 4)``.

    Args:
        states: Position, velocity, angle and angular velocity in m, m/s, rad and rad/s, shape
            ``(n, 4)``.
        actions: The direction of each push, 0 for left and 1 for right, shape ``(n,)``.
    """
    position, velocity, angle, turning = states.T
    force = np.where(actions == 1, PUSH, -PUSH)
    mass = CART_MASS + POLE_MASS
    cosine = np.cos(angle)
    sine = np.sin(angle)
    pressed = (force + POLE_MASS * HALF_LENGTH * turning**2 * sine) / mass
    turned = (GRAVITY * sine - cosine * pressed) / (
        HALF_LENGTH * (4 / 3 - POLE_MASS * cosine**2 / mass)
    )
    moved = pressed - POLE_MASS * HALF_LENGTH * turned * cosine / mass
    return states + SECONDS * np.stack([velocity, moved, turning, turned], 1)


@dataclass(frozen=True)
class CartPole(Environment):
    """Carts with poles. The cart-pole environment. A state contains positions, velocities, angles
    and angular velocities at the last `seen` steps, shape ``(n, seen, 4)``, the newest last.

    Attributes:
        longest: Maximum number of steps in an episode.
        seen: Number of past steps that a policy observes.
    """

    longest: int = 100
    seen: int = 8

    def observe(self, states: Array) -> Array:
        """Return the positions and angles of some states as shares of their limits, shape
        ``(n, 2, 1, seen)``.
        """
        shares = states[:, :, ::2] / (EDGE, LEAN)
        return np.ascontiguousarray(
            shares.transpose(0, 2, 1)[:, :, None], dtype=np.float32
        )

    def step(self, states: Array, actions: Array) -> tuple[Array, Array, Array]:
        """Push every cart once, and return the next states, the rewards, and whether each episode
        has ended.
        """
        new = pushed(states[:, -1], actions)
        ended = (np.abs(new[:, 0]) > EDGE) | (np.abs(new[:, 2]) > LEAN)
        return (
            np.concatenate([states[:, 1:], new[:, None]], 1),
            np.ones(len(new)),
            ended,
        )

    def greatest(self, states: Array) -> Array:
        """Return the return of an episode of maximum length, shape ``(n,)``."""
        return np.full(len(states), float(self.longest))


ENVIRONMENT = CartPole()


def load() -> Splits:
    """Sample start states: 500 for training, 128 for validation, 384 for testing. All four numbers
    of a state are uniform in ±0.05.

    In a start state, the positions at all earlier steps equal the current ones.
    """
    rng = split_rng()
    states = {
        name: rng.uniform(-_START, _START, (n, 1, 4)) for name, n in _SIZES.items()
    }
    seen = ENVIRONMENT.seen
    return ENVIRONMENT.starting(
        {name: start.repeat(seen, 1) for name, start in states.items()}
    )


TASK = Task(
    name="cartpole",
    title="keep a pole upright on a cart, from positions alone",
    load=load,
    classes=2,
    kind="policy",
    residual=False,
    schedule=Schedule(epochs=12, batch=512, learning_rate=0.05),
    source="the equations of Barto, Sutton & Anderson 1983, computed here",
    environment=ENVIRONMENT,
)
