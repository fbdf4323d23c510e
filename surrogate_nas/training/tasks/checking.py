"""What a task's loader returned, checked and brought to one form: a user's may return anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

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


Splits: TypeAlias = dict[str, Split]
Check: TypeAlias = Callable[[Array, Array, int], Array]
"""From inputs, targets and the number of classes to the targets in their own type. The message of
its `UserError` follows on "the targets of …".
"""


def as_split(inputs: Array, targets: Array) -> Split:
    """Turn arrays into a split; whole numbers become class numbers."""
    kind = np.int64 if np.issubdtype(targets.dtype, np.integer) else np.float32
    return Split(
        np.array(inputs, np.float32, order="C"), np.array(targets, kind, order="C")
    )


def checked(loaded: Any, check: Check, classes: int) -> Splits:
    """The splits of a task, float32 inputs with targets of the right kind."""
    if not isinstance(loaded, Mapping) or {*loaded} != {*SPLITS}:
        actual = [*loaded] if isinstance(loaded, Mapping) else type(loaded).__name__
        raise UserError(f"it must give the splits {', '.join(SPLITS)}, not {actual!s:.200}")
    splits = {
        name: _split(loaded[name], f"its {name} split", check, classes) for name in SPLITS
    }
    for field in Split._fields:
        shapes = {getattr(split, field).shape[1:] for split in splits.values()}
        if len(shapes) > 1:
            raise UserError(
                f"its splits have {field} of different shapes:"
                f" {', '.join(map(str, sorted(shapes)))}"
            )
    return splits


def _split(pair: Any, where: str, check: Check, classes: int) -> Split:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise UserError(
            f"{where} must be a Split or a pair of inputs and targets, not {type(pair).__name__}"
        )
    part = "inputs"
    try:
        inputs = _finite(_array(pair[0]))
        if inputs.ndim != 4 or not inputs.size:
            raise UserError(
                f"must have a shape (n, channels, height, width), not {inputs.shape}"
            )
        part = "targets"
        targets = _array(pair[1])
        if len(inputs) != len(targets):
            raise UserError(f"are {len(targets)} for {len(inputs)} inputs")
        targets = check(inputs, targets, classes)
    except UserError as error:
        raise UserError(f"the {part} of {where} {error}") from None
    return Split(inputs, np.ascontiguousarray(targets))


def _array(raw: Any) -> Array:
    try:
        array = np.atleast_1d(as_array(raw))
        if array.dtype.kind not in "biuf":
            raise TypeError(f"they are of the type {array.dtype}")
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"are no array of numbers ({type(error).__name__}: {error})"
        ) from error
    return array


def _finite(array: Array) -> Array:
    """Float32; what is too large for it counts as infinite."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(single).all():
        raise UserError("hold numbers that are not finite")
    return single


def _shaped(targets: Array, form: str, *shape: int) -> None:
    if targets.shape != shape:
        raise UserError(f"must be {form} of shape {shape}, not {targets.shape}")


def values(inputs: Array, targets: Array, classes: int) -> Array:
    """Finite values, shape ``(n,)`` for one output, else ``(n, outputs)``."""
    shape = (len(inputs), classes)[: 1 + (classes > 1)]
    _shaped(targets, "values, one for each output,", *shape)
    return _finite(targets)


def images(inputs: Array, targets: Array, classes: int) -> Array:
    """Images of the size of the inputs, shape ``(n, outputs, height, width)``."""
    _shaped(targets, "images", len(inputs), classes, *inputs.shape[2:])
    return _finite(targets)


def states(_inputs: Array, targets: Array, _classes: int) -> Array:
    """Start states of an environment: finite numbers, shape ``(n, …)``."""
    return _finite(targets)


def one_class(inputs: Array, targets: Array, classes: int, *, axes: int = 0) -> Array:
    """Class numbers, one each, or one at every position of the last axes of the inputs."""
    if axes == 1:
        _check_signals(inputs)
    return _numbers(targets, classes, len(inputs), *inputs.shape[4 - axes :])


def class_sequences(inputs: Array, targets: Array, classes: int) -> Array:
    """Sequences of class numbers from 1 on, with zeros behind: shape ``(n, longest)``."""
    _check_signals(inputs)
    longest = targets.shape[1] if targets.ndim > 1 else 1
    numbers = _numbers(targets, classes, len(inputs), longest)
    starts_late = (numbers[:, :-1] == 0) & (numbers[:, 1:] > 0)
    if starts_late.any() or not (numbers[:, 0] > 0).all():
        raise UserError(
            "must be sequences of at least one class from 1 on, with zeros only behind them"
        )
    return numbers


def _check_signals(inputs: Array) -> None:
    if inputs.shape[2] != 1:
        raise UserError(f"belong to inputs of height 1, not {inputs.shape[2]}")


def boxes(_inputs: Array, targets: Array, classes: int) -> Array:
    """Objects of each image, shape ``(n, most, 5)``: class or -1 for none, centre x and y, width,
    height in pixels.
    """
    if targets.ndim != 3 or targets.shape[2] != 5:
        raise UserError(f"must be boxes of shape (n, most, 5), not {targets.shape}")
    values = _finite(targets)
    kinds = values[:, :, 0]
    if not (kinds == kinds.round()).all() or kinds.min() < -1 or kinds.max() >= classes:
        raise UserError(f"must have classes from 0 to {classes - 1}, or -1 for no object")
    return values


def _numbers(targets: Array, classes: int, *shape: int) -> Array:
    _shaped(targets, "class numbers", *shape)
    with np.errstate(invalid="ignore"):
        numbers = targets.astype(np.int64)
    if not (numbers == targets).all():
        raise UserError("must be whole numbers, the numbers of classes")
    least, most = int(numbers.min()), int(numbers.max())
    if least < 0 or most >= classes:
        raise UserError(
            f"go from {least} to {most}, but its {classes} classes from 0 to {classes - 1}"
        )
    return numbers
