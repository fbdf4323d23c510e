"""Classification of sounds: which part of a drum kit was struck? The training, validation and test
splits use different drum kits.

The recordings are single strokes from Debian's package hydrogen-drumkits. The name of a recording's
file shows which part of the drum kit was struck. Files of other instruments (cowbell, rim, shakers)
are omitted. The inputs are the first 0.3 seconds of every stroke as mel bands over time, minus
their mean. The recorded strokes (197, 115 and 126 in the three splits) are repeated until all
classes are equally frequent. Each repetition varies the tempo (80 % to 120 %), the size of the
drum, the loudness and the noise, with a fixed seed.
"""

import re
from pathlib import Path

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
    audio,
    split_rng,
    standardise,
)

FOLDER = Path("/usr/share/hydrogen/data/drumkits")
KINDS = {
    "kick": r"kick|bassdrum|^bd|_bd_|_k_",
    "snare": r"snare|^s[dr]_|_sn_|^sn",
    "hihat": r"hat|^h[ho]|_[co]?hh_",
    "tom": r"tom|^(ft|t1|t2|tm)",
    "cymbal": r"crash|ride|splash|china|^cra|^[cr]c_|^rd",
}
"""The sounds, as classes from 0, with patterns for the names of their files; the first pattern that
matches determines the class.
"""
KITS = {
    "train": (
        "The Black Pearl 1.0",
        "Millo_MultiLayered2",
        "Millo_MultiLayered3",
        "Millo-Drums_v.1",
        "VariBreaks",
    ),
    "valid": ("ForzeeStereo", "HardElectro1", "Audiophob"),
    "test": ("BJA_Pacific", "ColomboAcousticDrumkit", "ElectricEmpireKit"),
}
_SIZES = {"train": 160, "valid": 160, "test": 200}
_SUFFIXES = (".aiff", ".flac", ".wav")
_BANDS = 16
_LENGTH = 24
_HOP = 0.0125
_SECONDS = 0.35

Stroke = tuple[Array, int]
"""Mel bands over time, shape ``(16, 24)``, and the class number."""


def kind_of(name: str) -> int | None:
    """Return the number of the class of sound in a file, given the file's name. Return None if the
    sound belongs to no class.
    """
    kinds = enumerate(KINDS.values())
    return next((i for i, pattern in kinds if re.search(pattern, name.lower())), None)


def strokes(kits: tuple[str, ...]) -> list[Stroke]:
    """Read all recorded strokes of some drum kits, in the order of the files' names."""
    results = []
    for kit in kits:
        files = sorted(
            path for path in (FOLDER / kit).rglob("*") if path.suffix in _SUFFIXES
        )
        if not files:
            raise UserError(
                f"The task sounds needs the drum kit in {FOLDER / kit}, which is part of Debian's"
                " hydrogen-drumkits: apt-get install hydrogen-drumkits."
            )
        for path in files:
            kind = kind_of(path.stem)
            if kind is not None:
                wave = audio.read(path, _SECONDS)
                results.append((_fitted(audio.log_mel(*wave, _BANDS, _HOP)), kind))
    return results


def _fitted(bands: Array) -> Array:
    """Cut bands, or pad them with silence, to the length of an example."""
    missing = max(0, _LENGTH - bands.shape[1])
    return np.pad(
        bands[:, :_LENGTH], ((0, 0), (0, missing)), constant_values=audio.SILENCE
    )


def repeated(
    strokes: list[Stroke], n: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Repeat recorded strokes of the five classes with small variations. Return mel bands
    ``(5 n, 16, 1, 24)`` and classes ``(5 n,)``.
    """
    kinds = [
        [stroke for stroke in strokes if stroke[1] == kind]
        for kind in range(len(KINDS))
    ]
    chosen = [group[rng.integers(len(group))] for group in kinds for _ in range(n)]
    again = []
    for bands, _ in chosen:
        stretched = audio.stretched(bands, rng.uniform(0.8, 1.2))
        again.append(_fitted(audio.warped(stretched, rng.uniform(0.9, 1.1))))
    inputs = audio.noisy(np.stack(again)[:, :, None], rng)
    # which takes the gain of its recording away
    inputs -= inputs.mean((1, 2, 3), keepdims=True)
    return inputs, np.array([kind for _, kind in chosen])


def load() -> Splits:
    """Generate splits by repeating recorded strokes: 800 examples for training, 800 for validation,
    1,000 for testing.
    """
    rng = split_rng()
    parts = {name: repeated(strokes(KITS[name]), n, rng) for name, n in _SIZES.items()}
    return standardise({name: as_split(*part) for name, part in parts.items()})


TASK = Task(
    name="sounds",
    title="which part of a drum kit was struck? Recordings of new drum kits",
    load=load,
    classes=len(KINDS),
    channels=8,
    residual=False,
    schedule=Schedule(epochs=6, batch=32, learning_rate=0.05),
    source="Debian's hydrogen-drumkits (GPL, CC): apt-get install hydrogen-drumkits",
    packages=("soundfile",),
    has_files=lambda: FOLDER.is_dir(),
)
