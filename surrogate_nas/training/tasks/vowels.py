"""Recognition of speakers, trained with CTC: who speaks, and in which order? An input joins two to
four utterances of a vowel.

The utterances are the data set Japanese Vowels (Kudo et al., "Multidimensional curve classification
using passing-through regions", 1999), which is part of the packages sktime and aeon. Nine men say
``ae``. An utterance has 7 to 29 frames of twelve cepstrum coefficients. Neighbouring utterances of
a sequence are from two different men. Each pair of successive frames is averaged into one frame.
The training split is the published training file. The validation and test splits are the two halves
of the published test file. At the default width and learning rate, the rankings of cells by two
seeds agree (figures: analysis/README.md, Calibration).
"""

from pathlib import Path

import numpy as np

from surrogate_nas.core import UserError, is_installed, package_folder
from surrogate_nas.training.tasks import (
    Array,
    Schedule,
    Splits,
    Task,
    as_split,
    split_rng,
    standardise,
)

SPEAKERS = 9
_NAME = "JapaneseVowels"
_LENGTH = 40
_FEWEST = 2
_MOST = 4
_SIZES = {"train": 800, "valid": 800, "test": 800}

Utterance = tuple[Array, int]
"""Frames, shape ``(12, length)``, and the speaker's number from 1."""


def carried(name: str) -> Path | None:
    """Return the folder of a data set of the UCR or UEA archive that an installed package contains,
    or None.
    """
    for package in ("sktime", "aeon"):  # neither is imported
        if is_installed(package):
            folder = package_folder((package, package)) / "datasets" / "data" / name
            if folder.is_dir():
                return folder
    return None


def series(task: str, name: str, part: str) -> list[tuple[Array, int]]:
    """Read a file of the UCR or UEA archive. Return each series, shape ``(channels, length)``, with
    its label.

    Args:
        task: The name of the task that needs the data set, for error messages.
        name: The name of the data set in the archive.
        part: The part of the data set, ``TRAIN`` or ``TEST``.
    """
    folder = carried(name)
    if folder is None:
        raise UserError(
            f"The task {task} needs files of the packages sktime or aeon: pip install"
            " 'surrogate_nas[tasks]'."
        )
    text = (folder / f"{name}_{part}.ts").read_text(encoding="utf-8")
    return parsed(text, name)


def parsed(text: str, name: str) -> list[tuple[Array, int]]:
    """Parse series from lines of text. In a line, channels are separated by colons, and the label
    comes last.
    """
    lines = [
        line.split(":")
        for line in text.splitlines()
        if line.strip() and line[0] not in "#@"
    ]
    try:
        results = []
        for *channels, label in lines:
            rows = [
                [float(value) for value in channel.split(",")] for channel in channels
            ]
            results.append((np.array(rows), int(label)))
    except ValueError as error:
        raise UserError(f"The file of {name} is damaged: {error}.") from error
    if not results:
        raise UserError(f"The file of {name} is damaged: it is empty.")
    return results


def joined(
    utterances: list[Utterance], n: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Join random utterances of several speakers into sequences. Return frames ``(n, 12, 1, 40)``
    and speakers ``(n, 4)``, both with zeros at the end.
    """
    inputs = np.zeros((n, len(utterances[0][0]), 1, _LENGTH), np.float32)
    targets = np.zeros((n, _MOST), np.int64)
    for row in range(n):
        count = rng.integers(_FEWEST, _MOST + 1)
        previous = 0
        frames_of = []
        for position in range(count):
            frames, speaker = utterances[rng.integers(len(utterances))]
            while speaker == previous:
                frames, speaker = utterances[rng.integers(len(utterances))]
            targets[row, position] = previous = speaker
            frames_of.append(frames)
        frames = np.concatenate(frames_of, 1)
        length = min(_LENGTH, frames.shape[1] // 2)
        pairs = frames[:, : 2 * length].reshape(len(frames), length, 2)
        inputs[row, :, 0, :length] = pairs.mean(2)
    return inputs, targets


def load() -> Splits:
    """Join utterances into 800 sequences each for training, validation and test. The three splits
    have 270, 185 and 185 utterances.
    """
    train, test = (
        checked(series("speech-vowels", _NAME, part)) for part in ("TRAIN", "TEST")
    )
    rng = split_rng()
    splits = {"train": train, "valid": test[::2], "test": test[1::2]}
    return standardise(
        {name: as_split(*joined(splits[name], n, rng)) for name, n in _SIZES.items()}
    )


def checked(utterances: list[Utterance]) -> list[Utterance]:
    """Return the utterances in float32, after checking that all speakers are present."""
    if {speaker for _, speaker in utterances} != {*range(1, SPEAKERS + 1)}:
        raise UserError(
            f"The file of {_NAME} is damaged: it lacks some of the nine speakers."
        )
    return [(frames.astype(np.float32), speaker) for frames, speaker in utterances]


TASK = Task(
    name="speech-vowels",
    title="who speaks, in which order? Japanese vowels of nine men, joined; error: wrong speakers",
    load=load,
    classes=SPEAKERS + 1,
    kind="sequence",
    channels=16,
    residual=False,
    strided=True,
    schedule=Schedule(epochs=4, batch=16, learning_rate=0.02),
    source="Japanese Vowels (UCI, CC BY 4.0), carried by the packages sktime and aeon",
    has_files=lambda: carried(_NAME) is not None,
)
