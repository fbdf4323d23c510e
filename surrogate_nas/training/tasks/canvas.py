"""Scenes for detection and segmentation: one or two of scikit-learn's scans of 0, 1 and 2 on 16×16
pixels.

Every split's scenes are made of scans of its own, cut to their ink. Two digits never overlap, nor
have their centres in one of the 4×4 places that a network answers at. There are three digits, since
of ten a small network learns too little in the half second that a training may take: all cells
would look alike.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from surrogate_nas.training.tasks.base import SPLIT_SEED
from surrogate_nas.training.tasks.checking import SPLITS
from surrogate_nas.training.tasks.digits import BRIGHTEST, published

DIGITS = 3
SIDE = 16
MOST = 2
SOURCE = "scikit-learn's digits 0, 1 and 2, placed here"
_PLACE = 4
_INK = 0.25
"""Of the blackest that a pixel can be: what is darker belongs to the digit."""
_SCANS = {"train": 300, "valid": 120, "test": 117}
_SCENES = {"train": 600, "valid": 300, "test": 300}


class Scenes(NamedTuple):
    """The scenes of a split.

    Attributes:
        images: Shape ``(n, 1, 16, 16)``, from 0 to 1.
        classes: Of every pixel, shape ``(n, 16, 16)``: 0 for the background, else one more than the
            digit.
        boxes: Shape ``(n, 2, 5)``: digit, centre x and y, width and height in pixels; a digit of -1
            is none.
    """

    images: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray


@lru_cache(maxsize=1)
def scenes() -> dict[str, Scenes]:
    """Draw the scenes of every split: 600 to train, 300 to validate, 300 to test."""
    images, labels = published("detection or segmentation")
    images = images[labels < DIGITS]
    labels = labels[labels < DIGITS]
    rng = np.random.default_rng(SPLIT_SEED)
    order = rng.permutation(len(images))
    start = 0
    by_split = {}
    for name in SPLITS:
        own = order[start : start + _SCANS[name]]
        start += _SCANS[name]
        drawn = [
            _scene(images[own] / BRIGHTEST, labels[own], rng) for _ in range(_SCENES[name])
        ]
        by_split[name] = Scenes(*(np.stack(part) for part in zip(*drawn, strict=True)))
    return by_split


def _scene(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Scenes:
    count = rng.integers(1, MOST + 1)
    while True:
        image = np.zeros((1, SIDE, SIDE))
        classes = np.zeros((SIDE, SIDE), np.int64)
        taken = np.zeros((SIDE, SIDE))
        boxes = np.tile((-1.0, 0, 0, 0, 0), (MOST, 1))
        for number, chosen in enumerate(rng.integers(len(images), size=count)):
            rows, columns = (
                np.flatnonzero((images[chosen] > _INK).any(axis)) for axis in (1, 0)
            )
            ink = images[chosen][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            height, width = ink.shape
            top = rng.integers(SIDE - height + 1)
            left = rng.integers(SIDE - width + 1)
            inside = (slice(top, top + height), slice(left, left + width))
            image[0][inside] += ink
            classes[inside] = np.where(ink > _INK, labels[chosen] + 1, 0)
            taken[inside] += 1
            boxes[number] = (
                labels[chosen],
                left + width / 2,
                top + height / 2,
                width,
                height,
            )
        if (
            taken.max() == 1
            and len(np.unique(boxes[:count, 1:3] // _PLACE, axis=0)) == count
        ):
            return Scenes(image, classes, boxes)
