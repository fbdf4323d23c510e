"""NAS-Bench-301 on DARTS's space: no table, but a model that predicts every cell after each of 98
epochs.

Zela et al., "Surrogate NAS Benchmarks: Going Beyond the Limited Search Space Evaluation of Tabular
NAS Benchmarks", ICLR 2022, trained 60,000 of the 10^18 cells and fitted surrogates; YAHPO Gym
(Pfisterer et al., AutoML 2022) fitted a neural network to those and publishes it in the ONNX
format: a surrogate of a surrogate. It reads the operation of every possible edge, or that there is
none, and the two sources of each node but the first, whose are always both inputs. So every cell of
our space has exactly one code, and it does not matter how its text orders the two edges of a node.

Of its four outputs the first three are used: accuracy, cross-entropy and seconds so far; what the
last one is, is nowhere said. The file runs in ``onnxruntime``, which executes a graph of numbers
and no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import missing
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files.paths import printable
from surrogate_nas.space import choices_of, space_named
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Predicting, Verified, declared

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PREDICTS = declared("nb301").predicts
_SOURCE = "nb301"
_REPOSITORY = "slds-lmu/yahpo_data"
_SPACE = "darts"
_NETWORK = Network(channels=32, cells_per_stage=2)
"""Eight cells, two of them reductions, from 32 channels on."""
_EPOCHS = tuple(range(1, 99))
_HUNDRED = 100.0
_PREFIX = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
_HALVES = ("normal", "reduce")
_NODES = (2, 3, 4, 5)
_AT_ONCE = 4096
_NEAR = 0.01
_KNOWN = {"DARTS_V1": 92.746, "DARTS_V2": 92.877, "PC_DARTS_cifar": 93.228}
"""What the published file said on the day that this was written."""


def predicting(name: str) -> Predicting:
    """What the benchmark is; the model is not opened."""
    source = fetching.origin(_SOURCE, _REPOSITORY)
    described = "CIFAR-10's validation images, along one training of 98 epochs; predicted"
    common: dict[str, Any] = {"epochs": _EPOCHS, "source": source}
    metrics = (
        Metric(
            "valid_error", "%", "search", "error", split="valid", description=described, **common
        ),
        Metric(
            "valid_loss",
            "nats",
            "search",
            "loss",
            split="valid",
            description=f"cross-entropy, {described}",
            **common,
        ),
        Metric(
            "train_seconds",
            "s",
            "record",
            "cost",
            description="of so many epochs; predicted",
            **common,
        ),
    )
    return Predicting(
        name=name,
        space=_SPACE,
        title=f"{declared(_SOURCE).title}; every cell of the space {_SPACE} can be asked for",
        metrics=metrics,
        network=_NETWORK,
        objective="valid_error + 0.05*params",
        source=source,
        seconds="train_seconds",
        banner=(
            "A surrogate of a surrogate: a network fitted to NAS-Bench-301's models, which were"
            " fitted to 60,000 trained cells. Nothing here was trained, the best of it is what the"
            " model likes best, and there is no test accuracy."
        ),
    )


def predict(name: str, choices: Choices, epochs: int) -> NDArray[np.float64]:  # noqa: ARG001 - there is one
    """Error in %, cross-entropy in nats and seconds of cells after some epochs, shape
    ``(n, 3)``.
    """
    codes = encoded(choices)
    session = _session()
    outputs = []
    for start in range(0, len(codes), _AT_ONCE):
        part = codes[start : start + _AT_ONCE]
        given = {"x_cat": part, "x_cont": np.full((len(part), 1), epochs, dtype=np.float32)}
        outputs.append(session.run(["output"], given)[0])
    predictions = np.concatenate([np.empty((0, 4)), *outputs])[:, :3].astype(np.float64)
    predictions[:, 0] = _HUNDRED * (1.0 - predictions[:, 0])
    return predictions


def encoded(choices: Choices) -> NDArray[np.int32]:
    """Cells as the model reads them: 0 where there is no edge; shape ``(n, 34)``."""
    columns, operations = _code()
    encoding = np.zeros((len(choices), len(columns)), dtype=np.int32)
    rows = np.arange(len(choices))
    place = 0
    for half in _HALVES:
        first_edge = 0
        for node in _NODES:
            pairs = np.array(tuple(combinations(range(node), 2)))
            chosen = np.zeros(len(choices), dtype=np.intp)
            if len(pairs) > 1:
                chosen = choices[:, place].astype(np.intp)
                place = place + 1
                column, codes = columns[f"{_PREFIX}inputs_node_{half}_{node}"]
                encoding[:, column] = np.array([codes[f"{a}_{b}"] for a, b in pairs])[chosen]
            for edge in range(2):
                chosen_operations = operations[choices[:, place]]
                where = np.array(
                    [columns[f"{_PREFIX}edge_{half}_{first_edge + s}"][0] for s in range(node)]
                )
                encoding[rows, where[pairs[chosen, edge]]] = chosen_operations
                place += 1
            first_edge += node
    return encoding


@lru_cache(maxsize=1)
def _code() -> tuple[dict[str, tuple[int, dict[str, int]]], NDArray[np.int32]]:
    """By input its column and its codes, and the code of every operation of our space."""
    content = json.loads(_content("encoding_v2.json"))
    columns = {name: (place, codes) for place, (name, codes) in enumerate(content.items())}
    named = space_named(_SPACE).operations  # type: ignore[attr-defined]
    codes = columns[f"{_PREFIX}edge_normal_0"][1]
    return columns, np.array([codes[name] for name in named], dtype=np.int32)


def _content(name: str) -> bytes:
    """What a fetched file holds, checked by its sha256."""
    ((place, wanted),) = (
        (place, sha) for place, sha in fetching.registry(_SOURCE).items() if place.endswith(name)
    )
    path = fetching.folder() / place
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"Cannot read {printable(path)}: {error.strerror}. Run snas data fetch {_SOURCE}."
        ) from error
    if hashlib.sha256(content).hexdigest() != wanted:
        raise UserError(f"{printable(path)} was altered. Run snas data fetch {_SOURCE}.")
    return content


@lru_cache(maxsize=1)
def _session() -> InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing(f"The benchmark {PREDICTS[0]}", "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = _content("model_v2.onnx")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(
            f"The model of {PREDICTS[0]} cannot be run: {' '.join(str(error).split()):.200}."
        ) from error


def verify() -> Iterator[Verified]:
    """Check the code of cells against the published space, and what is predicted against what can
    be known of it.
    """
    space = space_named(_SPACE)
    cells = list(space.reference_sample[:1000])
    choices = choices_of(cells)
    codes, (columns, _) = encoded(choices), _code()
    published = json.loads(_content("config_space_v2.json"))
    options = {
        one["name"]: set(one["choices"])
        for one in published["hyperparameters"]
        if one["type"] == "categorical"
    }
    same = {name: {*own} - {"#na#"} for name, (_, own) in columns.items()} == options
    yield Verified("inputs of nb301", same, f"{len(columns)}, as the published space has them")
    given = [
        {name: _word(own, row[place]) for name, (place, own) in columns.items()}
        for row in codes.tolist()
    ]
    broken = sum(not _follows(cell, published["conditions"]) for cell in given)
    yield Verified(
        "conditions of nb301",
        not broken,
        f"{len(cells) - broken:,} of {len(cells):,} drawn cells keep them",
    )
    different = len(np.unique(codes, axis=0)) == len(np.unique(choices, axis=0))
    yield Verified("codes of nb301", different, "different cells have different ones")
    edges = (codes[:, [place for name, (place, _) in columns.items() if "_edge_" in name]] > 0).sum(
        axis=1
    )
    yield Verified("edges of nb301", set(edges.tolist()) == {16}, "sixteen in every cell")
    ends = {epochs: predict(PREDICTS[0], choices, epochs) for epochs in (1, 49, 98)}
    for epochs, predictions in ends.items():
        inside = bool((predictions > 0).all() and (predictions[:, 0] < _HUNDRED).all())
        middle = np.median(predictions, axis=0)
        detail = f"median {middle[0]:.2f} %, {middle[1]:.3f} nats, {middle[2]:.0f} s"
        yield Verified(f"predictions of nb301 after {epochs} epochs", inside, detail)
    falls = bool((ends[1][:, 0] > ends[49][:, 0]).all() and (ends[49][:, 0] > ends[98][:, 0]).all())
    yield Verified("learning curves of nb301", falls, "errors fall from epoch 1 to 49 to 98")
    rises = bool((ends[1][:, 2] < ends[49][:, 2]).all() and (ends[49][:, 2] < ends[98][:, 2]).all())
    yield Verified("seconds of nb301", rises, "they rise from epoch 1 to 49 to 98")
    alone = np.concatenate([predict(PREDICTS[0], choices[[i]], 98) for i in range(20)])
    yield Verified(
        "batches of nb301",
        bool(np.allclose(alone, ends[98][:20], rtol=1e-5)),
        "answers as one by one",
    )
    for name, expected in _KNOWN.items():
        accuracy = _HUNDRED - float(predict(PREDICTS[0], choices_of([space.parse(name)]), 98)[0, 0])
        yield Verified(
            f"accuracy of {name}",
            abs(accuracy - expected) < _NEAR,
            f"{accuracy:.2f} %, {expected} before",
        )


def _word(codes: dict[str, int], code: int) -> str:
    return next(word for word, own in codes.items() if own == code)


def _follows(cell: dict[str, str], conditions: list[dict[str, Any]]) -> bool:
    """Whether just those inputs are there that the published conditions want."""
    return all(
        (cell[one["child"]] != "#na#") == (cell[one["parent"]] in one["values"])
        for one in conditions
    )
