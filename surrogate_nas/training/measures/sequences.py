"""Measures of sequences: perplexity where every position has a target, and error rates of texts read by CTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.losses.sequences import BLANK
from surrogate_nas.training.measures.base import Answers, Measure
from surrogate_nas.training.measures.classes import negative_log_likelihood

if TYPE_CHECKING:
    from torch import Tensor


def perplexity(answers: Answers) -> Tensor:
    """The exponential of the mean negative log-likelihood of a position: between how many it seems to choose.

    Args:
        answers: Scores of classes at every position.
    """
    return negative_log_likelihood(answers).exp()


def character_error(answers: Answers) -> Tensor:
    """Insertions, deletions and substitutions, over the characters of all targets, %; above 100 is possible.

    Args:
        answers: Scores ``(K, n, classes, positions)`` and targets ``(n, longest)`` as CTC has them.
    """
    return 100 * _distances(answers).sum(1).double() / (answers.targets != BLANK).sum()


def text_error(answers: Answers) -> Tensor:
    """The share of texts that are not read entirely right, %.

    Args:
        answers: As in `character_error`.
    """
    return 100 * (_distances(answers) > 0).double().mean(1)


def greedy(outputs: Tensor) -> Tensor:
    """The best class of every position, repetitions merged and blanks dropped, padded with blanks behind.

    Args:
        outputs: Scores, shape ``(…, classes, positions)``; the result has shape ``(…, positions)``.
    """
    best = outputs.argmax(-2)
    kept = best != BLANK
    kept[..., 1:] &= best[..., 1:] != best[..., :-1]
    places = (kept.cumsum(-1) - 1).clamp(min=0)
    return best.new_zeros(best.shape).scatter_add(-1, places, best * kept)


def distances(said: Tensor, meant: Tensor) -> Tensor:
    """The edit distance (Levenshtein 1966) of each pair of texts, shape ``(n,)``.

    Args:
        said: Shape ``(n, …)``, padded with blanks behind.
        meant: Likewise; the lengths may differ.
    """
    import torch

    columns = torch.arange(meant.shape[1] + 1, device=meant.device)
    row = columns.expand(len(meant), -1)
    for i, character in enumerate(said.unbind(1), 1):
        substituted = row[:, :-1] + (character[:, None] != meant)
        begun = torch.cat([torch.full_like(row[:, :1], i), torch.minimum(row[:, 1:] + 1, substituted)], 1)
        following = (begun - columns).cummin(1).values + columns  # insertions
        row = torch.where((character != BLANK)[:, None], following, row)
    return row.gather(1, (meant != BLANK).sum(1, keepdim=True)).squeeze(1)


def unaligned(answers: Answers) -> list[str]:
    """A note for each network that answers nothing but blanks, which no target is; empty for the others.

    Args:
        answers: As in `character_error`.
    """
    blank = (answers.outputs.argmax(2) == BLANK).flatten(1).all(1)
    return ["nothing was aligned: all answers are blank" if nothing else "" for nothing in blank.tolist()]


def _distances(answers: Answers) -> Tensor:
    """Shape ``(K, n)``."""
    said, meant = greedy(answers.outputs), answers.targets
    return distances(said.flatten(0, 1), meant.repeat(len(said), 1)).view(len(said), -1)


FAMILY = (
    Measure("perplexity", "exponential of the mean negative log-likelihood", "perplexity", "loss", 1e6, perplexity),
    Measure(
        "character_error", "edit distance of a text read by CTC's greedy decoding, of its length", "%", "error", 100.0,
        character_error,
    ),
    Measure("text_error", "share of texts that are not read entirely right", "%", "error", 100.0, text_error),
)  # fmt: skip
"""The measures of this file."""
