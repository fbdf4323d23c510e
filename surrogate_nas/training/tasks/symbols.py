"""Symbols one after another as inputs: what tasks of letters, notes, DNA and code share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogate_nas.training.tasks.base import cut
from surrogate_nas.training.tasks.checking import Split

NOTHING = -1
"""The number of a position behind a sequence."""


def numbered(
    sequences: Sequence[Sequence[str]], symbols: Sequence[str], length: int
) -> np.ndarray:
    """Number symbols by their place in a list, shape ``(n, length)``; `NOTHING` behind a sequence.

    Args:
        sequences: Texts, or other sequences of symbols, none longer than the length.
        symbols: All that occur.
        length: In positions.
    """
    place = {symbol: number for number, symbol in enumerate(symbols)}
    numbers = np.full((len(sequences), length), NOTHING, np.int64)
    for row, sequence in zip(numbers, sequences, strict=True):
        row[: len(sequence)] = [place[symbol] for symbol in sequence]
    return numbers


def one_hot(numbers: np.ndarray, kinds: int) -> np.ndarray:
    """A channel for every kind of symbol, shape ``(n, kinds, 1, length)``; zeros for `NOTHING`.

    Args:
        numbers: Of symbols, shape ``(n, length)``.
        kinds: How many there are.
    """
    is_kind = numbers[:, None, None] == np.arange(kinds)[:, None, None]
    return np.asarray(is_kind, np.float32)


def next_ones(numbers: np.ndarray, kinds: int, sizes: Sequence[int]) -> dict[str, Split]:
    """Splits of language modelling: symbols, and at every position the symbol behind it.

    Args:
        numbers: Of symbols, shape ``(n, positions + 1)``, in the order of the splits.
        kinds: How many there are.
        sizes: How many sequences of each split.
    """
    return cut(one_hot(numbers[:, :-1], kinds), numbers[:, 1:], sizes)
