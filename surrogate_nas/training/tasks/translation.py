"""Translation from German to Serbian, character by character: names of countries, regions,
languages and currencies.

The names are taken from the gettext translations of Debian's iso-codes, which the package pycountry
installs. Most pairs are a name and its transcription in the other script, such as ``leipzig`` and
``лајпциг``. Some pairs are different words. The German and the Serbian text of a name belong to the
same split.
"""

import gettext
import unicodedata
from pathlib import Path

from surrogate_nas.core import UserError
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
from surrogate_nas.training.tasks.languages import phrases

GERMAN = "abcdefghijklmnopqrstuvwxyzäöüß -'"
"""The characters of the inputs. Accents of other characters are removed; names with further
characters are omitted.
"""
SERBIAN = "абвгдђежзијклљмнњопрстћуфхцчџш -"
"""The characters of the outputs, as classes from 1; class 0 is CTC's blank."""
LENGTH = 14
"""The number of input and output positions. Names have at most two characters less, so that equal
neighbours can be separated.
"""
_SHORTEST = 3
_SIZES = (1000, 400, 400)


class _Missing(gettext.NullTranslations):
    def gettext(self, message: str) -> str:
        return ""


def names() -> list[tuple[str, str]]:
    """Return every name as a pair of German and Serbian texts in lower case, in alphabetical order.
    Each text occurs only once.
    """
    locales, english_names = phrases()
    pairs: dict[str, str] = {}
    for standard, names in english_names.items():
        try:
            german, serbian = (
                _catalogue(locales, standard, code) for code in ("de", "sr")
            )
        except OSError as error:
            raise UserError(
                f"pycountry lacks the names of {standard}: {error}."
            ) from error
        for english in names:
            pair = plain(german.gettext(english)), serbian.gettext(english).lower()
            if _fits(*pair) and pair[0] not in pairs and pair[1] not in pairs.values():
                pairs[pair[0]] = pair[1]
    return sorted(pairs.items())


def _catalogue(folder: Path, domain: str, language: str) -> gettext.NullTranslations:
    catalogue = gettext.translation(domain, folder, [language])
    catalogue.add_fallback(_Missing())
    return catalogue


def plain(text: str) -> str:
    """Convert a text to lower case, and remove the accents of all characters that are not in
    `GERMAN`.
    """
    return "".join(
        c if c in GERMAN else unicodedata.normalize("NFD", c)[0] for c in text.lower()
    )


def _fits(german: str, serbian: str) -> bool:
    doubled = sum(a == b for a, b in zip(serbian, serbian[1:], strict=False))
    return (
        set(german) <= set(GERMAN)
        and set(serbian) <= set(SERBIAN)
        and all(_SHORTEST <= len(text) <= LENGTH - 2 for text in (german, serbian))
        and len(serbian) + doubled <= LENGTH
    )


def load() -> Splits:
    """Encode names as one character per position, with numbers of characters as targets: 1,000 for
    training, 400 for validation, 400 for testing.
    """
    pairs = enough(split_rng().permutation(names()), sum(_SIZES), "names in pycountry")
    german, serbian = pairs.T
    inputs = one_hot(numbered(german, GERMAN, LENGTH), len(GERMAN))
    return cut(inputs, numbered(serbian, SERBIAN, LENGTH - 2) + 1, _SIZES)


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
    packages=("pycountry",),
)
