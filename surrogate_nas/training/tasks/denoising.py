"""Denoising of images: recover clean handwritten digits of 8×8 pixels, with values from 0 to 1,
from copies with normal noise.
"""

from surrogate_nas.training.tasks import Schedule, Splits, Task, as_split, split_rng
from surrogate_nas.training.tasks.digits import BRIGHTEST, scans

NOISE = 0.3


def load() -> Splits:
    """Return splits of noisy scans with their clean originals: 1,000 for training, 400 for
    validation, 397 for testing.
    """
    rng = split_rng()
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
    residual=False,
    schedule=Schedule(epochs=8, batch=50, learning_rate=0.05),
    measures=("psnr", "ssim", "mae"),
    source=(
        "scikit-learn's copy of the UCI optical recognition of handwritten digits, noise added here"
    ),
    packages=("sklearn",),
)
