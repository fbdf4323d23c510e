"""The index of a table: all that there is to know of it but the numbers, and a digest of every column of these.

It is one JSON document, written into the file beside a seal over it. Who has checked the seal knows what every column
must be, and so a column's own digest, checked when it is read, ties every number to the table's digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.files.content import made
from surrogate_nas.space.network import Network

TEXTS = ("name", "space", "title", "source", "licence", "citation", "objective", "cost", "epochs", "banner", "card")
"""What a table says in plain text."""
N_SEEDS = "n_seeds"
_ANY = "any"
_COSTS, _EPOCHS = ("seconds", "queries"), ("runs", "curve")
_MEANING = ("unit", "kind", "quantity")

Seed = int | Literal["mean"]
"""A training seed, or the mean over all of them."""
Run = tuple[str, int | None]
"""A metric and the length of the training run; None where training plays no part."""


class ColumnKey(NamedTuple):
    """Names a column.

    Attributes:
        metric: The metric's name.
        epochs: The length of the training run; None where training plays no part.
        seed: The training seed, or ``"mean"``.

    Example:
        >>> import surrogate_nas as sn
        >>> key = ColumnKey("valid_error", epochs=5, seed="mean")
        >>> key in sn.load("fashion").columns, ColumnKey("params", None, "mean") in sn.load("fashion").columns
        (True, False)
    """

    metric: str
    epochs: int | None
    seed: Seed


@dataclass
class Index:
    """What a table is.

    Attributes:
        texts: All of `TEXTS`.
        network: The macro architecture behind `params` and `macs`.
        n_cells: How many cells every column has.
        metrics: By name.
        sources: Where the numbers of each run come from.
        digests: Of every column, by run and then by seed or `N_SEEDS`.
    """

    texts: dict[str, str]
    network: Network
    n_cells: int
    metrics: dict[str, Metric] = field(default_factory=dict)
    sources: dict[Run, str] = field(default_factory=dict)
    digests: dict[Run, dict[str, str]] = field(default_factory=dict)

    @property
    def keys(self) -> set[ColumnKey]:
        """The columns, those of `N_SEEDS` left out."""
        seeds = ((run, seed) for run, held in self.digests.items() for seed in held if seed != N_SEEDS)
        return {ColumnKey(*run, "mean" if seed == "mean" else int(seed)) for run, seed in seeds}

    def digest(self) -> str:
        """A sha256 over all numbers and what they mean; titles, sources and other remarks play no part."""
        values = {
            f"{m} {epochs_text(e)} {seed}": d for (m, e), held in self.digests.items() for seed, d in held.items()
        }
        meaning = {name: [getattr(metric, key) for key in _MEANING] for name, metric in self.metrics.items()}
        what = [
            *(self.texts[key] for key in ("name", "space", "cost", "epochs")),
            self.network.settings,
            meaning,
            values,
        ]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def dump(self) -> bytes:
        """The index as JSON."""
        runs: dict[str, dict[str, Any]] = {name: {} for name in self.metrics}
        for (name, epochs), digests in self.digests.items():
            runs[name][epochs_text(epochs)] = {"source": self.sources[name, epochs], "digests": digests}
        metrics = {name: {"details": details(metric), "runs": runs[name]} for name, metric in self.metrics.items()}
        content = {"texts": self.texts, "network": self.network.settings, "cells": self.n_cells, "metrics": metrics}
        return json.dumps(content, sort_keys=True).encode()

    @classmethod
    def load(cls, content: bytes) -> Index:
        """Read what `dump` wrote.

        Args:
            content: The JSON.

        Raises:
            ValueError: It is something else; also LookupError, TypeError, AttributeError.
        """
        read = json.loads(content)
        texts = {key: _text(read["texts"][key]) for key in TEXTS}
        if texts["cost"] not in _COSTS or texts["epochs"] not in _EPOCHS:
            raise ValueError(f"its cost is none of {', '.join(_COSTS)}, or its epochs none of {', '.join(_EPOCHS)}")
        if type(read["cells"]) is not int or read["cells"] < 1:
            raise ValueError("its index gives no number of cells")
        index = cls(texts, Network.of(read["network"]), read["cells"])
        for name, metric in read["metrics"].items():
            for spelled, run in metric["runs"].items():
                key = name, None if spelled == _ANY else _number(spelled)
                index.sources[key] = _text(run["source"])
                index.digests[key] = {_seed(seed): _text(digest) for seed, digest in run["digests"].items()}
            epochs = sorted(epochs for held, epochs in index.digests if held == name and epochs is not None)
            index.metrics[name] = made(Metric, metric["details"], name=_text(name), epochs=tuple(epochs))
        return index


def details(metric: Metric) -> dict[str, Any]:
    """What a file says of a metric beside its name and epochs.

    Args:
        metric: The metric.
    """
    return {key: value for key, value in asdict(metric).items() if key not in ("name", "epochs")}


def column_digest(values: NDArray[Any]) -> str:
    """A sha256 over a column's numbers, their type and how many they are.

    Args:
        values: Shape ``(n,)``.
    """
    total = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def epochs_text(epochs: int | None) -> str:
    """How a file spells the length of a training run.

    Args:
        epochs: The length, or None where training plays no part.
    """
    return _ANY if epochs is None else str(epochs)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} stands where a text should")
    return value


def _number(spelled: str) -> int:
    if not spelled.isascii() or not spelled.isdecimal() or str(int(spelled)) != spelled:
        raise ValueError(f"{spelled!r:.60} is no number of epochs and no seed")
    return int(spelled)


def _seed(spelled: str) -> str:
    return spelled if spelled in ("mean", N_SEEDS) else str(_number(spelled))
