"""Speech to text, trained with CTC: which two or three letters does a voice say? The voices of the
test split are not in the training split.

The recordings are taken from Debian's klettres-data (KDE's tutor of alphabets), in which one voice
per language says every letter once. The task uses six letters that have similar names in fourteen
languages. Nine voices are for training, two for validation, and three for testing. The pauses
between letters, tempo (80 % to 120 %), loudness and noise are sampled with a fixed seed. For
training, the length of the vocal tract is sampled, too. All sequences of a split are composed of
its few recordings (54, 12 and 18 in the three splits), so the sequences are not independent. From
each sequence, the mean of every mel band is subtracted.
"""

import xml.etree.ElementTree as ElementTree
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

FOLDER = Path("/usr/share/klettres")
LETTERS = "AIMOSU"
"""The letters, as classes from 1; class 0 is CTC's blank."""
VOICES = {
    "train": ("cs", "da", "de", "fr", "hu", "nb", "nl", "pt_BR", "ru"),
    "valid": ("es", "nds"),
    "test": ("it", "lt", "uk"),
}
_LATIN = dict(zip("АИМОСУ", LETTERS, strict=True))
_SIZES = {"train": 800, "valid": 500, "test": 700}
_BANDS = 16
_LENGTH = 32
_HOP = 0.045
_SECONDS = 0.7
_LEAD = 5
_WARP = 0.12
_FEWEST = 2
_MOST = 3


def recordings(language: str) -> list[Array]:
    """Return the spoken letters of one voice in the order of `LETTERS`, each as mel bands over
    time, shape ``(16, frames)``.
    """
    table = FOLDER / language / "sounds.xml"
    try:
        sounds = list(ElementTree.parse(table).getroot().iterfind(".//alphabet/sound"))
    except (OSError, ElementTree.ParseError) as error:
        raise UserError(
            f"The task speech-letters needs {table} of Debian's klettres-data: apt-get install"
            " klettres-data."
        ) from error
    files = {
        _LATIN.get(sound.get("name", ""), sound.get("name")): sound.get("file", "")
        for sound in sounds
    }
    lacking = [letter for letter in LETTERS if letter not in files]
    if lacking:
        raise UserError(f"{table} lacks the letters {', '.join(lacking)}.")
    waves = (audio.read(FOLDER / files[letter], _SECONDS) for letter in LETTERS)
    return [audio.log_mel(*wave, _BANDS, _HOP) for wave in waves]


def spoken(
    voices: list[list[Array]], n: int, rng: np.random.Generator, warp: float
) -> tuple[Array, Array]:
    """Join random spoken letters into sequences, each of one voice, and add noise.

    Args:
        voices: The recorded letters of each voice.
        n: Number of sequences to generate.
        rng: The random number generator.
        warp: Maximum relative change of the vocal tract's length.

    Returns:
        Mel bands of the sequences, shape ``(n, 16, 1, 32)``, and numbers of the spoken letters,
        shape ``(n, 3)``, with zeros at the end.
    """
    inputs = np.full((n, _BANDS, 1, _LENGTH), audio.SILENCE, np.float32)
    targets = np.zeros((n, _MOST), np.int64)
    for row in range(n):
        voice = voices[rng.integers(len(voices))]
        letters = rng.integers(len(LETTERS), size=rng.integers(_FEWEST, _MOST + 1))
        targets[row, : len(letters)] = letters + 1
        start = int(rng.integers(_LEAD))
        throat = rng.uniform(1 - warp, 1 + warp)
        for letter in letters:
            sound = audio.stretched(voice[letter], rng.uniform(0.8, 1.2))
            sound = audio.warped(sound, throat)[:, : _LENGTH - start]
            inputs[row, :, 0, start : start + sound.shape[1]] = sound
            start = min(_LENGTH, start + sound.shape[1] + int(rng.integers(1, 4)))
    inputs = audio.noisy(inputs, rng)
    return inputs - inputs.mean(3, keepdims=True), targets


def load() -> Splits:
    """Join recordings into sequences: 800 for training, 500 for validation, 700 for testing."""
    rng = split_rng()
    splits = {}
    for name, n in _SIZES.items():
        voices = [recordings(language) for language in VOICES[name]]
        splits[name] = as_split(*spoken(voices, n, rng, _WARP * (name == "train")))
    return standardise(splits)


TASK = Task(
    name="speech-letters",
    title=(
        "which letters were spoken? Joined recordings of new voices; error: wrong letters"
    ),
    load=load,
    classes=len(LETTERS) + 1,
    kind="sequence",
    channels=8,
    residual=False,
    strided=True,
    schedule=Schedule(epochs=4, batch=16, learning_rate=0.2),
    source="Debian's klettres-data (GPL 2 or later): apt-get install klettres-data",
    packages=("soundfile",),
    has_files=lambda: FOLDER.is_dir(),
)
