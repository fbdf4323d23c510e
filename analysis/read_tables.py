"""Read a table of losses by h5py and NumPy alone.

`read` gives the cells, as the option chosen at each position, shape ``(cells, positions)``, and for
every (metric@loss, epochs, seed) a number a cell, NaN where nothing was trained. Unit, kind and
quantity of a metric are in ``index["metrics"][name]["details"]``.
"""

import base64
import json

import h5py
import numpy as np


def read(path):
    with h5py.File(path) as file:
        index, raw = json.loads(file["index"][()].tobytes()), file["values"][()]
    held = base64.b64decode(json.loads(index["texts"]["space"])["held"])
    runs = [((m, *r), of) for m, of in index["metrics"].items() for r in of["columns"]]
    raw = np.where(raw == np.iinfo(np.int32).min, np.nan, raw).reshape(len(runs), -1)
    new = (raw % 65536 - 32768) * 10.0 ** (raw // 65536 - 1024)
    old = raw / [[10.0 ** of.get("decimals", 0)] for _, of in runs]  # 25 November 2026
    values = {k: (new if "digits" in of else old)[i] for i, (k, of) in enumerate(runs)}
    return np.frombuffer(held, np.int8).reshape(raw.shape[1], -1), values
