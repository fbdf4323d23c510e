"""Proxies from how a batch's examples differ inside an untrained network: jacob_cov, naswot; and zen.

Mellor et al., "Neural Architecture Search without Training": the first version (arXiv 2006.04647v1, 2020) correlates
the examples' input gradients, the published one (ICML 2021) compares which ReLUs they open. Lin et al., "Zen-NAS: A
Zero-Shot NAS for High-Performance Image Recognition", ICCV 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from surrogate_nas.training.proxies.watch import Watch

_JITTER = 1e-5
"""The k of Mellor et al.'s score."""
_LEAST = 1e-12
_RIDGE = 1e-3
"""Added to the counts of agreeing ReLUs, so that examples which agree on all of them leave a finite determinant."""
_STEP = 0.01
"""How far Zen-NAS moves its input, in standard deviations."""


def jacob_cov(jacobian: Tensor) -> float:
    """−Σ (log(v + k) + 1/(v + k)) over the eigenvalues v of the correlations of input gradients, k = 1e-5.

    Those that are 0 in every network, because an input has fewer numbers than the batch examples, are left out.

    Args:
        jacobian: Of every example, shape ``(batch, …)``; a network that ignores its input correlates perfectly.
    """
    rows: NDArray[np.float64] = jacobian.flatten(1).double().numpy()
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, norms, out=np.ones_like(rows) / math.sqrt(rows.shape[1]), where=norms > _LEAST)
    free = min(len(rows), rows.shape[1] - 1)
    eigenvalues = np.clip(np.linalg.eigvalsh(rows @ rows.T)[-free:], 0.0, None) + _JITTER
    return -float(np.sum(np.log(eigenvalues) + 1.0 / eigenvalues))


def naswot(relus: Sequence[Tensor]) -> float:
    """The log determinant of the counts of ReLUs on which two examples agree.

    Args:
        relus: What entered each ReLU, shape ``(batch, …)`` each; without any, examples agree on all there is.
    """
    if not relus:
        return math.log(_RIDGE)
    agreeing = torch.zeros((), dtype=torch.float64)
    for entering in relus:
        is_open = (entering.flatten(1) > 0).float()
        agreeing = agreeing + (is_open @ is_open.T + (1 - is_open) @ (1 - is_open).T).double()
    return float(torch.linalg.slogdet(agreeing + _RIDGE * torch.eye(agreeing.shape[-1], dtype=torch.float64))[1])


@torch.no_grad()
def zen(model: nn.Module, shape: torch.Size, seed: int) -> float:
    """The Zen-score: log of the mean move of the last features, plus the logs of the scales that were normalised away.

    Args:
        model: The network; its weights are drawn anew, standard normal.
        shape: Of a batch.
        seed: Of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.normal_(generator=generator)
    inputs = torch.randn(shape, generator=generator)
    moved = inputs + _STEP * torch.randn(shape, generator=generator)
    with Watch() as first:
        model(inputs)
    with Watch() as second:
        model(moved)
    if first.features is None or second.features is None:
        return math.log(_LEAST)
    move = float((first.features - second.features).abs().flatten(1).sum(1).mean())
    scales = (float(entering.var((0, 2, 3)).mean()) for entering in first.norms)
    return math.log(move + _LEAST) + sum(0.5 * math.log(scale) for scale in scales if scale > _LEAST)
