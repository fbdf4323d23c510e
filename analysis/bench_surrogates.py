"""Surrogates of NAS-Bench-201 on CIFAR-10: τ by training cells, losses, calibration, and τ against seconds.

make data && .venv/bin/python analysis/bench_surrogates.py [accuracy|losses|coverage|speed|ceiling …] [--seeds 10]
"""

import argparse
import time
from collections.abc import Callable, Iterable

import numpy as np
from scipy.stats import kendalltau
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

import surrogate_nas as sn
from surrogate_nas.space.nb201.encodings import one_hot
from surrogate_nas.surrogates import make_model
from surrogate_nas.surrogates.evaluation import learning_curve, noise_ceiling, split_cells

BENCH = sn.load("nb201-cifar10")
SIZES = (46, 78, 156, 233, 469, 781, 1563)
MODELS = ("ensemble", "gnn", "xgboost", "extra_trees", "gp", "ridge")
QUICK = {"parts": 1, "trees": 150, "rate": 0.1, "calibrate": False}
"""One booster of few and fast trees."""


def table(metric: str, epochs: int | None, models: Iterable[str], sizes: tuple[int, ...], seeds: int) -> None:
    """Print mean scores by model and size, on random and grouped splits."""
    values, quantity = BENCH.column(metric, epochs), BENCH.metric(metric).quantity
    for kind in ("random", "grouped"):
        print(f"\n{metric}, {kind} split, {seeds} seeds: τ all / better half / best quarter, coverage, seconds a fit")
        for model in models:
            for n in sizes:
                made = list(
                    learning_curve(
                        lambda seed, model=model: make_model(model, quantity, seed=seed),  # type: ignore[misc]
                        BENCH.space, values, (n,), seeds=seeds, kind=kind,
                    )
                )  # fmt: skip
                names = ("kendall", "kendall_top_half", "kendall_top_quarter", "coverage90")
                means = [np.mean([one.scores[name] for one in made]) for name in names]
                seconds = np.mean([one.train_seconds + one.predict_seconds for one in made])
                print(f"{model:12s} {n:5d}  " + "  ".join(f"{mean:.3f}" for mean in means) + f"  {seconds:6.1f} s")


def accuracy(seeds: int) -> None:
    """Validation error after 200 epochs."""
    table("valid_error", 200, MODELS, SIZES, seeds)


def losses(seeds: int) -> None:
    """Training and validation loss after 200 epochs."""
    for metric in ("train_loss", "valid_loss"):
        table(metric, 200, ("ensemble", "xgboost"), (156, 469, 1563), seeds)


def coverage(seeds: int) -> None:
    """Calibration from 156 cells: accuracy, and latency on a device of every kind."""
    table("valid_error", 200, MODELS, (156,), seeds)
    for device in ("gold_6226", "titan_rtx_256", "raspi4", "eyeriss", "pixel2"):
        table(f"latency@{device}", None, ("ensemble", "ridge", "xgboost"), (156,), seeds)


def ceiling(seeds: int) -> None:  # noqa: ARG001
    """How well functional twins predict each other."""
    for metric in ("valid_error", "train_loss", "valid_loss"):
        found = noise_ceiling(BENCH.space, BENCH.column(metric, 200))  # type: ignore[arg-type]
        print(metric, {name: round(tau, 3) for name, tau in found.items()})


def speed(seeds: int) -> None:
    """Fit 1,563 cells and predict all 15,625, beside the plainest peers in the same run."""
    values, encoded = BENCH.column("valid_error", 200), one_hot(BENCH.space.choices)
    space = list(BENCH.space)

    def ours(name: str, **settings: object) -> Callable[[int, np.ndarray], np.ndarray]:
        def run(seed: int, train: np.ndarray) -> np.ndarray:
            model = make_model(name, "error", seed=seed, **settings)
            return model.fit([space[i] for i in train], values[train]).predict(space).mean

        return run

    def peer(make: Callable[[int], object]) -> Callable[[int, np.ndarray], np.ndarray]:
        def run(seed: int, train: np.ndarray) -> np.ndarray:
            model = make(seed)
            return model.fit(encoded[train], np.log(values[train])).predict(encoded)  # type: ignore[attr-defined]

        return run

    kernel = RBF() + WhiteKernel()
    entries = {
        "xgboost, one quick booster": ours("xgboost", **QUICK),
        "xgboost, sixteen calibrated": ours("xgboost"),
        "extra_trees": ours("extra_trees"),
        "gp": ours("gp"),
        "ridge": ours("ridge"),
        "gnn": ours("gnn"),
        "ensemble": ours("ensemble"),
        "scikit-learn random forest, one-hot": peer(lambda seed: RandomForestRegressor(random_state=seed)),
        "scikit-learn GP, one-hot": peer(lambda _: GaussianProcessRegressor(kernel, normalize_y=True)),
    }
    ours("xgboost", **QUICK)(0, np.arange(50))  # encodes the space, once a process
    ours("gp")(0, np.arange(50))
    print(f"\n{'':36s} {'τ':>6s} {'wall s':>7s} {'CPU s':>7s}   1,563 cells learned, 15,625 predicted, {seeds} seeds")
    for name, run in entries.items():
        taus, wall, processor = [], [], []
        for seed in range(seeds):
            split = split_cells(BENCH.space, values, 1563, seed=seed)
            started, cpu = time.perf_counter(), time.process_time()
            found = run(seed, split.train)
            wall.append(time.perf_counter() - started)
            processor.append(time.process_time() - cpu)
            taus.append(kendalltau(found[split.test], values[split.test]).statistic)
        print(f"{name:36s} {np.mean(taus):6.3f} {np.median(wall):7.2f} {np.median(processor):7.2f}", flush=True)


PARTS = {"accuracy": accuracy, "losses": losses, "coverage": coverage, "speed": speed, "ceiling": ceiling}


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    for name in given.parts or PARTS:
        PARTS[name](given.seeds)


if __name__ == "__main__":
    main()
