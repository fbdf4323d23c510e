"""The graph network beside boosted trees and the average of both: Kendall τ by training size, split and seed.

make data && .venv/bin/python analysis/bench_gnn.py --seeds 10
make data && .venv/bin/python analysis/bench_gnn.py --metric train_loss --sizes 156 469 1563 --seeds 3
"""

import argparse
import time

import numpy as np
import torch
import xgboost
from numpy.typing import NDArray
from scipy.stats import kendalltau

import surrogate_nas as sn
from surrogate_nas.space import nb201
from surrogate_nas.space.nb201.encodings import encode
from surrogate_nas.surrogates import make_model

SIZES = (46, 78, 156, 233, 469, 781, 1563)
NAMES = ("gnn", "trees", "average")


def trees(train: NDArray[np.intp], logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eight averaged XGBoosts on path and graph features, predicting the logarithm for all cells."""
    matrix = encode(nb201().choices, "path_and_graph")
    total = np.zeros(len(matrix))
    for seed in range(8):
        model = xgboost.XGBRegressor(
            n_estimators=500, max_depth=4, learning_rate=0.03, subsample=0.6, colsample_bytree=0.3, random_state=seed,
            n_jobs=1, tree_method="hist",
        )  # fmt: skip
        total += model.fit(matrix[train], logs[train]).predict(matrix)
    return total


def standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """To zero mean and unit variance, so that models can be averaged."""
    return (values - values.mean()) / values.std()


def main() -> None:
    """Print one line a size and split, and with --each one a seed; seconds are the process's own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", default="valid_error")
    parser.add_argument("--benchmark", default="nb201-cifar10")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--each", action="store_true", help="one line a seed too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    bench, space = sn.load(given.benchmark), nb201()
    values = bench.column(given.metric, epochs=given.epochs)
    quantity = bench.metric(given.metric).quantity
    logs, classes = np.log(values), space.classes
    print(f"{given.benchmark} {given.metric} at {given.epochs} epochs, {given.seeds} seeds; grouped: no twin was seen")
    print(f"{'size':>5} {'split':8} " + " ".join(f"{name:>8}" for name in NAMES) + "  coverage  CPU s gnn  trees")
    for size in given.sizes:
        found = []
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            order = np.random.default_rng(seed).permutation(len(space))
            train, rest = order[:size], order[size:]
            started = time.process_time()
            cells = [space[int(i)] for i in train]
            prediction = make_model("gnn", quantity, seed=seed).fit(cells, values[train]).predict(space)
            middle = time.process_time()
            boosted = trees(train, logs)
            seconds = [middle - started, time.process_time() - middle]
            ours = np.log(np.maximum(prediction.mean, 1e-9))
            guesses = (ours, boosted, standard(ours) + standard(boosted))
            inside = np.abs(values - prediction.mean) < 1.6449 * prediction.std
            rows = []
            for test in (rest, rest[~np.isin(classes[rest], classes[train])]):
                taus = [kendalltau(guess[test], values[test]).statistic for guess in guesses]
                rows.append([*taus, inside[test].mean(), *seconds])
            found.append(rows)
            if given.each:
                for split, row in zip(("random", "grouped"), rows, strict=True):
                    print_row(size, f"{split[:6]} {seed}", row)
        for split, row in zip(("random", "grouped"), np.mean(found, axis=0), strict=True):
            print_row(size, split, row)


def print_row(size: int, label: str, row: NDArray[np.float64]) -> None:
    """One line: τ of every model, coverage, seconds."""
    taus = " ".join(f"{tau:8.4f}" for tau in row[:3])
    print(f"{size:5} {label:8} {taus}  {row[3]:8.3f}  {row[4]:9.1f} {row[5]:6.1f}", flush=True)


if __name__ == "__main__":
    main()
