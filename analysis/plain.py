"""Strategies on tables that are entered the way a user enters them: as CSV files of plain choices.

    python -m analysis.plain tune --runs 20 --seed 100     # one half of the tables
    python -m analysis.plain test --runs 20 --seed 2000    # the other half, for reports alone

Each published table becomes a CSV file with a column for every position, and `snas data import`
reads it on a `ChoiceSpace` that knows nothing of graphs. R is there twice: as `latency`, which is
known of every cell beforehand, and as `energy[1]`, which only the evaluation of a cell tells.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

import surrogate_nas as sn
from surrogate_nas.benchmarks import available

TABLES = {
    "tune": {
        "nb201-cifar10": ("valid_error", "latency@record"),
        "fcnet-protein": ("valid_loss", "params"),
        "mlp-credit": ("valid_balanced_accuracy", "train_seconds"),
        "nbgraph-cora": ("valid_error", "latency@gpu"),
        "transnas-micro-jigsaw": ("valid_error@last", "model_macs"),
    },
    "test": {
        "nb201-imagenet16": ("valid_error", "macs"),
        "fcnet-slice": ("valid_loss", "train_seconds"),
        "mlp-kc1": ("valid_balanced_accuracy", "train_seconds"),
        "nbgraph-photo": ("valid_error", "params"),
        "transnas-micro-class_scene": ("valid_error@last", "model_params"),
        "hwgpt-s": ("valid_perplexity", "energy@h100"),
    },
}
"""By half and table what is a loss, and what regularises."""
STRATEGIES = "bo,optuna:TPESampler,smac,local_search,evolution,random"


def imported(name: str, loss: str, cost: str, folder: Path) -> str:
    """Import a table as plain choices, and return its name."""
    plain, bench = f"plain-{name}", sn.load(name)
    if plain in {table["name"] for table in available() if table["available"]}:
        return plain
    space = bench.space
    choices = space.choices
    columns = {
        f"p{place}": np.array(texts)[choices[:, place]]
        for place, texts in enumerate(space.texts)
    }
    error, price = bench.column(loss), bench.column(cost)
    measured = {
        "valid_loss[1]": 1 - error / 100
        if bench.metric(loss).larger_is_better
        else error,
        "latency (ms)": price,
        "energy[1] (J)": price,
    }
    held = np.isfinite(error) & np.isfinite(price)
    file = folder / f"{plain}.csv"
    pd.DataFrame(columns | measured)[held].to_csv(file, index=False)
    options = {f"p{place}": texts for place, texts in enumerate(space.texts)}
    module = folder / f"{plain.replace('-', '_')}.py"
    text = f"import surrogate_nas as sn\n\nspace = sn.ChoiceSpace({plain!r}, {options!r})\n"
    module.write_text(text)
    words = ("data", "import", "csv", str(file), "--space", f"{module}:space")
    subprocess.run([sys.executable, "-m", "surrogate_nas", *words], check=True)
    return plain


def spread(values: NDArray[np.float64]) -> float:
    """From the first quartile to the third."""
    return float(np.diff(np.quantile(values, (0.25, 0.75)))[0])


def problems(half: str, folder: Path, budget: int) -> list[sn.Problem]:
    """Each table of a half with L alone, and with R known beforehand and observed."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, metrics in TABLES[half].items():
        plain = imported(name, *metrics, folder)
        bench = sn.load(plain)
        loss, price = bench.column("valid_loss"), bench.column("latency")
        weight = spread(loss) / spread(price / np.median(price)) / 4
        for form, penalty in (
            ("alone", ""),
            ("known", f" + {weight:.2g}*latency"),
            ("observed", f" + {weight:.2g}*energy"),
        ):
            expression = f"valid_loss{penalty}"
            made.append(
                sn.Problem(plain, expression, budget=budget, name=f"{name}-{form}")
            )
    return made


def main(
    half: str,
    runs: int = 20,
    seed: int = 100,
    budget: int = 150,
    strategies: str = STRATEGIES,
    folder: Path = Path("results/plain"),
    workers: int = 2,
) -> None:
    """Run the suite of one half and print its verdict."""
    listed = problems(half, folder, budget)
    result = sn.run_suite(
        listed,
        strategies.split(","),
        runs=runs,
        seed=seed,
        folder=folder / f"{half}-{seed}",
        resources=sn.Resources(workers=workers),
    )
    print(result.summary_frame().to_string())
    print("\n".join(result.verdict.sentences))


if __name__ == "__main__":
    typer.run(main)
