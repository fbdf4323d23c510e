"""Control: keep a pole upright on a cart (Barto, Sutton & Anderson 1983), without observing
velocities.

The equations are the paper's without its tiny frictions, integrated by Euler's method every 20 ms.
Every step is a push of 10 N to the left or to the right and has a reward of 1. An episode ends when
the pole is more than 12° or the cart more than 2.4 m off the centre, or after 100 steps. The policy
observes the positions of cart and pole at the last eight steps, as two channels (the variant of
Gomez & Miikkulainen, IJCAI 1999).
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
    """Return the states of carts and poles one step later, shape ``(n, 4)``.

    Args:
        states: Position, velocity, angle and angular velocity, shape ``(n, 4)``, in m, s and rad.
        actions: 0 to push to the left, 1 to the right, shape ``(n,)``.
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
    """Carts with poles. A state contains the last `seen` positions, velocities, angles and angular
    velocities, shape ``(n, seen, 4)``, the newest last.

    Attributes:
        longest: Maximum number of steps of an episode.
        seen: Number of past states that a policy observes.
    """

    longest: int = 100
    seen: int = 8

    def observe(self, states: Array) -> Array:
        """Return positions and angles as shares of their limits, shape ``(n, 2, 1, seen)``."""
        shares = states[:, :, ::2] / (EDGE, LEAN)
        return np.ascontiguousarray(
            shares.transpose(0, 2, 1)[:, :, None], dtype=np.float32
        )

    def step(self, states: Array, actions: Array) -> tuple[Array, Array, Array]:
        """Push every cart once."""
        new = pushed(states[:, -1], actions)
        ended = (np.abs(new[:, 0]) > EDGE) | (np.abs(new[:, 2]) > LEAN)
        return (
            np.concatenate([states[:, 1:], new[:, None]], 1),
            np.ones(len(new)),
            ended,
        )

    def greatest(self, states: Array) -> Array:
        """Return the return of the longest episode, shape ``(n,)``."""
        return np.full(len(states), float(self.longest))


ENVIRONMENT = CartPole()


def load() -> Splits:
    """Sample start states, all four numbers uniform in ±0.05, at rest before the first step: 500 /
    128 / 384.
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
