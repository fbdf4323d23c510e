"""AutoKeras on a live task, for as many seconds as each of our strategies.

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
from importlib.metadata import version
from statistics import median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.papers.common.paper import PaperResult, Row, Work
from surrogate_nas import Resources, compare
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import need
from surrogate_nas.results.comparison import Comparison
from surrogate_nas.runs.run import Run
from surrogate_nas.runtime.engines import run_jobs
from surrogate_nas.space import Cell, Space
from surrogate_nas.strategies import DEFAULTS
from surrogate_nas.training import Task, task_named
from surrogate_nas.training.hardware import Protocol, time_inference
from surrogate_nas.training.metrics import Predictions

TASK = "digits"
SECONDS = 120.0
SEED = 0
AUTOKERAS = "autokeras"
_BLOCKS = {
    "resnet": ("ResNetBlock", "res_net_block_1"),
    "xception": ("XceptionBlock", "xception_block_1"),
    "efficient": ("EfficientNetBlock", "efficient_net_block_1"),
}
_ROUNDS = 10
_MOST_NETWORKS = 10_000
_NOTES = (
    "AutoKeras's seconds are processor time of one thread, its own computations included. The"
    " seconds of a strategy are those of its trainings alone.",
    "Every network was chosen by the validation split. Latencies were measured in turn, one example"
    " at a time. AutoKeras starts without pretrained weights. Its numbers come from one search.",
)


@dataclass(frozen=True)
class Network:
    """A network that AutoKeras or a strategy chose by the validation split.

    Attributes:
        by: ``autokeras``, or the strategy's name.
        architecture: AutoKeras's settings, or our cell.
        valid: The task's first metric on the validation split.
        test: The same on the test split, which no search used.
        parameters: The number of trained parameters.
        latency_ms: Median milliseconds of one inference of one example, one thread of a CPU.
        networks: The number of networks that were trained.
        seconds: The seconds spent.
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
    """The task that AutoKeras searches, and our cells that are timed in turn with its network."""

    task: Task
    seconds: float
    space: Space
    cells: Sequence[Cell]


def autokeras(work: Work) -> PaperResult:
    """Compare AutoKeras with our strategies: one run each, 120 seconds, the same data and splits.

    Args:
        work: The folder, how many runs, and where.
    """
    need("The comparison with AutoKeras", AUTOKERAS, "keras", "torch")
    task = task_named(TASK)
    metric = task.measured[0].name
    comparison = compare(
        f"live:{TASK}",
        DEFAULTS,
        f"valid_{metric}",
        runs=work.runs or 1,
        budget_seconds=SECONDS,
        seed=SEED,
        resources=Resources(workers=work.workers),
        folder=work.folder / "comparison",
        callback=work.progress
        and (lambda event: work.progress(event.done, event.total)),
    )
    jobs = {AUTOKERAS: comparison}
    settings = {"task": task.digest, "seconds": SECONDS, "seed": SEED}
    content = work.results(_searched, jobs, "autokeras.jsonl", settings)[AUTOKERAS]
    rows = []
    for network in content["networks"]:
        for name in ("valid", "test", "parameters", "latency_ms"):
            shown = f"{name}_{metric}" if name in ("valid", "test") else name
            row = Row(
                network["by"],
                TASK,
                shown,
                ours=network[name],
                evaluations=network["networks"],
                seconds=network["seconds"],
                verdict=network["architecture"] if name == "valid" else "",
            )
            rows.append(row)
    title = f"AutoKeras and our strategies, {SECONDS:g} s each ({content['versions']})"
    return work.result(title, rows, _NOTES)


def _searched(comparison: Comparison) -> dict[str, Any]:
    """Search with AutoKeras; its network and those of our median runs."""
    task = task_named(TASK)
    chosen = [_median_run(comparison, name) for name in comparison.strategies]
    cells = [run.answer.cell for run in chosen]
    search = Search(task, SECONDS, comparison.objective.benchmark.space, cells)
    # a process of its own, as Keras reads its backend from the environment once
    (outcome,) = run_jobs(run_autokeras, [search], workers=1, apart=True)
    theirs, sizes, versions = outcome.result
    metric = task.measured[0].name
    networks = [theirs]
    for run, (parameters, latency_ms) in zip(chosen, sizes, strict=True):
        networks.append(_ours(comparison, run, metric, parameters, latency_ms))
    return {"versions": versions, "networks": [asdict(network) for network in networks]}


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
    cell = run.answer.cell
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
        seconds=run.cost,
    )


def run_autokeras(search: Search) -> tuple[Network, list[tuple[int, float]], str]:
    """Search with AutoKeras; its network, parameters and latency of every cell, and versions."""
    os.environ.update(KERAS_BACKEND="torch", TF_CPP_MIN_LOG_LEVEL="3")
    warnings.simplefilter("ignore")
    import keras

    keras.utils.set_random_seed(SEED)
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
                f"AutoKeras finished no epoch of a network within"
                f" {search.seconds:g} s; give it more."
            )
        network = model.tuner.get_best_models()[0]
        settings = model.tuner.oracle.get_best_trials()[0].hyperparameters.values
    (parameters, latency_ms), *sizes = _sizes(search, network)
    theirs = Network(
        by=AUTOKERAS,
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
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("autokeras", "keras", "torch")
    )
    return theirs, sizes, versions


class _TimeIsUpError(BaseException):
    """No ``except Exception`` of a library may catch it on its way to `run_autokeras`."""


def _clock(end: float) -> Any:
    """A callback that ends the training of a network when the time is up, and then the search."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.process_time() > end:
                self.model.stop_training = True

        def on_train_begin(self, logs: Any = None) -> None:
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

    class Tuner(greedy.Greedy):
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

    class Head(base):
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
        seed=SEED,
    )


def _image_block() -> Any:
    """AutoKeras's block for images, whose networks begin untrained, at the size of the images."""
    import autokeras as ak

    class Images(ak.ImageBlock):
        def _build_block(self, hp: Any, node: Any, block_type: str) -> Any:
            if block_type not in _BLOCKS:
                return super()._build_block(hp, node, block_type)
            kind, name = _BLOCKS[block_type]

            class Small(getattr(ak, kind)):
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

    def outputs_of(examples: Any) -> Any:
        outputs = network.predict(np.asarray(examples), verbose=0)
        if task.kind == "classification":
            outputs = np.log(np.maximum(outputs, 1e-12))
        return outputs[None]

    outputs = task.arranged(outputs_of(inputs))
    predictions = Predictions(
        outputs, targets, task.data[split].inputs, task, outputs_of
    )
    return float(task.measured[0].of(predictions)[0])


def _sizes(search: Search, network: Any) -> list[tuple[int, float]]:
    """Trained numbers and median latency (ms) of the network and of every cell, timed in turn."""
    import torch

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
    parameters = [
        sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    ]
    for module in modules:
        parameters.append(sum(weight.numel() for weight in module.parameters()))
    return [(n, float(np.median(ms))) for n, ms in zip(parameters, times, strict=True)]


def _as_keras(inputs: NDArray[Any]) -> NDArray[Any]:
    """Images as shape ``(n, height, width, channels)``; signals as rows of numbers."""
    return (
        np.moveaxis(inputs, 1, -1)
        if inputs.shape[2] > 1
        else inputs.reshape(len(inputs), -1)
    )
