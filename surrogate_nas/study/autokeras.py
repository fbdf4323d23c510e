"""AutoKeras on a task of ours: Keras 3 on PyTorch, one thread, so many seconds, no weights from
elsewhere.

Jin, Chollet, Song & Hu, "AutoKeras: An AutoML Library for Deep Learning", JMLR 24 (2023). Its image
search begins with a small convolutional network, ResNet50 and EfficientNet-B7, the last two upon
ImageNet's size and weights; here both begin untrained at the size of the task's images, since
weights are a knowledge that nobody else is given, and an image of 224 pixels takes a CPU longer
than a search may take. It is greedy from there. A network whose time runs out counts with the
epochs that it has had.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import need

if TYPE_CHECKING:
    from torch import nn

    from surrogate_nas.space import Cell, Space
    from surrogate_nas.training.tasks import Task

KINDS = ("classification", "regression")
_BLOCKS = {
    "resnet": ("ResNetBlock", "res_net_block_1"),
    "xception": ("XceptionBlock", "xception_block_1"),
    "efficient": ("EfficientNetBlock", "efficient_net_block_1"),
}
_ROUNDS = 10
_MOST_NETWORKS = 10_000


class Search(NamedTuple):
    """What to search, and which cells to time beside what is found.

    Attributes:
        task: The task.
        seconds: Of processor time, after which to stop.
        seed: Of the search.
        space: Of the cells.
        cells: Cells of ours.
    """

    task: Task
    seconds: float
    seed: int
    space: Space
    cells: Sequence[Cell]


class Answer(NamedTuple):
    """What came of it.

    Attributes:
        architecture: The chosen network's settings in AutoKeras's words.
        valid: The task's first measure on the validation split.
        test: On the test split.
        parameters: Trained numbers: of the network, then of every cell.
        latencies: Milliseconds, in the same order.
        networks: How many networks were trained, the last perhaps not to its end.
        seconds: What the search took.
        versions: Of the libraries.
    """

    architecture: str
    valid: float
    test: float
    parameters: list[int]
    latencies: list[float]
    networks: int
    seconds: float
    versions: str


def check(task: Task) -> None:
    """Refuse what AutoKeras has no head for, or where it is not installed."""
    if task.kind not in KINDS:
        raise UserError(
            f"AutoKeras answers tasks of {' and '.join(KINDS)}; {task.name} is one of {task.kind}."
        )
    need("The baseline autokeras", "autokeras", "keras", "torch")


def run(search: Search) -> Answer:
    """Search, then measure; in a process of its own, since Keras takes its backend from the
    environment once.
    """
    os.environ.update(KERAS_BACKEND="torch", TF_CPP_MIN_LOG_LEVEL="3")
    warnings.simplefilter("ignore")
    import keras

    keras.utils.set_random_seed(search.seed)
    arrays = {name: _arrays(search.task, name) for name in search.task.data}
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        model = _model(search, folder)
        clock = _clock(started + search.seconds)
        try:
            model.fit(
                *arrays["train"], validation_data=arrays["valid"], callbacks=[clock], verbose=0
            )
        except _SpentError:
            pass
        seconds = time.process_time() - started
        finished = [
            trial for trial in model.tuner.oracle.trials.values() if trial.score is not None
        ]
        if not finished:
            raise UserError(
                f"AutoKeras finished no epoch of a network within {search.seconds:g} s; give it"
                " more."
            )
        network = model.tuner.get_best_models()[0]
        settings = model.tuner.oracle.get_best_trials()[0].hyperparameters.values
    parameters, latencies = _measured(search, network)
    versions = ", ".join(f"{name} {version(name)}" for name in ("autokeras", "keras", "torch"))
    valid, test = (_judged(search.task, network, name, *arrays[name]) for name in ("valid", "test"))
    words = ", ".join(f"{name.rpartition('/')[2]}={value}" for name, value in settings.items())
    return Answer(words, valid, test, parameters, latencies, len(finished), seconds, versions)


def _arrays(task: Task, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The inputs and targets of a split, as Keras takes them."""
    return _as_keras(task.data[split].inputs), task.data[split].targets


class _SpentError(BaseException):
    """The seconds are over; nothing between here and `run` may take it for a failure."""


def _clock(end: float) -> Any:
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        """Ends a network's training when the seconds are over, and the search after it."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's names
            if time.process_time() > end:
                self.model.stop_training = True

        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
            if time.process_time() > end:
                raise _SpentError

    return Clock()


def _model(search: Search, folder: str) -> Any:
    """AutoKeras's search over images, or over rows of numbers."""
    import autokeras as ak
    from autokeras.tuners import greedy, task_specific

    task = search.task
    is_image = task.data["train"].inputs.shape[2] > 1
    is_class = task.kind == "classification"
    start = [
        {
            name: False if name.endswith(("pretrained", "imagenet_size")) else value
            for name, value in settings.items()
        }
        for settings in (task_specific.IMAGE_CLASSIFIER if is_image and is_class else [])
    ]

    class Tuner(greedy.Greedy):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(initial_hps=start, **settings)

        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            sys.stderr.write(
                f"AutoKeras: network {int(trial.trial_id) + 1}, {self.oracle.objective.name}"
                f" {trial.score:.4g}\n"
            )

    inputs = ak.ImageInput() if is_image else ak.Input()
    block = _images()(name="image_block_1") if is_image else ak.DenseBlock()
    base, name = (
        (ak.ClassificationHead, "classification_head_1")
        if is_class
        else (ak.RegressionHead, "regression_head_1")
    )

    class Head(base):  # type: ignore[misc, valid-type]
        """Its size comes as a NumPy integer, which Keras refuses since 3.14."""

        def build(self, hp: Any, inputs: Any = None) -> Any:
            self.shape: list[int] = [int(size) for size in self.shape]
            return super().build(hp, inputs)

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


def _images() -> Any:
    """The block of images whose networks begin untrained, at the size of the images."""
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

    return Images


def _judged(
    task: Task,
    network: Any,
    split: str,
    inputs: np.ndarray,
    targets: np.ndarray,
) -> float:
    """The task's first measure of a Keras network, as our own networks are judged."""
    from surrogate_nas.training.metrics.base import Answers

    def answers(examples: Any) -> Any:
        told = network.predict(np.asarray(examples), verbose=0)
        return (np.log(np.maximum(told, 1e-12)) if task.kind == "classification" else told)[None]

    outputs = task.arranged(answers(inputs))
    return float(
        task.measured[0].of(Answers(outputs, targets, task.data[split].inputs, task, answers))[0]
    )


def _measured(search: Search, network: Any) -> tuple[list[int], list[float]]:
    """Trained numbers and median latency of the network and of every cell, visited in turn."""
    import torch

    from surrogate_nas.training.hardware.latency import Protocol, time_inference

    protocol = Protocol(rounds=_ROUNDS)
    frame = search.task.network()
    ours: list[nn.Module] = [
        search.space.build(cell, frame, seed=0).eval() for cell in search.cells
    ]
    example = protocol.inputs(frame)
    theirs = torch.as_tensor(_as_keras(example.numpy()))
    pairs = [(network.eval(), theirs), *((module, example) for module in ours)]
    times: list[list[float]] = [[] for _ in pairs]
    for _ in range(_ROUNDS):
        for held, (module, inputs) in zip(times, pairs, strict=True):
            held.extend(time_inference(module, inputs, protocol).processor)
    counted = [sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)]
    counted += [sum(one.numel() for one in module.parameters()) for module in ours]
    return counted, [float(np.median(held)) for held in times]


def _as_keras(inputs: np.ndarray) -> np.ndarray:
    """Images as shape ``(n, height, width, channels)``; signals as rows of numbers."""
    return np.moveaxis(inputs, 1, -1) if inputs.shape[2] > 1 else inputs.reshape(len(inputs), -1)
