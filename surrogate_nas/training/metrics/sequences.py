"""Metrics of sequences: the perplexity if every position has a target, and error rates of texts
that are decoded by CTC.
"""

from typing import Any

import numpy as np

from surrogate_nas.training.losses.sequences import BLANK
from surrogate_nas.training.machine import Array, exp
from surrogate_nas.training.metrics import Predictions, TaskMetric
from surrogate_nas.training.metrics.classes import negative_log_likelihood


def _perplexity(predictions: Predictions) -> Any:
    return exp(negative_log_likelihood(predictions))


def _character_error(predictions: Predictions) -> Any:
    return 100 * _distances(predictions).sum(1) / (predictions.targets != BLANK).sum()


def _text_error(predictions: Predictions) -> Any:
    return 100 * (_distances(predictions) > 0).mean(1)


def greedy(outputs: Array) -> Any:
    """Return the greedy decoding of CTC scores ``(…, classes, positions)``: the best class of every
    position, with repetitions merged and blanks removed.

    Blanks pad every decoded text at the end.
    """
    best = outputs.argmax(-2)
    changes = best != BLANK
    changes[..., 1:] &= best[..., 1:] != best[..., :-1]
    *rows, _ = where = np.nonzero(changes)
    decoded = np.full_like(best, BLANK)
    decoded[(*rows, (changes.cumsum(-1) - 1)[where])] = best[where]
    return decoded


def distances(written: Array, meant: Array) -> Array:
    """Return the edit distance (Levenshtein 1966) of each pair of texts. Texts have the shape
    ``(n, …)`` and are padded with blanks at the end.
    """
    columns = np.arange(meant.shape[1] + 1)
    row = np.tile(columns, (len(meant), 1))
    longest = (written != BLANK).sum(1).max(initial=0)
    for i, character in enumerate(written[:, :longest].T, 1):
        begun = np.full_like(row, i)
        replaced = row[:, :-1] + (character[:, None] != meant)
        np.minimum(row[:, 1:] + 1, replaced, out=begun[:, 1:])
        following = np.minimum.accumulate(begun - columns, 1) + columns  # insertions
        row = np.where((character != BLANK)[:, None], following, row)
    return np.take_along_axis(row, (meant != BLANK).sum(1, keepdims=True), 1).squeeze(1)


def unaligned(predictions: Predictions) -> list[str]:
    """Return a note for each network that outputs only blanks, as no target does. The note is empty
    for other networks.
    """
    blank = (predictions.outputs.argmax(2) == BLANK).all((1, 2))
    note = "nothing was aligned: all answers are blank"
    return [note if nothing else "" for nothing in blank.tolist()]


def _distances(predictions: Predictions) -> Any:
    return np.stack(
        [
            distances(written, predictions.targets)
            for written in greedy(predictions.outputs)
        ]
    )


FAMILY = (
    TaskMetric(
        "perplexity",
        "exponential of the mean negative log-likelihood",
        "perplexity",
        "loss",
        1e6,
        _perplexity,
    ),
    TaskMetric(
        "character_error",
        "edit distance of a text read by CTC's greedy decoding, of its length",
        "%",
        "error",
        100.0,
        _character_error,
    ),
    TaskMetric(
        "text_error",
        "share of texts that are not read entirely right",
        "%",
        "error",
        100.0,
        _text_error,
    ),
)
