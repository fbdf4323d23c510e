"""Classification of words: to which of eight languages does a word belong?

The words are the most frequent ones in film subtitles (OpenSubtitles: Lison and Tiedemann, LREC
2016), and are listed in the package pyspellchecker. Accents are removed, and words that occur in
the lists of several languages are omitted.
"""

import gzip
import json
import string
from collections import Counter

import numpy as np

from surrogate_nas.core import package_folder
from surrogate_nas.training.tasks import (
    SPLITS,
    Schedule,
    Split,
    Splits,
    Task,
    enough,
    numbered,
    one_hot,
    split_rng,
)
from surrogate_nas.training.tasks.languages import plain

LANGUAGES = ("de", "nl", "en", "fr", "it", "es", "pt", "lv")
"""The classes: three Germanic languages, four Romance ones and Latvian."""
LENGTH = 12
_SHORTEST = 6
_MOST = 20000
_SIZES = (500, 250, 500)


def frequent(language: str, most: int) -> list[str]:
    """Return the most frequent words of a language, given by its two-letter code."""
    folder = package_folder(("pyspellchecker", "spellchecker")) / "resources"
    times = json.loads(gzip.decompress((folder / f"{language}.json.gz").read_bytes()))
    return sorted(times, key=lambda word: (-times[word], word))[:most]


def own_words() -> list[list[str]]:
    """Return, for each language, the words of 6 to 12 letters that no other language has, in
    alphabetical order.
    """
    lists = [
        {plain(word) for word in frequent(code, _MOST) if _fits(word)}
        for code in LANGUAGES
    ]
    writers = Counter(word for words in lists for word in words)
    return [
        sorted(word for word in words if writers[word] == 1 and _fits(word))
        for words in lists
    ]


def _fits(word: str) -> bool:
    return word.isalpha() and _SHORTEST <= len(word) <= LENGTH


def load() -> Splits:
    """Encode words as one letter per position, the same number of words for each language: 4,000
    for training, 2,000 for validation, 4,000 for testing.
    """
    rng = split_rng()
    numbers = []
    for code, words in zip(LANGUAGES, own_words(), strict=True):
        what = f"words in {code} in pyspellchecker"
        chosen = enough(rng.permutation(words), sum(_SIZES), what)
        numbers.append(numbered(chosen, string.ascii_lowercase, LENGTH))
    parts = np.split(np.stack(numbers), np.cumsum(_SIZES)[:-1], axis=1)
    splits = {}
    for name, part in zip(SPLITS, parts, strict=True):
        letters = one_hot(part.reshape(-1, LENGTH), len(string.ascii_lowercase))
        splits[name] = Split(
            letters, np.repeat(np.arange(len(LANGUAGES)), part.shape[1])
        )
    return splits


TASK = Task(
    name="words",
    title="in which of eight languages is this word? 12 letters without accents",
    load=load,
    classes=len(LANGUAGES),
    channels=8,
    residual=False,
    schedule=Schedule(epochs=12, batch=32),
    source="words of OpenSubtitles in the package pyspellchecker (MIT)",
    packages=("spellchecker",),
    measures=("error", "nll", "ece"),  # a step against one-hot letters is no other word
)
