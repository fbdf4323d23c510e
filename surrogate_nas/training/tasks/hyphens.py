"""Hyphenation of German words: before which letters may a word be broken?

The words are frequent in film subtitles (OpenSubtitles: Lison and Tiedemann, LREC 2016), and are
listed in the package pyspellchecker. The breaks are given by TeX's patterns (Liang, "Word
Hy-phen-a-tion by Com-put-er", 1983) in the package pyphen. Cells are causal, so whether a word may
be broken before a letter is predicted at the following letter.
"""

import numpy as np

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
from surrogate_nas.training.tasks.words import frequent

LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß"
LENGTH = 16
_DELAY = 1
_SHORTEST = 7
# Letters of a word before its first and behind its last break, at least.
_MARGIN = 2
_MOST = 20000
_SIZES = (1000, 1000, 2500)


def words() -> list[str]:
    """Return German words of 7 to 16 letters, the most frequent first."""
    return [
        word
        for word in frequent("de", _MOST)
        if _SHORTEST <= len(word) <= LENGTH and set(word) <= set(LETTERS)
    ]


def load() -> Splits:
    """Return words as letters, with a target at each letter: whether a break precedes the previous
    letter. There are 1,000 words for training, 1,000 for validation, 2,500 for testing.
    """
    import pyphen

    hyphenate = pyphen.Pyphen(lang="de_DE", left=_MARGIN, right=_MARGIN)
    what = "German words in pyspellchecker"
    chosen = enough(split_rng().permutation(words()), sum(_SIZES), what)
    targets = np.zeros((len(chosen), LENGTH), np.int64)
    for row, word in zip(targets, chosen, strict=True):
        row[[position + _DELAY for position in hyphenate.positions(word)]] = 1
    letters = numbered(chosen, LETTERS, LENGTH)
    return cut(one_hot(letters, len(LETTERS)), targets, _SIZES)


TASK = Task(
    name="hyphens",
    title="before which letters may this German word be broken?",
    load=load,
    classes=2,
    kind="language",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=6, batch=32, learning_rate=0.05),
    source=(
        "words of OpenSubtitles in the package pyspellchecker (MIT), TeX's patterns in the package"
        " pyphen (LPPL and LGPL 2 or later)"
    ),
    packages=("spellchecker", "pyphen"),
)
