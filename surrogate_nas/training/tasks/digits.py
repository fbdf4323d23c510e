"""Handwritten digits: scikit-learn's 1,797 real scans of 8×8 pixels; nothing to download, a run takes seconds."""

from __future__ import annotations

from surrogate_nas.training.tasks.base import Schedule, Task, split_images, standardise
from surrogate_nas.training.tasks.checking import Split


def load() -> dict[str, Split]:
    """Read the scans: 1,000 to train, 400 to validate, 397 to test."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return standardise(split_images(digits.images[:, None], digits.target, (1000, 400, 397)))


TASK = Task(
    name="digits",
    title="which digit is this? 8×8 scans",
    load=load,
    classes=10,
    residual=False,
    schedule=Schedule(epochs=5),
    source="scikit-learn's copy of the UCI optical recognition of handwritten digits",
)
