"""Sequences of symbols as inputs, for tasks of letters and code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surrogate_nas.training.tasks.base import Array, Splits, cut

NOTHING = -1
"""The number of a position behind a sequence."""


def numbered(
    sequences: Sequence[Sequence[str]] | Array, symbols: Sequence[str], length: int
) -> Array:
    """Number symbols by their place in a list, shape ``(n, length)``; `NOTHING` behind a sequence.

    Args:
        sequences: Texts, or other sequences of symbols, none longer than the length.
        symbols: All that occur.
        length: In positions.
    """
    index = {symbol: number for number, symbol in enumerate(symbols)}
    numbers = np.full((len(sequences), length), NOTHING, np.int64)
    for row, sequence in zip(numbers, sequences, strict=True):
        row[: len(sequence)] = [index[symbol] for symbol in sequence]
    return numbers


def one_hot(numbers: Array, kinds: int) -> Array:
    """From numbers ``(n, length)`` to a channel for every kind of symbol, shape
    ``(n, kinds, 1, length)``; zeros for `NOTHING`.
    """
    is_kind = numbers[:, None, None] == np.arange(kinds)[:, None, None]
    return np.asarray(is_kind, np.float32)


def next_ones(numbers: Array, kinds: int, sizes: Sequence[int]) -> Splits:
    """Splits of language modelling: symbols, and at every position the symbol behind it.

    Args:
        numbers: Of symbols, shape ``(n, positions + 1)``, in the order of the splits.
        kinds: How many there are.
        sizes: How many sequences of each split.
    """
    return cut(one_hot(numbers[:, :-1], kinds), numbers[:, 1:], sizes)
