"""The command that runs AutoKeras on a live task for as long as each of our strategies.

Jin, Chollet, Song & Hu, "AutoKeras: An AutoML Library for Deep Learning", JMLR 24 (2023): Keras 3
on PyTorch, in one thread. Its image search begins with a small convolutional network, ResNet50 and
EfficientNet-B7 and is greedy from there. Departure: the last two begin untrained, at the size of
the task's images. No strategy here is given pretrained weights, and at ImageNet's size one network
takes a CPU longer than a whole search. A network whose time runs out counts with the epochs that
it has had.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Annotated, Any

import typer

from surrogate_nas.cli.options import StrategiesOption, names, results_folder
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    note,
    progress_bar,
    seconds,
    show_table,
    write_pages,
)
from surrogate_nas.core.errors import UserError, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from surrogate_nas.space import Cell, Space
    from surrogate_nas.study.comparison import Comparison
    from surrogate_nas.study.run import Run
    from surrogate_nas.training.tasks import Task

_AUTOKERAS = "autokeras"
_KINDS = ("classification", "regression")
_BLOCKS = {
    "resnet": ("ResNetBlock", "res_net_block_1"),
    "xception": ("XceptionBlock", "xception_block_1"),
    "efficient": ("EfficientNetBlock", "efficient_net_block_1"),
}
_ROUNDS = 10
_MOST_NETWORKS = 10_000
_NOTE = (
    "AutoKeras's seconds are processor time of one thread, its thinking included; a strategy's are"
    " those that its trainings took, its own thinking not counted. Every network was chosen by the"
    " validation split; latencies were measured in turn, one example at a time. AutoKeras starts"
    " from no weights of elsewhere; one search, seed {seed}."
)


@dataclass(frozen=True)
class Network:
    """A network that AutoKeras or a strategy chose by the validation split, in plain numbers.

    Attributes:
        by: ``autokeras``, or the strategy's name.
        architecture: Its settings in AutoKeras's words, or our cell.
        valid: The task's first metric on the validation split.
        test: The same on the test split, which no search saw.
        parameters: Trained numbers.
        latency_ms: Median milliseconds of one inference of one example, one thread of a CPU.
        networks: How many networks were trained.
        seconds: What was spent.
    """

    by: str
    architecture: str
    valid: float
    test: float
    parameters: int
    latency_ms: float
    networks: int
    seconds: float


@dataclass(frozen=True)
class Search:
    """What AutoKeras searches, and our cells that are timed in turn with its network."""

    task: Task
    seconds: float
    seed: int
    space: Space
    cells: Sequence[Cell]


def baseline(
    system: Annotated[str, typer.Argument(help="autokeras.")],
    task: Annotated[
        str, typer.Option(help="A task of classification or regression, or file.py:TASK.")
    ] = "digits",
    limit: Annotated[
        float, typer.Option("--seconds", help="What the system, and every run, may spend.")
    ] = 120.0,
    strategies: StrategiesOption = None,
    runs: Annotated[
        int, typer.Option(help="Seeds per strategy; the run of median score is shown.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="The root of all randomness.")] = 0,
    workers: Annotated[
        int, typer.Option(help="Processes for our strategies; the system runs alone.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where results and the report go; results/baseline-SYSTEM-TASK if left out."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run AutoKeras on the task of our strategies.

    It has the same data, splits and seconds; one report shows both.

    \b
    Examples:
      snas baseline autokeras --task digits --seconds 120 --workers 2
      snas baseline autokeras --task fashion --seconds 600 --strategies bo,evolution
    """
    from surrogate_nas.strategies import DEFAULTS
    from surrogate_nas.study.api import compare
    from surrogate_nas.training import task_named

    if system != _AUTOKERAS:
        raise unknown("baseline", system, [_AUTOKERAS])
    learned = task_named(task)
    _check(learned)
    metric = learned.measured[0].name
    folder = results_folder(out, "comparison", "baseline", system, task)
    with progress_bar("runs") as progress:
        comparison = compare(
            f"live:{task}",
            names(strategies) or DEFAULTS,
            f"valid_{metric}",
            runs=runs,
            budget_seconds=limit,
            seed=seed,
            workers=workers,
            folder=folder,
            progress=progress,
        )
    if not comparison.strategies:
        raise UserError(f"{limit:g} seconds do not pay for one training of {task}; give more.")
    content = _stored(folder, learned, limit, seed, comparison.strategies)
    if content is None:
        content = _searched(comparison, learned, limit, seed)
        _store(folder, content)
    written = write_pages(comparison, comparison.to_json(), folder)
    emit(content, json, lambda: _show(content))
    note(content["note"])
    for line in written:
        note(line)


def _check(task: Task) -> None:
    """Refuse a task that AutoKeras has no head for, or a machine without AutoKeras."""
    from surrogate_nas.core.extras import need

    if task.kind not in _KINDS:
        raise UserError(
            f"AutoKeras answers tasks of {' and '.join(_KINDS)}; {task.name} is one of {task.kind}."
        )
    need("The baseline autokeras", "autokeras", "keras", "torch")


def _stored(
    folder: Path,
    task: Task,
    limit: float,
    seed: int,
    strategies: Sequence[str],
) -> dict[str, Any] | None:
    """The stored search of this task, seconds, seed and strategies; None where there is none."""
    from surrogate_nas.report.reading import read_baselines

    for content in read_baselines(folder):
        asked = content["system"], content["digest"], content["limit"], content["seed"]
        others = [network["by"] for network in content["found"][1:]]
        if asked == (_AUTOKERAS, task.digest, limit, seed) and others == list(strategies):
            return content
    return None


def _store(folder: Path, content: dict[str, Any]) -> None:
    from surrogate_nas.files import Journal, replacing
    from surrogate_nas.report.reading import BASELINE_SETTINGS, BASELINES

    path = folder / BASELINES / f"{_AUTOKERAS}.jsonl"
    with replacing(path) as temporary, Journal(temporary, BASELINE_SETTINGS) as journal:
        journal.append(content)


def _searched(
    comparison: Comparison,
    task: Task,
    limit: float,
    seed: int,
) -> dict[str, Any]:
    """Search with AutoKeras; its network and those of our median runs as the folder stores them."""
    from surrogate_nas.runtime.engines import run_apart

    chosen = [_median_run(comparison, name) for name in comparison.strategies]
    cells = [comparison.answer(run).cell for run in chosen]
    search = Search(task, limit, seed, comparison.objective.benchmark.space, cells)
    # a process of its own, as Keras reads its backend from the environment once
    (outcome,) = run_apart(run_autokeras, [search], 1)
    theirs, sizes, versions = outcome.result
    metric = task.measured[0]
    networks = [theirs]
    for run, (parameters, latency_ms) in zip(chosen, sizes, strict=True):
        networks.append(_ours(comparison, run, metric.name, parameters, latency_ms))
    return {
        "system": _AUTOKERAS,
        "versions": versions,
        "digest": task.digest,
        "task": task.name,
        "measure": metric.name,
        "unit": metric.unit,
        "limit": limit,
        "seed": seed,
        "note": _NOTE.format(seed=seed),
        "found": [asdict(network) for network in networks],
    }


def _median_run(comparison: Comparison, strategy: str) -> Run:
    """The run of median score, the better of two."""
    runs = comparison.runs_of(strategy)
    middle = median_low(comparison.score(run) for run in runs)
    return next(run for run in runs if comparison.score(run) == middle)


def _ours(
    comparison: Comparison,
    run: Run,
    metric: str,
    parameters: int,
    latency_ms: float,
) -> Network:
    benchmark = comparison.objective.benchmark
    cell = comparison.answer(run).cell
    test = benchmark.final(cell)[f"test_{metric}"]
    assert test is not None  # a live task measures its test split
    return Network(
        by=run.strategy,
        architecture=str(cell),
        valid=benchmark.query(cell, f"valid_{metric}").value,
        test=test,
        parameters=parameters,
        latency_ms=latency_ms,
        networks=len({trial.cell for trial in run.trials}),
        seconds=run.simulated_seconds,
    )


def _show(content: dict[str, Any]) -> None:
    metric = content["measure"]
    heads = (
        "found by",
        f"valid {metric}",
        f"test {metric}",
        "parameters",
        "ms",
        "networks",
        "spent",
    )
    rows = [
        (
            network["by"],
            f"{network['valid']:.4g}",
            f"{network['test']:.4g}",
            f"{network['parameters']:,}",
            f"{network['latency_ms']:.3g}",
            network["networks"],
            seconds(network["seconds"]),
        )
        for network in content["found"]
    ]
    title = f"{content['task']}: {content['limit']:g} s each ({content['versions']})"
    show_table(heads, rows, title=title)


def run_autokeras(search: Search) -> tuple[Network, list[tuple[int, float]], str]:
    """Search with AutoKeras; its network, parameters and latency of every cell, and versions."""
    from importlib.metadata import version

    os.environ.update(KERAS_BACKEND="torch", TF_CPP_MIN_LOG_LEVEL="3")
    warnings.simplefilter("ignore")
    import keras

    keras.utils.set_random_seed(search.seed)
    task = search.task
    arrays = {
        split: (_as_keras(examples.inputs), examples.targets)
        for split, examples in task.data.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        model = _model(search, folder)
        clock = _clock(started + search.seconds)
        try:
            model.fit(
                *arrays["train"],
                validation_data=arrays["valid"],
                callbacks=[clock],
                verbose=0,
            )
        except _TimeIsUpError:
            pass
        spent = time.process_time() - started
        trials = model.tuner.oracle.trials.values()
        n_trained = sum(trial.score is not None for trial in trials)
        if not n_trained:
            raise UserError(
                f"AutoKeras finished no epoch of a network within {search.seconds:g} s; give it"
                " more."
            )
        network = model.tuner.get_best_models()[0]
        settings = model.tuner.oracle.get_best_trials()[0].hyperparameters.values
    (parameters, latency_ms), *sizes = _sizes(search, network)
    theirs = Network(
        by=_AUTOKERAS,
        architecture=", ".join(
            f"{name.rpartition('/')[2]}={value}" for name, value in settings.items()
        ),
        valid=_metric(task, network, "valid", *arrays["valid"]),
        test=_metric(task, network, "test", *arrays["test"]),
        parameters=parameters,
        latency_ms=latency_ms,
        networks=n_trained,
        seconds=spent,
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("autokeras", "keras", "torch"))
    return theirs, sizes, versions


class _TimeIsUpError(BaseException):
    """No ``except Exception`` of a library may catch it on its way to `run_autokeras`."""


def _clock(end: float) -> Any:
    """A callback that ends the training of a network when the time is up, and then the search."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's names
            if time.process_time() > end:
                self.model.stop_training = True

        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
            if time.process_time() > end:
                raise _TimeIsUpError

    return Clock()


def _model(search: Search, folder: str) -> Any:
    """AutoKeras's search over images, or over rows of numbers."""
    import autokeras as ak
    from autokeras.tuners import greedy, task_specific

    task = search.task
    is_image = task.data["train"].inputs.shape[2] > 1
    is_class = task.kind == "classification"
    first_settings = []
    for settings in task_specific.IMAGE_CLASSIFIER if is_image and is_class else ():
        untrained = dict(settings)
        for name in settings:
            if name.endswith(("pretrained", "imagenet_size")):
                untrained[name] = False
        first_settings.append(untrained)

    class Tuner(greedy.Greedy):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(initial_hps=first_settings, **settings)

        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            sys.stderr.write(
                f"AutoKeras: network {int(trial.trial_id) + 1}, {self.oracle.objective.name}"
                f" {trial.score:.4g}\n"
            )

    base = ak.ClassificationHead if is_class else ak.RegressionHead
    name = "classification_head_1" if is_class else "regression_head_1"

    class Head(base):  # type: ignore[misc, valid-type]
        """Its shape comes as NumPy integers, which Keras refuses since 3.14."""

        def build(self, hp: Any, inputs: Any = None) -> Any:
            self.shape: list[int] = [int(size) for size in self.shape]
            return super().build(hp, inputs)

    inputs = ak.ImageInput() if is_image else ak.Input()
    block = _image_block() if is_image else ak.DenseBlock()
    return ak.AutoModel(
        inputs=inputs,
        outputs=Head(name=name)(block(inputs)),
        tuner=Tuner,
        objective="val_accuracy" if is_class else "val_loss",
        max_trials=_MOST_NETWORKS,
        directory=folder,
        overwrite=True,
        seed=search.seed,
    )


def _image_block() -> Any:
    """AutoKeras's block for images, whose networks begin untrained, at the size of the images."""
    import autokeras as ak

    class Images(ak.ImageBlock):  # type: ignore[misc]
        def _build_block(self, hp: Any, node: Any, block_type: str) -> Any:
            if block_type not in _BLOCKS:
                return super()._build_block(hp, node, block_type)
            kind, name = _BLOCKS[block_type]

            class Small(getattr(ak, kind)):  # type: ignore[misc]
                def build(self, hp: Any, inputs: Any = None) -> Any:
                    hp.Fixed("imagenet_size", False)
                    return super().build(hp, inputs)

            return Small(pretrained=False, name=name).build(hp, node)

    return Images(name="image_block_1")


def _metric(
    task: Task,
    network: Any,
    split: str,
    inputs: NDArray[Any],
    targets: NDArray[Any],
) -> float:
    """The task's first metric of a Keras network, as our own networks are judged."""
    import numpy as np

    from surrogate_nas.training.metrics.base import Predictions

    def outputs_of(examples: Any) -> Any:
        outputs = network.predict(np.asarray(examples), verbose=0)
        if task.kind == "classification":
            outputs = np.log(np.maximum(outputs, 1e-12))
        return outputs[None]

    outputs = task.arranged(outputs_of(inputs))
    predictions = Predictions(outputs, targets, task.data[split].inputs, task, outputs_of)
    return float(task.measured[0].of(predictions)[0])


def _sizes(search: Search, network: Any) -> list[tuple[int, float]]:
    """Trained numbers and median latency (ms) of the network and of every cell, timed in turn."""
    import numpy as np
    import torch

    from surrogate_nas.training.hardware.latency import Protocol, time_inference

    protocol = Protocol(rounds=_ROUNDS)
    frame = search.task.network()
    example = protocol.inputs(frame)
    modules = [search.space.build(cell, frame, seed=0).eval() for cell in search.cells]
    timed = [(network.eval(), torch.as_tensor(_as_keras(example.numpy())))]
    timed += [(module, example) for module in modules]
    times: list[list[float]] = [[] for _ in timed]
    for _ in range(_ROUNDS):
        for milliseconds, (module, inputs) in zip(times, timed, strict=True):
            milliseconds.extend(time_inference(module, inputs, protocol).processor)
    parameters = [sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)]
    for module in modules:
        parameters.append(sum(weight.numel() for weight in module.parameters()))
    return [(n, float(np.median(ms))) for n, ms in zip(parameters, times, strict=True)]


def _as_keras(inputs: NDArray[Any]) -> NDArray[Any]:
    """Images as shape ``(n, height, width, channels)``; signals as rows of numbers."""
    import numpy as np

    return np.moveaxis(inputs, 1, -1) if inputs.shape[2] > 1 else inputs.reshape(len(inputs), -1)
