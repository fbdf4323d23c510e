"""Read recordings for tasks with speech and other sounds: trim them, and convert them to mel bands
over time.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.training.tasks import Array

# The lowest and the highest frequency that is seen.
_HERTZ = np.array([60, 8000])
_QUIET = 0.02
_FLOOR = 1e-4
_LOUDNESS = 0.3
_NOISE = (-7.0, -4.0)
SILENCE = float(np.log(_FLOOR))
"""The value of `log_mel` in silence."""


def read(path: Path, seconds: float) -> tuple[Array, int]:
    """Read a recording as one channel, scaled so that the loudest sample is 1. Silence at the
    beginning is removed.

    Args:
        path: The file.
        seconds: Maximum length in seconds. The rest of the recording is cut off, and so is silence
            at the end.

    Returns:
        The samples, shape ``(samples,)``, and the number of samples per second.
    """
    try:
        import soundfile
    except OSError as error:
        raise UserError(
            f"soundfile lacks the library that it needs: {error}."
        ) from error
    try:
        channels, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise UserError(f"{path} is not a readable recording: {error}.") from error
    samples = channels.mean(1)
    samples /= max(np.abs(samples).max(initial=0), _FLOOR)
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    if not len(loud):
        raise UserError(f"{path} contains no sound.")
    return samples[loud[0] : min(loud[-1] + 1, loud[0] + round(seconds * rate))], rate


def log_mel(samples: Array, rate: int, bands: int, hop: float) -> Array:
    """Return the logarithm of a recording's energy in mel bands (O'Shaughnessy's scale) from 60 Hz
    to 8 kHz, shape ``(bands, frames)``.

    Args:
        samples: Samples of the recording, shape ``(samples,)``.
        rate: Number of samples per second, at least 16,000.
        bands: Number of bands, which are evenly spaced on the mel scale.
        hop: Seconds from the start of one frame to the start of the next. A frame covers 4/3 of
            this time.
    """
    window = round(4 / 3 * hop * rate)
    padded = np.pad(samples, (0, max(0, window - len(samples))))
    starts = np.arange(0, len(padded) - window + 1, hop * rate).astype(int)
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2 / window
    energy = power @ _triangles(bands, window, rate)
    return np.asarray(np.log(energy + _FLOOR).T, np.float32)


def stretched(bands: Array, factor: float) -> Array:
    """Multiply the length of a recording by a factor. A longer recording has a slower tempo but the
    same pitch.
    """
    n = bands.shape[1]
    points = np.linspace(0, n - 1, max(1, round(factor * n)))
    return np.stack([np.interp(points, np.arange(n), band) for band in bands])


def warped(bands: Array, factor: float) -> Array:
    """Simulate a longer or a shorter vocal tract (Jaitly & Hinton, "Vocal tract length
    perturbation", 2013). Every band takes the values of the band at its index times a factor.
    """
    numbers = np.arange(len(bands))
    return np.stack(
        [np.interp(factor * numbers, numbers, frame) for frame in bands.T], 1
    )


def noisy(bands: Array, rng: np.random.Generator) -> Array:
    """Sample a loudness for every example, and add white noise of a random level."""
    shape = (len(bands), 1, 1, 1)
    loud = np.exp(bands + rng.normal(0, _LOUDNESS, shape))
    level = np.exp(rng.uniform(*_NOISE, shape))
    return np.asarray(
        np.log(loud + level * rng.exponential(size=bands.shape)), np.float32
    )


@lru_cache(maxsize=16)
def _triangles(bands: int, window: int, rate: int) -> Array:
    """Return the weight of every frequency in every band, shape ``(frequencies, bands)``."""
    low, high = 2595 * np.log10(1 + _HERTZ / 700)
    corners = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(window, 1 / rate)[:, None]
    rising = (hertz - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - hertz) / np.diff(corners)[1:]
    return np.maximum(0, np.minimum(rising, falling))
