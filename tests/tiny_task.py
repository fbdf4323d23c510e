"""A task of a user's own: a few of scikit-learn's digits at 8×8, one epoch, fractions of a second a
cell.
"""

from sklearn.datasets import load_digits

from surrogate_nas.training.tasks import Schedule, Task, split_images


def _load():
    digits = load_digits()
    return split_images(digits.images[:, None] / 16, digits.target, (96, 64, 64))


def _raise():
    raise RuntimeError("the disk is on the moon")


def _halved():
    return {"train": _load()["train"]}


TINY = Task(
    "tiny", "a few digits", _load, 10, channels=2, schedule=Schedule(epochs=1, batch=32)
)
RAISES = Task("raises", "no data", _raise, 10)
HALVED = Task("halved", "one split", _halved, 10)
