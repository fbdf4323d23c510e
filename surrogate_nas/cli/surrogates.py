"""The commands for surrogates: fit a surrogate, predict metrics of cells with it, and compare
several surrogates.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import to_builtins
from typer import Argument, Option, Typer

from surrogate_nas.cli.options import (
    CellsArgument,
    names,
    numbers,
    results_folder,
    taking,
)
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    note,
    progress_bar,
    say,
    show_table,
)
from surrogate_nas.core import UserError, check_whole
from surrogate_nas.stats.summaries import Row

if TYPE_CHECKING:
    from surrogate_nas.benchmarks import Benchmark
    from surrogate_nas.results.surrogates import SurrogateResult
    from surrogate_nas.space import Cell

app = Typer(no_args_is_help=True, help="Compare surrogates under one protocol.")


@app.command()
@taking("seed workers engine")
def judge(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL...",
            help=(
                "In the format of snas fit --model: ridge, gp, gp(warp=True), file.py:Class,"
                " sklearn:MODULE:CLASS(options)."
            ),
        ),
    ],
    tables: Annotated[
        list[str] | None,
        Option(help="Benchmarks with tables, separated by commas; fashion by default."),
    ] = None,
    train: Annotated[
        str, Option(help="Numbers of training cells, separated by commas.")
    ] = "78,156,469",
    draws: Annotated[
        int, Option(help="Number of random samples of training cells.")
    ] = 4,
    out: Annotated[
        Path | None,
        Option(help="The folder of summary.json; results/surrogates by default."),
    ] = None,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Compare surrogates on several tables.

    All surrogates are fitted on the same cells and predict the first loss of the table's default
    objective. The baseline ranks cells by their number of parameters, the largest first.

    \b
    Examples:
      snas surrogate judge ridge gp
      snas surrogate judge xgboost "sklearn:sklearn.svm:SVR(C=9.0)" --tables fashion,fcnet-protein
      snas surrogate judge ensemble gnn --tables nb201-cifar10 --draws 10
    """
    from surrogate_nas.benchmarks import default
    from surrogate_nas.results.surrogates import judge_surrogates
    from surrogate_nas.runs.store import Store

    folder = results_folder(out, "judgement", "surrogates")
    sizes = numbers(train, "number of cells", int)
    if options["workers"] is None and options["engine"] == "processes":
        options["workers"] = 2
    with progress_bar("fits") as progress:
        result = judge_surrogates(
            names(models),
            names(tables) or [default()],
            sizes=sizes,
            draws=draws,
            progress=progress,
            **options,
        )
    content = to_builtins(result)
    Store(folder).write_json("summary.json", content)
    emit(content, json, lambda: _show_judged(result))
    note(f"Numbers: {folder / 'summary.json'}")


def _show_judged(result: "SurrogateResult") -> None:
    heads = (
        "table",
        "surrogate",
        "cells",
        "τ",
        "best quarter",
        "coverage",
        "fit s",
        "predict s/1,000",
    )
    rows = [
        (
            fit["table"],
            fit["model"],
            fit["n_train"],
            f"{fit['kendall'].mean:.3f}{' *' if fit['better_than_parameters'] is False else ''}",
            round(fit["kendall_top_quarter"].mean, 3),
            fit["coverage90"] and round(fit["coverage90"].mean, 2),
            f"{fit['fit_seconds']:.2g}",
            f"{fit['ask_seconds']:.2g}",
        )
        for fit in result.fits
    ]
    show_table(
        heads,
        rows,
        title=f"Means of {result.draws} samples; * no better than −parameters",
    )
    for sentence in result.sentences:
        say(sentence)


def fit(
    bench: Annotated[
        str, Argument(help="A benchmark's name, or the .h5 file of a table.")
    ],
    target: Annotated[str, Option(help="The metric to learn.")],
    train: Annotated[
        int,
        Option(help="Number of training cells; the other cells of a table test it."),
    ],
    out: Annotated[Path, Option(help="The file to store the model in.")],
    epochs: Annotated[
        int | None,
        Option(help="The length of the training in epochs; by default the longest."),
    ] = None,
    model: Annotated[
        str,
        Option(
            help=(
                "xgboost, gnn, gp, mlp, extra_trees, ridge, latency, ensemble, file.py:Class, or"
                " sklearn:MODULE:CLASS; with options as in gp(warp=True)."
            )
        ),
    ] = "xgboost",
    known: Annotated[
        str,
        Option(
            help=(
                "For --model latency: devices with existing measurements, separated by commas,"
                " such as raspi4."
            )
        ),
    ] = "",
    split: Annotated[
        str | None,
        Option(
            help=(
                "random, or grouped by isomorphism class. The default is grouped if isomorphic"
                " cells share one training."
            )
        ),
    ] = None,
    test: Annotated[
        int | None,
        Option(
            help="Number of test cells if cells must be trained for the test; by default a quarter."
        ),
    ] = None,
    seed: Annotated[int, Option(help="The seed of the split and the model.")] = 0,
    json: JsonOption = False,
) -> None:
    """Fit a surrogate on some cells, test it on other cells, and store it.

    \b
    Examples:
      snas fit fashion --target valid_loss --train 300 --out model.bin
      snas fit nb201-cifar10 --target valid_error --train 500 --model gp --out model.bin
      snas fit nb201-cifar10 --target valid_error --model "gnn(loss=warp)" --out model.bin
      snas fit fashion --target valid_loss --train 99 --model sklearn:sklearn.svm:SVR --out m.h5
      snas fit live:digits/darts --target valid_error --train 100 --test 25 --out model.bin
    """
    from surrogate_nas.benchmarks import load
    from surrogate_nas.benchmarks.learned import Surrogate
    from surrogate_nas.space import drawn_cells, listed
    from surrogate_nas.surrogates import MODELS
    from surrogate_nas.surrogates.evaluation import split_cells, split_drawn
    from surrogate_nas.tables import CLASS_METRIC

    check_whole("A seed", seed)
    if test is not None:
        check_whole("The number of cells to test on (--test)", test)
    benchmark = load(bench)
    metric = benchmark.metric(target)
    question = benchmark.question(target, epochs)
    split = split or (
        "grouped"
        if any(metric.name == CLASS_METRIC for metric in benchmark.metrics)
        else "random"
    )
    settings: Row = {"known": _known(benchmark, known, target)} if known else {}
    surrogate = Surrogate(model, seed=seed, **settings)
    if benchmark.has_columns:
        cells: Sequence[Cell] = listed(benchmark.space)
        values = benchmark.column(*question)
        learned, others = split_cells(cells, values, train, split, seed)  # type: ignore[arg-type]
    else:
        n_test = -(-train // 4) if test is None else test
        cells = drawn_cells(benchmark.space, train + n_test, seed)
        learned, others = split_drawn(
            benchmark.space,
            cells,
            train,
            split,  # type: ignore[arg-type]
        )
        with progress_bar("cells") as progress:
            for i, cell in enumerate(cells):
                benchmark.query(cell, target, epochs=epochs)
                progress(i + 1, len(cells))
    trained, tested = (
        [cells[int(i)] for i in part] for part in (learned, others[:test])
    )
    started = time.perf_counter()
    surrogate.fit(benchmark, target, trained, epochs=epochs)
    fitted = time.perf_counter()
    scores = surrogate.scores(benchmark, tested)
    sizes = {
        "train_seconds": fitted - started,
        "predict_seconds": time.perf_counter() - fitted,
        "n_train": len(trained),
        "n_test": len(tested),
    }
    assert surrogate.card is not None
    surrogate.card = card = replace(
        surrogate.card, split=split, scores=scores, n_test=len(tested)
    )
    if stored := card.model in MODELS:
        surrogate.save(out)
    found = scores | sizes
    content = found | {
        "benchmark": card.benchmark,
        "metric": target,
        "epochs": question.epochs,
        "unit": metric.unit,
        "model": model,
        "loss": surrogate.model_.settings().get("loss"),
        "spread": getattr(surrogate.model_, "spread", None),
        "split": split,
        "seed": seed,
        "file": str(out) if stored else None,
    }
    heads = "", f"{model} of {question}"
    rows = list(found.items())
    emit(
        content, json, lambda: show_table(heads, rows, title=f"{bench}, {split} split")
    )
    if not stored:
        note(
            f"{model} was tested but not stored, because a model file must not name code."
        )
        return
    use = (
        f"snas compare surrogate:{out}"
        if metric.is_loss
        else f"snas compare BENCH --with {out}"
    )
    note(f"Model: {out}. Next: snas predict {out} CELL, or {use}")


def _known(benchmark: "Benchmark", devices: str, target: str) -> Row:
    from surrogate_nas.space import listed

    known = {}
    space = listed(benchmark.space)
    for device in filter(None, (name.strip() for name in devices.split(","))):
        if target == f"latency@{device}":
            raise UserError(
                f"{target} is the target, so its device cannot be given with --known."
            )
        values = benchmark.column(f"latency@{device}")
        there = [i for i, value in enumerate(values) if value == value]
        known[device] = [space[i] for i in there], values[there]
    return known


def predict(
    file: Annotated[Path, Argument(help="A model file written by snas fit.")],
    cells: CellsArgument,
    json: JsonOption = False,
) -> None:
    """Predict a metric of cells with a stored model.

    \b
    Examples:
      snas predict model.bin 11 12
    """
    from surrogate_nas.benchmarks.learned import Surrogate
    from surrogate_nas.space import cells_given, space_named

    surrogate = Surrogate.load(file)
    card = surrogate.card
    assert card is not None
    asked = cells_given(space_named(card.space), cells)
    mean, std = surrogate.predict(asked, return_std=True)
    content = [
        {"cell": str(cell), "mean": float(m), "std": float(s), "unit": card.metric.unit}
        for cell, m, s in zip(asked, mean, std, strict=True)
    ]
    rows = [(c["cell"], c["mean"], c["std"], c["unit"]) for c in content]
    name = (
        f"{card.metric.name} by {card.model}; 90 % of cells lie within mean ± 1.645 std"
    )
    emit(
        content,
        json,
        lambda: show_table(("cell", "mean", "std", "unit"), rows, title=name),
    )
