"""NAS-Bench-301 on DARTS's space: not a table but a model that predicts every cell after each of 98
epochs.

Zela et al., "Surrogate NAS Benchmarks: Going Beyond the Limited Search Space Evaluation of Tabular
NAS Benchmarks", ICLR 2022, trained 60,000 of the 10^18 cells and fitted surrogates. YAHPO Gym
(Pfisterer et al., AutoML 2022) fitted a neural network to these surrogates and published it in the
ONNX format. The published network is therefore a surrogate of a surrogate. The network's inputs are
the operation of every possible edge (or its absence), and the two source nodes of every node except
the first. The first node always has both cell inputs as its sources. Therefore, every cell of the
space has exactly one encoding. In the text of a cell, the order of a node's two edges does not
matter.

The first three of the network's four outputs are used: accuracy, cross-entropy and training seconds
so far. The fourth output is undocumented. The ONNX file runs in ``onnxruntime``, which executes a
numerical graph and no code.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError, missing
from surrogate_nas.space import choices_of, space_named
from surrogate_nas.space.cell import Choices
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified
from surrogate_nas.tables.sources.facts import close

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_SPACE = "darts"
_PREFIX = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
_HALVES = ("normal", "reduce")
_NODES = (2, 3, 4, 5)
_AT_ONCE = 4096
_NEAR = 0.01
# Predictions of the published file when this was written.
_KNOWN = {"DARTS_V1": 92.746, "DARTS_V2": 92.877, "PC_DARTS_cifar": 93.228}


def predict(name: str, choices: Choices, epochs: int) -> NDArray[np.float64]:
    """Predict error in %, cross-entropy in nats and seconds of cells after a number of epochs.

    Returns:
        Shape ``(n, 3)``.
    """
    codes = encoded(choices)
    session = _session()
    outputs = []
    for start in range(0, len(codes), _AT_ONCE):
        part = codes[start : start + _AT_ONCE]
        inputs = {
            "x_cat": part,
            "x_cont": np.full((len(part), 1), epochs, dtype=np.float32),
        }
        outputs.append(session.run(["output"], inputs)[0])
    predictions = np.concatenate([np.empty((0, 4)), *outputs])[:, :3].astype(np.float64)
    predictions[:, 0] = 100.0 * (1.0 - predictions[:, 0])
    return predictions


def encoded(choices: Choices) -> NDArray[np.int32]:
    """Encode cells as inputs of the network, shape ``(n, 34)``; 0 stands for the absence of an
    edge.
    """
    columns, operations = _code()
    encoding = np.zeros((len(choices), len(columns)), dtype=np.int32)
    rows = np.arange(len(choices))
    position = 0
    for half in _HALVES:
        first_edge = 0
        for node in _NODES:
            pairs = np.array(tuple(combinations(range(node), 2)))
            chosen = np.zeros(len(choices), dtype=np.intp)
            if len(pairs) > 1:
                chosen = choices[:, position].astype(np.intp)
                position = position + 1
                column, codes = columns[f"{_PREFIX}inputs_node_{half}_{node}"]
                encoding[:, column] = np.array([codes[f"{a}_{b}"] for a, b in pairs])[
                    chosen
                ]
            for edge in range(2):
                chosen_operations = operations[choices[:, position]]
                where = np.array(
                    [
                        columns[f"{_PREFIX}edge_{half}_{first_edge + s}"][0]
                        for s in range(node)
                    ]
                )
                encoding[rows, where[pairs[chosen, edge]]] = chosen_operations
                position += 1
            first_edge += node
    return encoding


@lru_cache(maxsize=1)
def _code() -> tuple[dict[str, tuple[int, dict[str, int]]], NDArray[np.int32]]:
    """Return the column and codes of each input, and the code of every operation of the space."""
    content = json.loads(_content("encoding_v2.json"))
    columns = {
        name: (column, codes) for column, (name, codes) in enumerate(content.items())
    }
    named = space_named(_SPACE).operations  # type: ignore[attr-defined]
    codes = columns[f"{_PREFIX}edge_normal_0"][1]
    return columns, np.array([codes[name] for name in named], dtype=np.int32)


def _content(name: str) -> bytes:
    (path,) = fetching.fetched("nb301", f"*/{name}")
    return path.read_bytes()


@lru_cache(maxsize=1)
def _session() -> "InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("The benchmark nb301", "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = _content("model_v2.onnx")
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise UserError(
            f"The model of nb301 cannot be run: {' '.join(str(error).split()):.200}."
        ) from error


def verify() -> Iterator[Verified]:
    """Check the predictions for published cells."""
    space = space_named(_SPACE)
    for name, expected in _KNOWN.items():
        accuracy = 100.0 - float(
            predict("nb301", choices_of([space.parse(name)]), 98)[0, 0]
        )
        yield close(f"accuracy of {name}", accuracy, expected, _NEAR)
