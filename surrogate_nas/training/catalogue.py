"""What tasks come with the project, as plain data: listing them needs neither PyTorch nor their data.

A test holds every entry against its task.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from surrogate_nas.training.places import has_cifar, has_fashion


class Entry(NamedTuple):
    """A task as a list shows it.

    Attributes:
        name: The key in `surrogate_nas.training.TASKS`.
        title: One line saying what is learned.
        source: Where the data comes from.
        epochs: The default length of a run.
        loss_unit: The unit of its losses.
        is_here: Whether the data can be read without a network.
    """

    name: str
    title: str
    source: str
    epochs: int
    loss_unit: str = "nats"
    is_here: Callable[[], bool] = lambda: True


_DIGITS = "scikit-learn's copy of the UCI optical recognition of handwritten digits"
_FASHION = "Fashion-MNIST, MIT licence, https://github.com/zalandoresearch/fashion-mnist"
_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar.html"
_TURNED = "by how much was this digit turned? error: more than 15° off"
_SIGNAL = "which digit made this signal? 40 samples, one-dimensional cells"
_NEXT = "which character comes next? Python's help texts; perplexity is exp(loss)"

CATALOGUE = (
    Entry("digits", "which digit is this? 8×8 scans", _DIGITS, 5),
    Entry("fashion", "which piece of clothing is this? Fashion-MNIST at 7×7", _FASHION, 5, is_here=has_fashion),
    Entry(
        "mnist1d", "which digit made this signal? 40 samples, one-dimensional cells", "the package mnist1d, seed 42", 10
    ),
    Entry("rotation", _TURNED, "scikit-learn's digits, turned here", 10, "squared error"),
    Entry("text", _NEXT, "pydoc_data.topics of the running Python", 3),
    Entry("cifar10", "CIFAR-10 at 32×32", _CIFAR, 12, is_here=partial(has_cifar, "cifar-10-batches-py")),
    Entry("cifar100", "CIFAR-100 at 32×32", _CIFAR, 12, is_here=partial(has_cifar, "cifar-100-python")),
)
"""The tasks in the order of `surrogate_nas.training.TASKS`."""
