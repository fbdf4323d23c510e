"""Denoising: handwritten digits of 8×8 pixels from copies with noise, answered pixel by pixel.

Real images are scikit-learn's scans, scaled to values from 0 to 1; the noise is normal, drawn once,
and not clipped.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.tasks.base import SPLIT_SEED, Schedule, Task, as_split
from surrogate_nas.training.tasks.checking import Split
from surrogate_nas.training.tasks.digits import BRIGHTEST, scans

NOISE = 0.3


def load() -> dict[str, Split]:
    """Noisy scans with clean ones: 1,000 / 400 / 397."""
    rng = np.random.default_rng(SPLIT_SEED)
    splits = {}
    for name, (clean, _) in scans(BRIGHTEST).items():
        splits[name] = as_split(clean + NOISE * rng.standard_normal(clean.shape), clean)
    return splits


TASK = Task(
    name="denoising",
    title="which pixels did this digit have before the noise? 8×8 scans",
    load=load,
    classes=1,
    kind="images",
    channels=4,
    residual=False,
    schedule=Schedule(epochs=8, batch=50, learning_rate=0.05),
    measures=("psnr", "ssim", "mae"),
    source=(
        "scikit-learn's copy of the UCI optical recognition of handwritten digits, noise added here"
    ),
)
