"""Classification of texts: in which of ten languages is a given name of a country, a language, a
script or a currency?

The names are taken from the gettext translations of Debian's iso-codes, which the package pycountry
installs. Accents are removed, so that no single letter reveals the language. A text is omitted if
it is the same in another of the ten languages, or in English. An item (such as a country) has names
in most of the languages. All names of an item belong to the same split.
"""

import gettext
import json
import string
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from surrogate_nas.core import package_folder
from surrogate_nas.training.tasks import (
    Schedule,
    Splits,
    Task,
    as_split,
    by_share,
    enough,
    numbered,
    one_hot,
    split_rng,
)

LANGUAGES = ("de", "nl", "sv", "fr", "it", "es", "pl", "hr", "hu", "tr")
"""The classes: three Germanic languages, three Romance ones, two Slavonic ones, Hungarian and
Turkish.
"""
ALPHABET = " " + string.ascii_lowercase
LENGTH = 32
_SHORTEST = 5
_SIZES = (150, 130, 190)
# In so many of the languages a thing must have a name of its own.
_KNOWN = 7
_STANDARDS = ("iso15924", "iso3166-1", "iso3166-3", "iso4217", "iso639-3", "iso639-5")
_NAMES = ("name", "official_name", "common_name", "inverted_name")
_PLAIN = str.maketrans({"ł": "l", "ı": "i", "ß": "ss", "ø": "o", "æ": "ae", "œ": "oe"})


def phrases() -> tuple[Path, dict[str, list[str]]]:
    """Return the folder of pycountry's gettext translations, and the English names that each ISO
    standard contains.
    """
    folder = package_folder(("pycountry", "pycountry"))
    names = {}
    for file in sorted((folder / "databases").glob("iso*.json")):
        (entries,) = json.loads(file.read_text(encoding="utf-8")).values()
        names[file.stem] = sorted(
            {entry[k] for entry in entries for k in _NAMES if k in entry}
        )
    return folder / "locales", names


def plain(text: str) -> str:
    """Write a text in the letters of `ALPHABET`: in lower case, without accents, and with a space
    for every other character.
    """
    bare = unicodedata.normalize("NFD", text.lower().translate(_PLAIN))
    letters = "".join(
        c if c in ALPHABET else " " for c in bare if not unicodedata.combining(c)
    )
    return " ".join(letters.split())


def names() -> list[dict[str, str]]:
    """Return, for each item, a dict with the item's name in every language that has a suitable and
    unambiguous name.

    A name is omitted if two languages share it. An item is omitted if too few languages have a name
    for it.
    """
    locales, english_names = phrases()
    called: dict[str, dict[str, str]] = {}
    for standard in _STANDARDS:
        translators = {
            code: gettext.translation(standard, locales, [code], fallback=True).gettext
            for code in LANGUAGES
        }
        for english in english_names[standard]:
            called.setdefault(plain(english), {}).update(
                {code: plain(say(english)) for code, say in translators.items()}
            )
    writers = Counter(name for by_code in called.values() for name in by_code.values())
    own = [
        {
            code: name
            for code, name in by_code.items()
            if name != english
            and writers[name] == 1
            and _SHORTEST <= len(name) <= LENGTH
        }
        for english, by_code in sorted(called.items())
    ]
    return [by_code for by_code in own if len(by_code) >= _KNOWN]


def load() -> Splits:
    """Encode names as one letter per position, the same number of names for each language: 1,500
    for training, 1,300 for validation, 1,900 for testing.
    """
    entries = names()
    order = split_rng().permutation(len(entries))
    splits = {}
    for (split, part), size in zip(
        by_share(order, _SIZES).items(), _SIZES, strict=True
    ):
        texts: list[str] = []
        for code in LANGUAGES:
            own = [entries[i][code] for i in part if code in entries[i]]
            texts += enough(
                own, size, f"names in {code} for the {split} split in pycountry"
            )
        letters = one_hot(numbered(texts, ALPHABET, LENGTH), len(ALPHABET))
        splits[split] = as_split(letters, np.repeat(np.arange(len(LANGUAGES)), size))
    return splits


TASK = Task(
    name="languages",
    title="in which of ten languages is this name? 32 letters without accents",
    load=load,
    classes=len(LANGUAGES),
    channels=8,
    residual=False,
    schedule=Schedule(epochs=24, batch=32),
    source="the catalogues of names in the package pycountry (iso-codes, LGPL 2.1)",
    packages=("pycountry",),
    measures=("error", "nll", "ece"),  # a step against one-hot letters is no other text
)
