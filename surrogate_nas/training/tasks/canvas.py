"""Scenes for detection and segmentation. A scene shows one or two of scikit-learn's scans of the
digits 0, 1 and 2 on 16×16 pixels.

Each split has its own scans, which are cropped to their ink. Two digits in a scene never overlap.
The centres of the two digits are always in different cells of the network's 4×4 output grid. With
all ten digits, a small network would learn too little in half a second.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from surrogate_nas.training.tasks import SPLITS, Array, split_rng
from surrogate_nas.training.tasks.digits import BRIGHTEST, published

DIGITS = 3
SIDE = 16
MOST = 2
SOURCE = "scikit-learn's digits 0, 1 and 2, placed here"
_PLACE = 4
# Of the blackest that a pixel can be: what is darker belongs to the digit.
_INK = 0.25
_SCANS = (300, 120, 117)
_SCENES = (600, 300, 300)


class Scenes(NamedTuple):
    """The generated scenes of one split.

    Attributes:
        images: Images with values from 0 to 1, shape ``(n, 1, 16, 16)``.
        classes: The class of every pixel, shape ``(n, 16, 16)``: 0 for the background, otherwise
            the digit plus 1.
        boxes: Two boxes per scene, shape ``(n, 2, 5)``. The five numbers are the digit (-1 for no
            object), the centre's x and y, and the width and height in pixels.
    """

    images: Array
    classes: Array
    boxes: Array


@lru_cache(maxsize=1)
def scenes() -> dict[str, Scenes]:
    """Generate the scenes of all splits: 600 for training, 300 for validation, 300 for testing."""
    images, labels = published()
    images = images[labels < DIGITS] / BRIGHTEST
    labels = labels[labels < DIGITS]
    rng = split_rng()
    parts = np.split(rng.permutation(len(images)), np.cumsum(_SCANS))
    by_split = {}
    for name, own, size in zip(SPLITS, parts, _SCENES, strict=False):
        examples = [_scene(images[own], labels[own], rng) for _ in range(size)]
        by_split[name] = Scenes(
            *(np.stack(part) for part in zip(*examples, strict=True))
        )
    return by_split


def _scene(images: Array, labels: Array, rng: np.random.Generator) -> Scenes:
    count = rng.integers(1, MOST + 1)
    while True:
        image = np.zeros((1, SIDE, SIDE))
        classes = np.zeros((SIDE, SIDE), np.int64)
        occupancy = np.zeros((SIDE, SIDE))
        boxes = np.tile((-1.0, 0, 0, 0, 0), (MOST, 1))
        for number, chosen in enumerate(rng.integers(len(images), size=count)):
            (top, left), (bottom, right) = (
                extreme(np.nonzero(images[chosen] > _INK), 1)
                for extreme in (np.min, np.max)
            )
            ink = images[chosen][top : bottom + 1, left : right + 1]
            height, width = ink.shape
            top = rng.integers(SIDE - height + 1)
            left = rng.integers(SIDE - width + 1)
            inside = (slice(top, top + height), slice(left, left + width))
            image[0][inside] += ink
            classes[inside] = np.where(ink > _INK, labels[chosen] + 1, 0)
            occupancy[inside] += 1
            middle = left + width / 2, top + height / 2
            boxes[number] = labels[chosen], *middle, width, height
        cells = np.unique(boxes[:count, 1:3] // _PLACE, axis=0)
        if occupancy.max() == 1 and len(cells) == count:
            return Scenes(image, classes, boxes)
