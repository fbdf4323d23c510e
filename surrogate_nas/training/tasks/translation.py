"""Translation, character by character: what countries, regions, languages and money are called,
German to Serbian.

The names are the parallel phrase catalogues (gettext) of Debian's iso-codes, which the package
pycountry installs. Most pairs are one name written by ear in the other script (``leipzig``,
``лајпциг``), some are other words altogether, so copying is worthless, a table of letters goes far,
and the rest lies in the letters around. A name goes to one split with both its texts, so none is
seen in training. Answers are written by CTC: Serbian is seldom the longer.
"""

from __future__ import annotations

import gettext
import json
import unicodedata
from pathlib import Path

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.data_folders import has_phrases, phrases
from surrogate_nas.training.tasks.base import SPLIT_SEED, Schedule, Task, cut
from surrogate_nas.training.tasks.checking import Split

GERMAN = "abcdefghijklmnopqrstuvwxyzäöüß -'"
"""The characters read; others lose their accents, and names with further ones are left out."""
SERBIAN = "абвгдђежзијклљмнњопрстћуфхцчџш -"
"""The characters written, as classes from 1; class 0 is CTC's blank."""
LENGTH = 14
"""Positions that read and answer; names have up to two characters less, so that equal neighbours
can be parted.
"""
_SHORTEST = 3
_SIZES = (1000, 400, 400)
_NAMES = ("name", "official_name", "common_name", "inverted_name")


class _Missing(gettext.NullTranslations):
    def gettext(self, message: str) -> str:  # noqa: ARG002 - the signature of gettext
        return ""


def names() -> list[tuple[str, str]]:
    """Every name in both languages, lower-cased, none twice in either of them, in alphabetical
    order.
    """
    folder = phrases("translation")
    pairs: dict[str, str] = {}
    for file in sorted((folder / "databases").glob("iso*.json")):
        try:
            german, serbian = (
                _catalogue(folder / "locales", file.stem, language) for language in ("de", "sr")
            )
        except OSError as error:
            raise UserError(f"pycountry lacks the names of {file.stem}: {error}.") from error
        (entries,) = json.loads(file.read_text(encoding="utf-8")).values()
        for english in sorted({entry[key] for entry in entries for key in _NAMES if key in entry}):
            pair = plain(german.gettext(english)), serbian.gettext(english).lower()
            if _fits(*pair) and pair[0] not in pairs and pair[1] not in pairs.values():
                pairs[pair[0]] = pair[1]
    return sorted(pairs.items())


def _catalogue(folder: Path, domain: str, language: str) -> gettext.NullTranslations:
    catalogue = gettext.translation(domain, folder, [language])
    catalogue.add_fallback(_Missing())
    return catalogue


def plain(text: str) -> str:
    """Lower-case a text and take the accents off characters that `GERMAN` lacks."""
    return "".join(c if c in GERMAN else unicodedata.normalize("NFD", c)[0] for c in text.lower())


def _fits(german: str, serbian: str) -> bool:
    doubled = sum(a == b for a, b in zip(serbian, serbian[1:], strict=False))
    return (
        set(german) <= set(GERMAN)
        and set(serbian) <= set(SERBIAN)
        and all(_SHORTEST <= len(text) <= LENGTH - 2 for text in (german, serbian))
        and len(serbian) + doubled <= LENGTH
    )


def load() -> dict[str, Split]:
    """Write names as one character a position and numbers of characters: 1,000 / 400 / 400 of
    them.
    """
    pairs = names()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(pairs))
    inputs = np.zeros((sum(_SIZES), len(GERMAN), 1, LENGTH), np.float32)
    targets = np.zeros((sum(_SIZES), LENGTH - 2), np.int64)
    for row, place in enumerate(order[: sum(_SIZES)]):
        german, serbian = pairs[place]
        inputs[row, [GERMAN.index(c) for c in german], 0, np.arange(len(german))] = 1
        targets[row, : len(serbian)] = [SERBIAN.index(c) + 1 for c in serbian]
    return cut(inputs, targets, _SIZES)


TASK = Task(
    name="translation",
    title="what is this German name in Serbian? Character by character; error: wrong characters",
    load=load,
    classes=len(SERBIAN) + 1,
    kind="sequence",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=4, batch=16, learning_rate=0.5),
    source="the catalogues of names in the package pycountry (iso-codes, LGPL 2.1 or later)",
    is_here=has_phrases,
)
