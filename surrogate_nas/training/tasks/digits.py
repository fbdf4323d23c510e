"""Handwritten digits: scikit-learn's 1,797 real scans of 8×8 pixels; nothing to download, a run takes seconds."""

from __future__ import annotations

from surrogate_nas.training.tasks.base import Schedule, Task, split_images, standardise
from surrogate_nas.training.tasks.checking import Split

BRIGHTEST = 16
"""What a pixel can be at most."""


def load() -> dict[str, Split]:
    """Read the scans: 1,000 to train, 400 to validate, 397 to test."""
    return standardise(scans())


def scans(scale: float = 1.0) -> dict[str, Split]:
    """The scans as they are, in the same splits.

    Args:
        scale: What pixels are divided by.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    return split_images(digits.images[:, None] / scale, digits.target, (1000, 400, 397))


TASK = Task(
    name="digits",
    title="which digit is this? 8×8 scans",
    load=load,
    classes=10,
    residual=False,
    schedule=Schedule(epochs=5),
    source="scikit-learn's copy of the UCI optical recognition of handwritten digits",
)
