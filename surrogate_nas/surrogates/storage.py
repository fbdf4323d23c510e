"""Fitted models on disk: one HDF5 file with the model's arrays and a description (card).

Pickle is not used.

In the file, ``/state/NAME`` contains the arrays of `Model.state`. ``/train_cells`` contains the
indices of the training cells in their space. The card and the model's settings are JSON in
``/card`` and ``/settings``. The attribute ``digest`` is a SHA-256 digest of the whole content.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import Metric, UserError
from surrogate_nas.files.whole import printable
from surrogate_nas.space import Enumerable, Network, space_named
from surrogate_nas.surrogates import MODELS, model_class
from surrogate_nas.surrogates.base import Arrays, Model, within
from surrogate_nas.version import __version__

_DEPTH = 10
# Groups within groups, and arrays and groups in all; a model's parts have no more.
_MOST_ITEMS = 10_000
# Settings of earlier models that say nothing of how a fitted one predicts.
_GONE = ("extra", "threads", "ranking")
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "xgboost-cpu", "xgboost", "torch")


@dataclass(frozen=True)
class Card:
    """The description of a fitted model in its file.

    Attributes:
        benchmark: The benchmark that the model was fitted on.
        fingerprint: The digest of the benchmark.
        epochs: The number of training epochs of the metric, or None if the metric does not depend
            on training.
        network: The macro architecture for which the benchmark's `params` and `macs` are computed.
        split: The split into training and test cells, ``random`` or ``grouped``.
        seed: The seed of the split and of the model.
        n_train: Number of training cells.
        n_test: Number of test cells.
        versions: Versions of Python and of the libraries that fitted the model.
        note: A note to readers, or empty if there is no note.
    """

    model: str
    benchmark: str
    fingerprint: str
    space: str
    metric: Metric
    epochs: int | None
    network: Network
    split: str
    seed: int
    n_train: int
    n_test: int
    scores: Mapping[str, float]
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    note: str = ""


class Fitted(NamedTuple):
    """A model read from a file.

    Attributes:
        model: The fitted model.
        card: The description of the model.
        train_cells: Indices of the training cells in the space, shape ``(n_train,)``, or empty if
            the space is not enumerable.
        digest: The digest of the whole content of the file.
    """

    model: Model
    card: Card
    train_cells: NDArray[np.int64]
    digest: str


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the libraries that models use."""
    from importlib.metadata import PackageNotFoundError, version

    by_library = {"python": platform.python_version(), "surrogate_nas": __version__}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            by_library[library] = version(library)
    return by_library


def save(
    model: Model,
    card: Card,
    train_cells: NDArray[Any],
    path: Path,
) -> None:
    """Write a fitted model to a file atomically: an error leaves an existing file unchanged.

    Args:
        model: The fitted model.
        card: The description of the model.
        train_cells: Indices of the training cells, shape ``(n_train,)``, or empty if the space is
            not enumerable.
        path: The file to write. The folder of the file is created if necessary.

    Raises:
        UserError: The model is not fitted, or the file cannot be written.
    """
    from surrogate_nas.files import hdf5

    if card.model not in MODELS:
        raise UserError(
            f"Only models that ship with the package can be saved, and {card.model} does not: a"
            " file must not refer to code."
        )
    arrays = {
        f"state/{name}": np.asarray(array) for name, array in model.state().items()
    }
    arrays["train_cells"] = np.asarray(train_cells, dtype=np.int64)
    told = asdict(card) | {"network": card.network.settings}
    for name, content in (("card", told), ("settings", model.settings())):
        arrays[name] = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
    with hdf5.writing(path, "surrogate", digest=_digest(arrays)) as file:
        file.update(arrays)


def is_surrogate(path: Path) -> bool:
    """Return whether a file is readable and declares that it contains a fitted model."""
    from surrogate_nas.files import hdf5

    return hdf5.is_of(path, "surrogate")


def load(path: Path) -> Fitted:
    """Read a fitted model from a file.

    Args:
        path: A file that `save` wrote.

    Raises:
        UserError: The file is missing, damaged, not a surrogate, or of another format version.
    """
    from surrogate_nas.files import hdf5

    if not os.path.isfile(path):
        raise UserError(
            f"There is no surrogate file {printable(path)}; create one with snas fit."
        )
    with hdf5.OpenFile(path, "surrogate").reading() as file:
        arrays = _read_arrays(file)
        digest = hdf5.text(file, "digest")
        if _digest(arrays) != digest:
            raise ValueError("its digest is wrong")
        fitted = _fitted(arrays, digest)
        _try_out(fitted)
        return fitted


def _read_arrays(file: Any) -> Arrays:
    import h5py

    from surrogate_nas.files import hdf5

    arrays: Arrays = {}
    room = file.id.get_filesize()
    items = 0
    groups = [("", file, 0)]
    while groups:
        prefix, group, depth = groups.pop()
        for name in group:
            item = hdf5.child(group, name)
            items += 1
            room -= 0 if isinstance(item, h5py.Group) else getattr(item, "nbytes", 0)
            if room < 0 or items > _MOST_ITEMS:
                raise ValueError("it claims to contain more than its size allows")
            if isinstance(item, h5py.Group) and depth < _DEPTH:
                groups.append((f"{prefix}{name}/", item, depth + 1))
            else:
                arrays[f"{prefix}{name}"] = hdf5.array(item)
    return arrays


def _fitted(arrays: Arrays, digest: str) -> Fitted:
    from msgspec import convert

    content = json.loads(arrays["card"].tobytes())
    if content.keys() != {each.name for each in fields(Card)}:
        raise ValueError("its card has missing or unknown fields")
    network = Network.of(content["network"])
    card = convert(content | {"network": asdict(network)}, Card)
    if card.model not in MODELS:
        raise ValueError(f"there is no model named {card.model}")
    settings = json.loads(arrays["settings"].tobytes())
    if settings.get("extra"):
        raise ValueError(
            "it uses columns in addition to its encoding, which is no longer supported"
        )
    settings = {name: value for name, value in settings.items() if name not in _GONE}
    model = model_class(card.model).from_state(settings, within("state/", arrays))
    train_cells = arrays["train_cells"]
    if train_cells.ndim != 1 or train_cells.dtype != np.int64:
        raise ValueError("its training cells are not a list of indices")
    return Fitted(model, card, train_cells, digest)


def _try_out(fitted: Fitted) -> None:
    """Predict one cell, so that inconsistent arrays fail when the file is loaded."""
    space = space_named(fitted.card.space)
    size = len(space) if isinstance(space, Enumerable) else 0
    if not ((fitted.train_cells >= 0) & (fitted.train_cells < size)).all():
        raise ValueError("its training cells do not belong to its space")
    rng = np.random.default_rng(0)
    for values in fitted.model.predict([space.sample(rng) for _ in range(2)]):
        if values.shape != (2,) or not np.isfinite(values).all():
            raise ValueError("its model does not predict numbers")


def _digest(arrays: Arrays) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()
