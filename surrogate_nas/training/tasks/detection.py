"""Object detection: which digits are in an image, and where? The network outputs a 4×4 grid with
one box per grid cell.
"""

from surrogate_nas.training.tasks import Schedule, Splits, Task, as_split, standardise
from surrogate_nas.training.tasks.canvas import DIGITS, SOURCE, scenes


def load() -> Splits:
    """Return splits of scenes with their boxes, as the module `canvas` generates them."""
    return standardise(
        {name: as_split(split.images, split.boxes) for name, split in scenes().items()}
    )


TASK = Task(
    name="detection",
    title="which digits stand where? one or two on 16×16 pixels",
    load=load,
    classes=DIGITS,
    kind="detection",
    residual=False,
    outputs=1 + DIGITS + 4,
    schedule=Schedule(epochs=12, batch=16, learning_rate=0.05),
    source=SOURCE,
    packages=("sklearn",),
)
