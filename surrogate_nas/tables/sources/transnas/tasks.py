"""TransNAS-Bench-101's seven tasks: what was trained for how long, what is behind the backbone, and what was measured.

Epochs, image sizes and outputs are those of the authors' published configurations (``configs/train_from_scratch``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Quantity
from surrogate_nas.space.transnas.heads import Head

_PERCENT = 100.0


class Measure(NamedTuple):
    """One number that a task is judged by, as the files spell it and as we do.

    Attributes:
        name: Ours, behind the split.
        spelled: Theirs, behind the split; there larger is better.
        quantity: An error or a loss, of which smaller is better, or a quality.
        unit: Ours.
        what: It in words.
    """

    name: str
    spelled: str
    quantity: Quantity
    unit: str
    what: str

    def ours(self, theirs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values as they are in our tables: accuracies as errors, negated losses as losses; NaN for what is no number.

        Args:
            theirs: Shape ``(n,)``, as in the files.
        """
        values = theirs if self.quantity == "quality" else (_PERCENT if self.quantity == "error" else 0.0) - theirs
        return np.where(np.isfinite(values), values, np.nan)


class Task(NamedTuple):
    """One of the seven tasks.

    Attributes:
        title: It in words.
        epochs: Of a run.
        head: What is behind the backbone.
        outputs: How many numbers the head gives, at every position where it gives an image.
        measures: What its files hold of it, the main one first.
        last: The one of these that is held after the final epoch.
        image_size: Height and width of what the backbone sees.
    """

    title: str
    epochs: int
    head: Head
    outputs: int
    measures: tuple[Measure, ...]
    last: Measure
    image_size: int = 256


_TOP1 = Measure("error", "top1", "error", "%", "top-1 error")
_TOP5 = Measure("top5_error", "top5", "error", "%", "top-5 error")
_LOSS = Measure("loss", "neg_loss", "loss", "MSE", "mean squared error of nine layout parameters")
_MIOU = Measure("miou", "mIoU", "quality", "%", "mean intersection over union of 17 classes")
_PIXELS = Measure("pixel_accuracy", "acc", "quality", "%", "share of pixels that are given their class")
_SSIM = Measure("ssim", "ssim", "quality", "", "structural similarity to the target image")
_CLASSIFIED, _SIMILAR = (_TOP1, _TOP5), (_SSIM,)

TASKS: dict[str, Task] = {
    "class_object": Task("object classification", 25, "linear", 75, _CLASSIFIED, _TOP1),
    "class_scene": Task("scene classification", 25, "linear", 47, _CLASSIFIED, _TOP1),
    "jigsaw": Task("jigsaw puzzle", 10, "jigsaw", 1000, _CLASSIFIED, _TOP1, image_size=64),
    "room_layout": Task("room layout", 25, "linear", 9, (_LOSS,), _LOSS),
    "segmentsemantic": Task("semantic segmentation", 30, "segmentation", 17, (_MIOU, _PIXELS), _PIXELS),
    "normal": Task("surface normals", 30, "image", 3, _SIMILAR, _SSIM),
    "autoencoder": Task("autoencoding", 30, "image", 3, _SIMILAR, _SSIM),
}
"""By the name that the files have for it."""
