"""What a task's loader gave, checked and brought to one form: a stranger's loader can give
anything.

A split may be a `Split`, or any pair of arrays or tensors; what is wrong with one is told in a
line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.arrays import Array, as_array

SPLITS = ("train", "valid", "test")


class Split(NamedTuple):
    """One part of a task's data.

    Attributes:
        inputs: Shape ``(n, channels, height, width)`` float32; height 1 for signals and text.
        targets: Shape ``(n, …)``, whatever the kind of the task says: class numbers (int64), or
            values, images or boxes (float32).
    """

    inputs: Array
    targets: Array


def as_split(inputs: Array, targets: Array) -> Split:
    """Turn arrays into a split.

    Args:
        inputs: Shape ``(n, channels, height, width)``.
        targets: Shape ``(n,)`` or ``(n, length)``; whole numbers become class numbers.
    """
    kind = np.int64 if np.issubdtype(targets.dtype, np.integer) else np.float32
    return Split(
        np.array(inputs, np.float32, order="C"), np.array(targets, kind, order="C")
    )


Check = Callable[[Array, Array, str, int], Array]
"""From inputs, targets, a name for them and the number of classes to the targets in their own
type.
"""


def checked(given: Any, check: Check, classes: int) -> dict[str, Split]:
    """The splits of a task, float32 inputs with targets of the right kind."""
    if not isinstance(given, Mapping) or set(given) != set(SPLITS):
        actual = (
            sorted(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
        )
        raise UserError(f"it must give the splits {', '.join(SPLITS)}, not {actual!s:.200}")
    splits = {
        name: _split(given[name], f"its {name} split", check, classes) for name in SPLITS
    }
    for what, shapes in (
        ("inputs", {tuple(split.inputs.shape[1:]) for split in splits.values()}),
        ("targets", {tuple(split.targets.shape[1:]) for split in splits.values()}),
    ):
        if len(shapes) > 1:
            raise UserError(
                f"its splits have {what} of different shapes: {', '.join(map(str, sorted(shapes)))}"
            )
    return splits


def _split(given: Any, where: str, check: Check, classes: int) -> Split:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise UserError(
            f"{where} must be a Split or a pair of inputs and targets, not {type(given).__name__}"
        )
    inputs = _array(given[0], f"the inputs of {where}")
    targets = _array(given[1], f"the targets of {where}")
    if inputs.ndim != 4 or not inputs.size:
        raise UserError(
            f"the inputs of {where} must have a shape (n, channels, height, width), not"
            f" {inputs.shape}"
        )
    if len(inputs) != len(targets):
        raise UserError(f"{where} has {len(inputs)} inputs but {len(targets)} targets")
    inputs = _finite(inputs, f"the inputs of {where}")
    return Split(
        inputs,
        np.ascontiguousarray(check(inputs, targets, f"the targets of {where}", classes)),
    )


def _array(given: Any, what: str) -> Array:
    try:
        array = as_array(given)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"they are of the type {array.dtype}")
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{what} are no array of numbers ({type(error).__name__}: {error})"
        ) from error
    return array if array.ndim else array[None]


def _finite(array: Array, what: str) -> Array:
    """Float32; what is too large for it counts as infinite."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(single).all():
        raise UserError(f"{what} hold numbers that are not finite")
    return single


def _shaped(targets: Array, what: str, form: str, shape: tuple[int, ...]) -> None:
    if targets.shape != shape:
        raise UserError(f"{what} must be {form} of shape {shape}, not {targets.shape}")


def values(inputs: Array, targets: Array, what: str, classes: int) -> Array:
    """Finite values, one for each output: shape ``(n,)`` where there is one, else
    ``(n, outputs)``.
    """
    n = len(inputs)
    _shaped(
        targets,
        what,
        "values, one for each output,",
        (n,) if classes == 1 else (n, classes),
    )
    return _finite(targets, what)


def images(inputs: Array, targets: Array, what: str, classes: int) -> Array:
    """Images of the size of the inputs, shape ``(n, outputs, height, width)``."""
    _shaped(targets, what, "images", (len(inputs), classes, *inputs.shape[2:]))
    return _finite(targets, what)


def states(_inputs: Array, targets: Array, what: str, _classes: int) -> Array:
    """Whatever an environment starts from: finite numbers, shape ``(n, …)``."""
    return _finite(targets, what)


def one_class(
    inputs: Array, targets: Array, what: str, classes: int, *, axes: int = 0
) -> Array:
    """Class numbers, one each, or one at every position of the last axes of the inputs."""
    _of_signals(inputs, what, axes == 1)
    shape = inputs.shape[4 - axes :]
    return _numbers(targets, what, classes, (len(inputs), *shape))


def class_sequences(inputs: Array, targets: Array, what: str, classes: int) -> Array:
    """Sequences of class numbers from 1 on, with zeros behind: shape ``(n, longest)``."""
    _of_signals(inputs, what, True)
    longest = targets.shape[1] if targets.ndim > 1 else 1
    numbers = _numbers(targets, what, classes, (len(inputs), longest))
    if (
        not (numbers[:, 0] > 0).all()
        or ((numbers[:, :-1] == 0) & (numbers[:, 1:] > 0)).any()
    ):
        raise UserError(
            f"{what} must be sequences of at least one class from 1 on, with zeros only behind them"
        )
    return numbers


def _of_signals(inputs: Array, what: str, needed: bool) -> None:
    if needed and inputs.shape[2] != 1:
        raise UserError(f"{what} belong to inputs of height 1, not {inputs.shape[2]}")


def boxes(_inputs: Array, targets: Array, what: str, classes: int) -> Array:
    """Objects of each image, shape ``(n, most, 5)``: class or -1 for none, centre x and y, width,
    height in pixels.
    """
    if targets.ndim != 3 or targets.shape[2] != 5:
        raise UserError(f"{what} must be boxes of shape (n, most, 5), not {targets.shape}")
    values = _finite(targets, what)
    kinds = values[:, :, 0]
    if not (kinds == kinds.round()).all() or kinds.min() < -1 or kinds.max() >= classes:
        raise UserError(
            f"{what} must have classes from 0 to {classes - 1}, or -1 for no object"
        )
    return values


def _numbers(targets: Array, what: str, classes: int, shape: tuple[int, ...]) -> Array:
    _shaped(targets, what, "class numbers", shape)
    with np.errstate(invalid="ignore"):
        numbers = targets.astype(np.int64)
    if not (numbers == targets).all():
        raise UserError(f"{what} must be whole numbers, the numbers of classes")
    least, most = int(numbers.min()), int(numbers.max())
    if least < 0 or most >= classes:
        raise UserError(
            f"{what} go from {least} to {most}, but its {classes} classes from 0 to {classes - 1}"
        )
    return numbers
