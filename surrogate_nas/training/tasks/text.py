"""Language modelling of Python's own help texts: predict the next character, with causal
one-dimensional cells.

The perplexity per character is ``exp(loss)``. The help texts ship with the Python interpreter, so
the splits differ slightly between versions of Python.
"""

import string

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.training.tasks import Array, Schedule, Splits, Task, next_ones

ALPHABET = "\n " + string.ascii_lowercase + "0.,:;'\"()[]{}=-_*`/<>?"
"""The distinct characters: letters lower-cased, digits as 0, anything else as ``?``."""
_LENGTH = 64
_SIZES = (2000, 500, 500)


def load() -> Splits:
    """Divide the text into windows of 64 characters, in order: 2,000 for training, 500 for
    validation, 500 for testing.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise UserError(
            "The task text needs Python's help texts (pydoc_data), which this Python lacks."
        ) from error
    codes = encode("\n".join(topics[name] for name in sorted(topics)))
    # Topics are sorted by name, so contiguous windows of a split come from topics of its own.
    starts = np.arange(sum(_SIZES)) * (len(codes) // sum(_SIZES))
    windows = codes[starts[:, None] + np.arange(_LENGTH + 1)]
    return next_ones(windows, len(ALPHABET), _SIZES)


def encode(text: str) -> Array:
    """Replace each character of a text by its index in `ALPHABET`. The result has shape
    ``(length,)``.
    """
    index = {character: i for i, character in enumerate(ALPHABET)}
    plain = ("0" if c.isdigit() else c for c in text.lower())
    return np.array([index.get(c, index["?"]) for c in plain], dtype=np.int64)


TASK = Task(
    name="text",
    title="which character comes next? Python's help texts; perplexity is exp(loss)",
    load=load,
    classes=len(ALPHABET),
    kind="language",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=3, batch=32),
    source="pydoc_data.topics of the running Python",
)
