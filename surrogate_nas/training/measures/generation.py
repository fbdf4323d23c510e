"""Measures of made images against real ones, by the features of a small fixed classifier.

Real images need no labels: the classifier learns to tell their clusters (k-means) apart, as deep clustering does (Caron
et al., ECCV 2018). It is trained once in a process, on the training split's real images, the same for every network.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor

    from surrogate_nas.training.tasks.base import Task

Features = Callable[["Tensor"], "Tensor"]
CLUSTERS = 10
_FEATURES = 32
_EPOCHS = 40
NEIGHBOURS = 5
"""The radius of a real image is its distance to this neighbour among the real ones."""


def features_of(task: Task) -> Features:
    """The classifier's hidden layer: from images ``(n, channels, height, width)`` to ``(n, 32)`` float64.

    Args:
        task: Its training targets are the real images.
    """
    return _features(task.data["train"].targets)


@lru_cache(maxsize=4)
def _features(images: Tensor) -> Features:
    import torch
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    pixels = images.flatten(1).numpy().astype(np.float64)
    centre, scale = pixels.mean(), pixels.std()
    pixels = (pixels - centre) / scale
    clusters = KMeans(min(CLUSTERS, len(pixels)), n_init=1, random_state=0).fit_predict(pixels)
    classifier = MLPClassifier((_FEATURES,), max_iter=_EPOCHS, random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # it need not converge
        classifier.fit(pixels, clusters)
    weights, shifts = (torch.from_numpy(parts[0]) for parts in (classifier.coefs_, classifier.intercepts_))

    def features(made: Tensor) -> Tensor:
        flat = (made.flatten(1).double() - centre) / scale
        hidden: Tensor = flat @ weights.to(flat.device) + shifts.to(flat.device)
        return hidden.relu()

    return features


def frechet_distance(answers: Answers) -> Tensor:
    """The Fréchet distance of two normal distributions fitted to features of made and of real images; 0 is equal.

    Args:
        answers: Made images, shape ``(K, n, channels, height, width)``; targets are the real ones.
    """
    import torch

    features = features_of(answers.task)
    real = features(answers.targets)
    return torch.stack([frechet(features(made), real) for made in answers.outputs])


def frechet(a: Tensor, b: Tensor) -> Tensor:
    """The squared Fréchet distance of normal distributions fitted to two sets of features.

    Args:
        a: Shape ``(n, d)``.
        b: Shape ``(m, d)``.
    """
    import torch

    if not bool(a.isfinite().all()):
        return a.new_full((), torch.nan)
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(0), x.T.cov()) for x in (a, b))
    values, vectors = torch.linalg.eigh(cov_b)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ cov_a @ root).clamp(min=0).sqrt().sum()
    distance: Tensor = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * shared
    return distance.clamp(min=0)


def coverage(answers: Answers) -> Tensor:
    """The share of real images that have a made one within their radius (`NEIGHBOURS`), from 0 to 1.

    Args:
        answers: As in `frechet_distance`.
    """
    import torch

    features = features_of(answers.task)
    real = features(answers.targets)
    radii = torch.cdist(real, real).kthvalue(NEIGHBOURS + 1).values
    nearest = torch.stack([torch.cdist(real, features(made)).min(1).values for made in answers.outputs])
    return (nearest <= radii).double().mean(1)


FAMILY = (
    Measure(
        "frechet", "Fréchet distance of a small classifier's features (Heusel et al., NeurIPS 2017)",
        "squared distance", "loss", 1000.0, frechet_distance,
    ),
    Measure(
        "coverage", f"real images with a made one nearer than {NEIGHBOURS} real ones (Naeem et al., ICML 2020)", "",
        "quality", 0.0, coverage,
    ),
)  # fmt: skip
"""The measures of this file."""
