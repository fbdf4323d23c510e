"""Segmentation of images: to which digit, if any, does each pixel belong? The network's outputs on
a coarse 4×4 grid are rearranged into outputs for every pixel.
"""

from surrogate_nas.training.tasks import Schedule, Splits, Task, as_split, standardise
from surrogate_nas.training.tasks.canvas import DIGITS, SOURCE, scenes

_FINER = 4


def load() -> Splits:
    """Return splits of scenes with the class of every pixel, as the module `canvas`
    generates them.
    """
    return standardise(
        {
            name: as_split(split.images, split.classes)
            for name, split in scenes().items()
        }
    )


TASK = Task(
    name="segmentation",
    title="to which digit does this pixel belong? one or two on 16×16 pixels",
    load=load,
    classes=1 + DIGITS,
    kind="segmentation",
    residual=False,
    outputs=(1 + DIGITS) * _FINER**2,
    schedule=Schedule(epochs=12, batch=16, learning_rate=1.0),
    source=SOURCE,
    packages=("sklearn",),
)
