"""What a task's loader gave, checked and brought to one form: a stranger's loader can give anything.

A split may be a `Split`, or any pair of arrays or tensors; what is wrong with one is told in a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from surrogate_nas.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["classification", "regression", "language"]
KINDS = ("classification", "regression", "language")
SPLITS = ("train", "valid", "test")


class Split(NamedTuple):
    """One part of a task's data.

    Attributes:
        inputs: Shape ``(n, channels, height, width)`` float32; height 1 for signals and text.
        targets: Shape ``(n,)`` class numbers or values; ``(n, length)`` class numbers for language.
    """

    inputs: Tensor
    targets: Tensor


def checked(given: Any, kind: Kind, classes: int) -> dict[str, Split]:
    """The splits of a task, float32 inputs with class numbers or float32 values.

    Args:
        given: What the loader returned.
        kind: What the targets are.
        classes: How many classes there are.

    Raises:
        UserError: A split is missing or there too much, or its shape, its numbers or its targets are wrong.
    """
    if not isinstance(given, Mapping) or set(given) != set(SPLITS):
        found = sorted(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
        raise UserError(f"it must give the splits {', '.join(SPLITS)}, not {found!s:.200}")
    splits = {name: _split(given[name], f"its {name} split", kind, classes) for name in SPLITS}
    shapes = {tuple(split.inputs.shape[1:]) for split in splits.values()}
    if len(shapes) > 1:
        raise UserError(f"its splits have inputs of different shapes: {', '.join(map(str, sorted(shapes)))}")
    return splits


def _split(given: Any, where: str, kind: Kind, classes: int) -> Split:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise UserError(f"{where} must be a Split or a pair of inputs and targets, not {type(given).__name__}")
    inputs = _tensor(given[0], f"the inputs of {where}").float()
    targets = _tensor(given[1], f"the targets of {where}")
    if inputs.dim() != 4 or not inputs.numel():
        shape = tuple(inputs.shape)
        raise UserError(f"the inputs of {where} must have a shape (n, channels, height, width), not {shape}")
    if len(inputs) != len(targets):
        raise UserError(f"{where} has {len(inputs)} inputs but {len(targets)} targets")
    if not inputs.isfinite().all():
        raise UserError(f"the inputs of {where} hold numbers that are not finite")
    return Split(
        inputs, _values(targets, where) if kind == "regression" else _numbers(inputs, targets, where, kind, classes)
    )


def _tensor(given: Any, what: str) -> Tensor:
    import torch

    try:
        tensor = given.detach().cpu() if isinstance(given, torch.Tensor) else torch.as_tensor(np.asarray(given))
        if tensor.is_complex():
            raise TypeError("they are complex")
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{what} are no array of numbers ({type(error).__name__}: {error})") from error
    return tensor if tensor.dim() else tensor[None]


def _values(targets: Tensor, where: str) -> Tensor:
    if targets.dim() != 1:
        raise UserError(f"the targets of {where} must be one value each, shape (n,), not {tuple(targets.shape)}")
    if not targets.isfinite().all():
        raise UserError(f"the targets of {where} hold numbers that are not finite")
    return targets.float()


def _numbers(inputs: Tensor, targets: Tensor, where: str, kind: Kind, classes: int) -> Tensor:
    wanted = (len(inputs), inputs.shape[3]) if kind == "language" else (len(inputs),)
    if tuple(targets.shape) != wanted or (kind == "language" and inputs.shape[2] != 1):
        raise UserError(
            f"the targets of {where} must be class numbers of shape {wanted}, not {tuple(targets.shape)}"
            + (", and inputs of height 1" if kind == "language" else "")
        )
    numbers = targets.long()
    if not bool((numbers == targets).all()):
        raise UserError(f"the targets of {where} must be whole numbers, the numbers of classes")
    least, most = int(numbers.min()), int(numbers.max())
    if least < 0 or most >= classes:
        raise UserError(
            f"the targets of {where} go from {least} to {most}, but its {classes} classes from 0 to {classes - 1}"
        )
    return numbers
