"""Code of users whose configuration stands beside it."""

import os

import numpy as np

BESIDE = """
import csv
import functools
import importlib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import surrogate_nas as sn

HERE = Path(__file__).parent
SPACE = sn.ChoiceSpace("net", {"a": (1, 2, 3), "b": (1, 2, 3)})


def outside():
    return float((HERE.parent / "outside.txt").read_text())


<<code>>


def train(cell, trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        trial.report(epoch, valid_error=score(cell) + 1 / epoch)


COMPUTED = sn.Computed(SPACE, {"valid_error": score})
TRAINING = sn.Training(SPACE, train, metrics=["valid_error"], epochs=2)
"""


SCORE = """
def score(cell):
    return {scale} * (1 + sum(cell.choices))
"""


CLOSURE = """
def scaled(config):
    def score(cell):
        return config["scale"] * (1 + sum(cell.choices))
    return score

score = scaled({"scale": outside()})
"""


PARTIAL = """
def plain(config, cell):
    return config["scale"] * (1 + sum(cell.choices))

score = functools.partial(plain, {"scale": outside()})
"""


DEFAULT = """
def score(cell, config=[outside()]):
    return config[0] * (1 + sum(cell.choices))
"""


ATTRIBUTE = """
class Model:
    def __init__(self, scale):
        self.layers = [{"scale": scale}]

    def score(self, cell):
        return self.layers[0]["scale"] * (1 + sum(cell.choices))

score = Model(outside()).score
"""


CLASS = "class Config:\n    scale = outside()\n"


DATA_CLASS = (
    "@dataclass\nclass Config:\n    scale: float\n\nCONFIG = Config(outside())\n"
)


IN_JSON = 'json.loads((HERE / "conf.json").read_text())["scale"]'


IN_TOML = 'tomllib.loads((HERE / "conf/deep/conf.toml").read_text())["scale"]'


IN_CSV = 'float(list(csv.reader(open(HERE / "conf.csv")))[0][0])'


NAMED = 'importlib.import_module("con" + "fig").SCALE'


CONFIGURATIONS = {
    "a JSON file read at import": f"CONFIG = {IN_JSON}\n"
    + SCORE.format(scale="CONFIG"),
    "a JSON file read by the function": SCORE.format(scale=IN_JSON),
    "a TOML file in a folder below": SCORE.format(scale=IN_TOML),
    "a CSV file": SCORE.format(scale=IN_CSV),
    "an .npy file": SCORE.format(scale='float(np.load(HERE / "conf.npy"))'),
    "a dictionary in a global": 'CONFIG = {"scale": outside()}\n'
    + SCORE.format(scale='CONFIG["scale"]'),
    "a dictionary in a closure": CLOSURE,
    "an argument of a partial": PARTIAL,
    "a default argument": DEFAULT,
    "an attribute of an object": ATTRIBUTE,
    "an attribute of a class": CLASS + SCORE.format(scale="Config.scale"),
    "a data class": DATA_CLASS + SCORE.format(scale="CONFIG.scale"),
    "a module imported by a name": SCORE.format(scale=NAMED),
    "an environment variable read at import": 'SCALE = [float(os.environ["SCALE"])]\n'
    + SCORE.format(scale="SCALE[0]"),
}
"""Code of a function ``score`` whose scale stands beside it, by where that is."""


def configured(folder, code, scale):
    """Write a user's file and all configurations beside it; returns the file."""
    own = folder / "own"
    (own / "conf/deep").mkdir(parents=True, exist_ok=True)
    (folder / "outside.txt").write_text(str(scale))
    (own / "mine.py").write_text(BESIDE.replace("<<code>>", code))
    for name, text in {
        "conf.json": f'{{"scale": {scale}}}',
        "conf/deep/conf.toml": f"scale = {scale}",
        "conf.csv": f"{scale}",
        "config.py": f"SCALE = {scale}",
    }.items():
        (own / name).write_text(text)
    np.save(own / "conf.npy", float(scale))
    os.environ["SCALE"] = str(scale)
    return own / "mine.py"
