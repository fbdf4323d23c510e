"""Denoising of photographs: recover grey tiles of 8×8 pixels from copies with noise.

The photographs are those that scikit-image ships in lossless formats. All photographs are CC0 or
without known copyright, except the photograph of the moon. Each photograph is converted to grey,
halved in size and cut into tiles that do not overlap. All photographs contribute the same number of
tiles, and no tile is uniformly grey. The tiles have values from 0 to 1, and the noise is normal.
"""

import numpy as np

from surrogate_nas.core import package_folder
from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    cut,
    pooled,
    split_rng,
)

NAMES = "astronaut brick camera cell chelsea coffee coins grass gravel moon".split()
SIDE = 8
SIZES = (1000, 500, 1500)
_NOISE = 0.15
# What red, green and blue weigh in grey (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)
_BLACK = 255


def tiles() -> Array:
    """Return shuffled tiles with values from 0 to 1, the same number from each photograph, shape
    ``(3000, 1, 8, 8)``.
    """
    rng = split_rng()
    count = sum(SIZES) // len(NAMES)
    parts = [rng.permutation(_tiles(grey(name)))[:count] for name in NAMES]
    return rng.permutation(np.concatenate(parts))[:, None]


def grey(name: str) -> Array:
    """Return a photograph in grey at half its size, shape ``(height, width)``, with values from 0
    to 1.
    """
    from PIL import Image

    path = package_folder(("scikit-image", "skimage")) / "data" / f"{name}.png"
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"), np.float64) @ _LUMA / _BLACK
    height, width = (2 * (size // 2) for size in pixels.shape)
    return pooled(pixels[:height, :width], 2)


def _tiles(pixels: Array) -> Array:
    rows, columns = (size // SIDE for size in pixels.shape)
    inside = pixels[: rows * SIDE, : columns * SIDE]
    parted = inside.reshape(rows, SIDE, columns, SIDE).transpose(0, 2, 1, 3)
    tiles = parted.reshape(-1, SIDE, SIDE)
    return np.asarray(tiles[tiles.std((1, 2)) > 0])  # of one grey there are many alike


def load() -> Splits:
    """Return splits of noisy tiles with their clean originals: 1,000 for training, 500 for
    validation, 1,500 for testing.
    """
    clean = tiles()
    noise = split_rng(1).standard_normal(clean.shape)
    return cut(clean + _NOISE * noise, clean, SIZES)


TASK = Task(
    name="photographs",
    title="which pixels did this piece of a photograph have before the noise? 8×8",
    load=load,
    classes=1,
    kind="images",
    residual=False,
    schedule=Schedule(epochs=6, batch=50, learning_rate=0.05),
    measures=("psnr", "ssim", "mae"),
    source=(
        "photographs that scikit-image carries (CC0 or no known copyright, but for the moon's),"
        " noise added here"
    ),
    packages=("skimage",),
)
