"""A small network's width, depth and activation: a space that can be listed, with its table, in one
file.
"""

import surrogate_nas as sn

SPACE = sn.ChoiceSpace(
    "perceptron",
    {
        "width": (8, 16, 32, 64),
        "depth": (1, 2, 3, 4),
        "activation": ("relu", "tanh", "gelu"),
        "norm": ("none", "batch"),
    },
)
WIDTH = {8: 31.0, 16: 24.5, 32: 20.1, 64: 19.2}
DEPTH = {1: 4.0, 2: 1.1, 3: 0.0, 4: 0.9}
ACTIVATION = {"relu": 0.4, "tanh": 1.3, "gelu": 0.0}


def valid_error(cell):
    norm = 0.0 if cell["norm"] == "batch" else 1.5
    return (
        WIDTH[cell["width"]]
        + DEPTH[cell["depth"]]
        + ACTIVATION[cell["activation"]]
        + norm
    )


def weights(cell):
    width, depth = cell["width"], cell["depth"]
    return float(width * width * depth + 10 * width)


METRICS = {
    "valid_error": valid_error,
    "test_error": lambda c: valid_error(c) + 1,
    "weights": weights,
}
BENCH = sn.Computed(SPACE, METRICS, cheap=True)
