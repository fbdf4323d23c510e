"""Language modelling of the King James Bible (1611): predict the next character, with causal cells.

The text is taken from Debian's package bible-kjv, and is read by the package's own program. If
several verses begin with the same text, the text is used only once. The perplexity per character is
``exp(loss)``.
"""

import re
import shutil
import string
import subprocess
from pathlib import Path

from surrogate_nas.core import UserError
from surrogate_nas.training.tasks import (
    Schedule,
    Splits,
    Task,
    enough,
    next_ones,
    numbered,
    split_rng,
)

ALPHABET = " " + string.ascii_lowercase + ",.;:?"
TEXT = Path("/usr/lib/bible.data")
_PROGRAM = "bible"
_LENGTH = 48
_SIZES = (1500, 750, 1500)


def is_here() -> bool:
    """Return whether Debian's package bible-kjv, with the text and the program that reads it, is
    installed.
    """
    return TEXT.is_file() and shutil.which(_PROGRAM) is not None


def verses() -> list[str]:
    """Return all verses in the order of the Bible's books, written in the characters of
    `ALPHABET`.
    """
    if not is_here():
        raise UserError(
            "The task scripture needs Debian's bible-kjv: apt-get install bible-kjv."
        )
    output = subprocess.run(
        [_PROGRAM, "-f", "-l", "20000", "gen1:1-rev22:21"],
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
        text=True,
    )
    matches = re.findall(r"^\w+:\d+ (.*)$", output.stdout, re.MULTILINE)
    return [plain(verse) for verse in matches]


def plain(verse: str) -> str:
    """Return a verse without the characters that are not in `ALPHABET`."""
    return " ".join("".join(c for c in verse.lower() if c in ALPHABET).split())


def load() -> Splits:
    """Return splits with the first 49 characters of verses from all books: 1,500 for training, 750
    for validation, 1,500 for testing.
    """
    texts = sorted({verse[: _LENGTH + 1] for verse in verses() if len(verse) > _LENGTH})
    chosen = enough(
        split_rng().permutation(texts), sum(_SIZES), "verses that are long enough"
    )
    return next_ones(numbered(chosen, ALPHABET, _LENGTH + 1), len(ALPHABET), _SIZES)


TASK = Task(
    name="scripture",
    title="which character comes next? The King James Bible; perplexity is exp(loss)",
    load=load,
    classes=len(ALPHABET),
    kind="language",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=4, batch=32),
    source="the King James Bible (public domain) in Debian's bible-kjv: apt-get install bible-kjv",
    has_files=is_here,
)
