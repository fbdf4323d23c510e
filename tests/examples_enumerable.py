"""A small network's width, depth and activation: a space that can be listed, with its table, in one
file.
"""

import surrogate_nas as sn

SPACE = sn.EnumerableChoiceSpace(
    "perceptron",
    {
        "width": (8, 16, 32, 64),
        "depth": (1, 2, 3, 4),
        "activation": ("relu", "tanh", "gelu"),
        "norm": ("none", "batch"),
    },
)
WIDTH = {"8": 31.0, "16": 24.5, "32": 20.1, "64": 19.2}
DEPTH = {"1": 4.0, "2": 1.1, "3": 0.0, "4": 0.9}
ACTIVATION = {"relu": 0.4, "tanh": 1.3, "gelu": 0.0}


def options(cell):
    return dict(
        zip(
            SPACE.positions,
            (o[c] for o, c in zip(SPACE.options, cell.choices, strict=True)),
            strict=True,
        )
    )


def valid_error(cell):
    chosen = options(cell)
    norm = 0.0 if chosen["norm"] == "batch" else 1.5
    return (
        WIDTH[chosen["width"]]
        + DEPTH[chosen["depth"]]
        + ACTIVATION[chosen["activation"]]
        + norm
    )


def weights(cell):
    width = int(options(cell)["width"])
    depth = int(options(cell)["depth"])
    return float(width * width * depth + 10 * width)


METRICS = {
    "valid_error": valid_error,
    "test_error": lambda c: valid_error(c) + 1,
    "weights": weights,
}
BENCH = sn.Computed(SPACE, METRICS, cheap=True)
