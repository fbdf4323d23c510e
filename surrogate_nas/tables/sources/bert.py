"""NAS-Bench-BERT: FlexiBERT encoders pre-trained with ELECTRA's loss, and their scores on eight
GLUE tasks.

Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL 2023.
Nine of the 500 trainings repeat the architecture of another training. If an architecture was
trained twice, its value in the table is the mean of the available values, and `n_seeds` is their
number. The scores are the metrics of GLUE: accuracy in %, 100 × F1, or 100 × a correlation.
Zero-cost proxies and recorded numbers of parameters are from a second file. Neither the proxies nor
the recorded numbers of parameters correspond to the cells' own sizes (see
`surrogate_nas.space.layered`).
"""

import csv
import json
from typing import Any

from surrogate_nas.space import Cell
from surrogate_nas.space.layered import FlexiBERT
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import table_of

_SPACE = FlexiBERT()


def read(name: str) -> Table:
    """Convert the fetched files to a table, whose space is the sample of published encoders."""
    with fetching.opened("bert") as (records, proxies):
        trainings = json.loads(records.read_bytes())
        cells = [
            _cell(training["hparams"]["model_hparam_overrides"])
            for training in trainings
        ]
        rows = csv.DictReader(proxies.read_text(errors="replace").splitlines())
        for training, row in zip(trainings, rows, strict=True):
            training["row"] = row
            if row["ID"] != str(training["id"]):
                raise ValueError(f"row {row['ID']} is not of training {training['id']}")
        return table_of("bert", name, _SPACE, trainings, cells)


def _cell(architecture: dict[str, Any]) -> Cell:
    layers = architecture["nas_config"]["encoder_layers"]
    options = {
        "operation": [
            f"{x['operation_type']}_{x['operation_parameter']}" for x in layers
        ],
        **{
            name: [str(layer[name]) for layer in layers]
            for name in (
                "num_operation_heads",
                "feed_forward_dimension",
                "num_feed_forward",
            )
        },
    }
    parts = [
        f"hidden_size={architecture['hidden_size']}",
        f"encoder_layers={len(layers)}",
    ]
    parts += [f"{name}={'-'.join(values)}" for name, values in options.items()]
    return _SPACE.parse(f"flexibert({', '.join(parts)})")
