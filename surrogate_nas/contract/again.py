"""The process that makes a short run again: it prints the cells as a line of JSON."""

from __future__ import annotations

import json
import os
import pickle
import sys

from surrogate_nas.contract.trying import trajectory
from surrogate_nas.runtime.packing import unpack
from surrogate_nas.strategies import resolve

if __name__ == "__main__":
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:] = os.environ["PYTHONPATH"].split(os.pathsep)
    spec, space, cells = unpack(pickle.load(sys.stdin.buffer))
    run = trajectory(resolve(spec), space, seed=0, n=cells)
    print(json.dumps([str(cell) for cell in run]), file=lines)
