"""Speech: which of twenty words was spoken, by a voice that training never heard?

The words are spoken by the synthesiser eSpeak NG (Duddington, Dunn and others; GPL 3 or later) in
three accents, by variants of its voice, at drawn pitches and speeds, and seen as mel bands in
noise. Variants of one name (``iven``, ``iven2``) are in one split. The sound depends on the version
of eSpeak NG; it is stored in the data directory, since speaking takes a minute.
"""

import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.files import home, replacing
from surrogate_nas.training.tasks import (
    SPLITS,
    Array,
    Schedule,
    Split,
    Splits,
    Task,
    as_split,
    audio,
    by_share,
    split_rng,
    standardise,
)

WORDS = (
    "zero one two three four five six seven eight nine yes no up down left right on off stop go"
).split()
_PROGRAM = "espeak-ng"
_ACCENTS = ("en-gb", "en-us", "en-gb-scotland")
# Variants that breathe, which they do differently at every call, and one that is too fast.
_LEFT_OUT = (
    "Alicia Demonic Reed Storm caleb f2 f3 f5 fast sandro victor whisper whisperf"
).split()
_SHARES = (0.4, 0.25, 0.35)
_SIZES = (1000, 800, 1600)
_PITCHES = (20, 80)
_SPEEDS = (130, 210)
_RATE = 22050
# Bytes before the samples of a wav file.
_HEAD = 44
_QUIET = 0.01
_LEAD = 0.07
_NOISE = 0.02
_BANDS = 16
_HOP = 0.018
_FRAMES = 36


def is_here() -> bool:
    """Whether the synthesiser is installed."""
    return shutil.which(_PROGRAM) is not None


def told(*arguments: str) -> bytes:
    """What the synthesiser writes for the arguments of its command."""
    if not is_here():
        raise UserError(
            "The task speech-words needs eSpeak NG: apt-get install espeak-ng."
        )
    ended = subprocess.run(
        [_PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
    )
    return ended.stdout


def spoken(word: str, voice: str, pitch: int, speed: int) -> Array:
    """A word as samples from -1 to 1, 22,050 a second, from its first sound on.

    Args:
        word: What is said.
        voice: Accent and variant, ``en-gb+f2``.
        pitch: From 0 to 99.
        speed: In words a minute.
    """
    content = told("--stdout", "-v", voice, "-p", str(pitch), "-s", str(speed), word)
    samples = np.frombuffer(content[_HEAD:], "<i2").astype(np.float32) / 2**15
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    if not len(loud):
        raise UserError(f"{_PROGRAM} says nothing with the voice {voice}.")
    return samples[loud[0] :]


def variants() -> list[list[str]]:
    """The variants of the voice, those of one name together, in alphabetical order."""
    listed = re.findall(r"!v/(\w+)\b(?! \w)", told("--voices=variant").decode())
    by_name: dict[str, list[str]] = {}
    for variant in sorted(set(listed) - set(_LEFT_OUT)):
        by_name.setdefault(variant.lower().rstrip("0123456789"), []).append(variant)
    return [by_name[name] for name in sorted(by_name)]


def heard(sound: Array, rng: np.random.Generator) -> Array:
    """Samples after a moment of silence, all in noise, as mel bands, shape ``(16, 1, 36)``."""
    lead = int(rng.integers(round(_LEAD * _RATE)))
    samples = np.zeros(round(_HOP * (_FRAMES + 1) * _RATE))
    said = sound[: len(samples) - lead]
    samples[lead : lead + len(said)] = said
    samples += _NOISE * rng.standard_normal(len(samples))
    return audio.log_mel(samples, _RATE, _BANDS, _HOP)[:, None, :_FRAMES]


def _splits() -> Splits:
    rng = split_rng()
    names = variants()
    parts = by_share(rng.permutation(len(names)), _SHARES)
    splits = {}
    for (split, part), size in zip(parts.items(), _SIZES, strict=True):
        own = [variant for i in part for variant in names[i]]
        labels = rng.integers(len(WORDS), size=size)
        voices = [
            f"{_ACCENTS[rng.integers(len(_ACCENTS))]}+{own[rng.integers(len(own))]}"
            for _ in range(size)
        ]
        pitches, speeds = (
            rng.integers(*range_, size=size) for range_ in (_PITCHES, _SPEEDS)
        )
        with ThreadPoolExecutor(os.cpu_count()) as at_once:
            sounds = at_once.map(
                spoken, [WORDS[label] for label in labels], voices, pitches, speeds
            )
            inputs = np.stack([heard(sound, rng) for sound in sounds])
        splits[split] = as_split(inputs, labels)
    return splits


def load() -> Splits:
    """Speak 1,000 / 800 / 1,600 words, or read those that were spoken before by this version of the
    synthesiser and of this file.
    """
    version = told("--version").split(b"Data")[0]
    key = hashlib.sha256(version + Path(__file__).read_bytes()).hexdigest()[:16]
    path = home() / "tasks" / f"speech-words-{key}.npz"
    try:
        with np.load(path) as stored:
            arrays = [stored[f"arr_{i}"] for i in range(2 * len(SPLITS))]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        arrays = [array for split in _splits().values() for array in split]
        with replacing(path) as temporary, temporary.open("wb") as opened:
            np.savez(opened, *arrays)
    parts = zip(arrays[::2], arrays[1::2], strict=True)
    return standardise(dict(zip(SPLITS, map(Split._make, parts), strict=True)))


TASK = Task(
    name="speech-words",
    title="which of twenty words was spoken? A synthesiser's voices never heard, in noise",
    load=load,
    classes=len(WORDS),
    channels=8,
    residual=False,
    schedule=Schedule(epochs=10, batch=32, learning_rate=0.05),
    source="words spoken by eSpeak NG (GPL 3 or later): apt-get install espeak-ng",
    has_files=is_here,
)
