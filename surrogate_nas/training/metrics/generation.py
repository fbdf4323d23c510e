"""Metrics that compare generated images with real images by the features of a small fixed
classifier.

The classifier needs no labels. The classifier learns to distinguish clusters (k-means) of real
images, as in deep clustering (Caron et al., ECCV 2018). The classifier is trained once per process
on the real images of the training split, and is the same for every evaluated network.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from surrogate_nas.training.machine import Array
from surrogate_nas.training.metrics import Predictions, TaskMetric

Features = Callable[[Array], Array]
CLUSTERS = 10
_FEATURES = 32
_EPOCHS = 40
NEIGHBOURS = 5
"""The radius of a real image is its distance to the neighbour of this rank among the real
images.
"""


# The classifiers of this process with the images that they learned from, the newest last.
_CACHE: list[tuple[Array, Features]] = []


def features_of(task: Any) -> Features:
    """Return a function that computes the hidden layer of the classifier, from images
    ``(n, channels, height, width)`` to features ``(n, 32)``.
    """
    images = task.data["train"].targets
    for cached, features in _CACHE:
        if cached is images:
            return features
    _CACHE.append((images, _learned(images)))
    del _CACHE[:-4]
    return _CACHE[-1][1]


def _learned(images: Array) -> Features:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    pixels = images.reshape(len(images), -1).astype(np.float64)
    centre = pixels.mean()
    scale = pixels.std()
    pixels = (pixels - centre) / scale
    clusters = KMeans(min(CLUSTERS, len(pixels)), n_init=1, random_state=0).fit_predict(
        pixels
    )
    classifier = MLPClassifier((_FEATURES,), max_iter=_EPOCHS, random_state=0)
    # it need not converge
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        classifier.fit(pixels, clusters)
    weights = classifier.coefs_[0]
    shifts = classifier.intercepts_[0]

    def features(fake: Array) -> Array:
        flat = (fake.reshape(len(fake), -1).astype(np.float64) - centre) / scale
        return np.asarray(np.maximum(flat @ weights + shifts, 0))

    return features


def _frechet_distance(predictions: Predictions) -> Any:
    features = features_of(predictions.task)
    real = features(predictions.targets)
    return np.array([frechet(features(fake), real) for fake in predictions.outputs])


def frechet(a: Array, b: Array) -> float:
    """Return the squared Fréchet distance between normal distributions that are fitted to two sets
    of features, each of shape ``(n, d)``.
    """
    if not np.isfinite(a).all():
        return float("nan")
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(0), np.cov(x.T)) for x in (a, b))
    values, vectors = np.linalg.eigh(cov_b)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_a @ root), 0)).sum()
    apart = np.square(mean_a - mean_b).sum()
    return max(0.0, float(apart + cov_a.trace() + cov_b.trace() - 2 * shared))


def coverage(predictions: Predictions) -> Any:
    """Return the share of real images, from 0 to 1, that are covered: a generated image is no
    farther away than the real image's nearest real neighbour number `NEIGHBOURS`.
    """
    features = features_of(predictions.task)
    real = features(predictions.targets)
    radii = np.partition(_squared_distances(real, real), NEIGHBOURS, 1)[:, NEIGHBOURS]
    nearest = np.array(
        [
            _squared_distances(real, features(fake)).min(1)
            for fake in predictions.outputs
        ]
    )
    return (nearest <= radii).mean(1)


def _squared_distances(a: Array, b: Array) -> Any:
    """Return the squared distance of every pair of rows of ``(n, d)`` and ``(m, d)``, shape
    ``(n, m)``.
    """
    return np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T


FAMILY = (
    TaskMetric(
        "frechet",
        "Fréchet distance of a small classifier's features (Heusel et al., NeurIPS 2017)",
        "squared distance",
        "loss",
        1000.0,
        _frechet_distance,
    ),
    TaskMetric(
        "coverage",
        f"real images with a generated one nearer than {NEIGHBOURS} real ones (Naeem et al., ICML"
        " 2020)",
        "",
        "quality",
        0.0,
        coverage,
    ),
)
