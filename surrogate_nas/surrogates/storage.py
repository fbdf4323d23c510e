"""Fitted models on disk: one HDF5 file with the model's arrays and a card that says what they are. No pickle.

Layout: ``/state/NAME`` holds the arrays of `Surrogate.state`, ``/train_cells`` the indices of the training cells in
their space; the card and the model's settings are JSON in the file's attributes, with a digest over all of it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas import __version__
from surrogate_nas.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.metrics import Metric
from surrogate_nas.network import Network
from surrogate_nas.surrogates import MODELS, model_class
from surrogate_nas.surrogates.base import Surrogate

FORMAT = "surrogate_nas surrogate"
VERSION = 1
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "xgboost-cpu", "xgboost", "torch")


@dataclass(frozen=True)
class Card:
    """What a fitted model is, for whoever opens the file later.

    Attributes:
        model: Its name in `MODELS`.
        benchmark: The benchmark that it learned from.
        fingerprint: That benchmark's digest.
        space: The name of the space.
        metric: The learned metric, with unit, kind and quantity.
        epochs: The length of the training run; None where training plays no part.
        network: The macro architecture behind the benchmark's `params` and `macs`.
        split: ``random`` or ``grouped``.
        seed: Of split and model.
        n_train: How many cells it learned from.
        n_test: How many it was tested on.
        scores: Of the test, by name.
        versions: Of Python and the libraries that made it.
        note: What a reader must know, or empty.
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
        model: Ready to predict.
        card: What it is.
        train_cells: The indices of its training cells in the space, shape ``(n_train,)``.
        digest: Of everything in the file.
    """

    model: Surrogate
    card: Card
    train_cells: NDArray[np.int64]
    digest: str


def versions() -> dict[str, str]:
    """The versions of Python, this package and the libraries that models are made of."""
    found = {"python": platform.python_version(), "surrogate_nas": __version__}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def save(model: Surrogate, card: Card, train_cells: NDArray[Any], path: Path) -> None:
    """Write a fitted model so that the file is either whole or as it was before.

    Args:
        model: A fitted model.
        card: What it is.
        train_cells: The indices of its training cells, shape ``(n_train,)``.
        path: The file; its folder is made if need be.

    Raises:
        UserError: Nothing was learned yet, or the file cannot be written.
    """
    import h5py

    if card.model not in MODELS:
        raise UserError(
            f"Only the project's own models can be saved, and {card.model} is none: a file must not name code."
        )
    arrays = {f"state/{name}": np.asarray(array) for name, array in model.state().items()}
    arrays["train_cells"] = np.asarray(train_cells, dtype=np.int64)
    texts = {"card": json.dumps(asdict(card)), "settings": json.dumps(model.settings())}
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "digest": _digest(arrays, texts), **texts})
        for name, array in arrays.items():
            file[name] = array
    with replacing(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def is_surrogate(path: Path) -> bool:
    """Whether a file says that it holds a fitted model; False also where it cannot be read.

    Args:
        path: Any file.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == FORMAT)
    except OSError:
        return False


def load(path: Path) -> Fitted:
    """Read a fitted model.

    Args:
        path: A file that `save` wrote.

    Raises:
        UserError: The file is missing, damaged, no surrogate, or of another version.
    """
    import h5py

    if not path.is_file():
        raise UserError(f"There is no surrogate file {path}; snas fit makes one.")
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            _check_kind(path, attributes)
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            arrays = {name: np.asarray(file[name]) for name in names}
        texts = {key: str(attributes[key]) for key in ("card", "settings")}
        if _digest(arrays, texts) != attributes["digest"]:
            raise ValueError("its digest is wrong")
        card = _card(json.loads(texts["card"]))
        if card.model not in MODELS:
            raise ValueError(f"no model is named {card.model}")
        state = {name.removeprefix("state/"): a for name, a in arrays.items() if name.startswith("state/")}
        model = model_class(card.model).from_state(json.loads(texts["settings"]), state)
        return Fitted(model, card, arrays["train_cells"], str(attributes["digest"]))
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - HDF5 and the libraries raise anything on damaged bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"The surrogate file {path} is damaged ({reason}). Make it anew with snas fit.") from error


def _check_kind(path: Path, attributes: Mapping[str, Any]) -> None:
    if attributes.get("format") != FORMAT:
        raise UserError(f"{path} is no fitted surrogate; snas fit makes one.")
    if attributes.get("version") != VERSION:
        raise UserError(
            f"{path} has surrogate version {attributes.get('version')}; this program reads version {VERSION}. "
            "Make it anew with snas fit."
        )


def _card(content: dict[str, Any]) -> Card:
    metric = content.pop("metric")
    metric["epochs"] = tuple(metric["epochs"])
    return Card(metric=Metric(**metric), network=Network(**content.pop("network")), **content)


def _digest(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> str:
    total = hashlib.sha256(json.dumps(sorted(texts.items())).encode())
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()
