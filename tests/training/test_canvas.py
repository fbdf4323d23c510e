"""Detection and segmentation: scenes, what finds their digits, and cells against constants."""

import numpy as np
import pytest
import torch

from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, train
from surrogate_nas.training.metrics import METRICS, Predictions
from surrogate_nas.training.tasks import SPLITS, canvas, pixels, unshuffled

DETECTION = TASKS["detection"]
SEGMENTATION = TASKS["segmentation"]
GOOD = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"  # noqa: E501


def judged(task, outputs, split="test"):
    """What every measure of a task says of one network's outputs."""
    inputs, targets = task.data[split]
    answers = Predictions(outputs[None], targets, inputs, task, lambda _: outputs[None])
    return [measure.of(answers).item() for measure in task.measured]


def test_boxes_are_as_tight_as_the_pixels_of_their_digits():
    for scenes in canvas.scenes().values():
        for classes, boxes in list(zip(scenes.classes, scenes.boxes, strict=True))[
            :100
        ]:
            covered = np.zeros_like(classes)
            for digit, x, y, width, height in boxes[boxes[:, 0] >= 0]:
                top = int(y - height / 2)
                left = int(x - width / 2)
                inside = classes[top : top + int(height), left : left + int(width)]
                assert set(np.unique(inside)) <= {0, digit + 1}
                assert all(
                    side.any()
                    for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1])
                )
                covered[top : top + int(height), left : left + int(width)] += 1
            assert covered.max() == 1 and not classes[covered == 0].any()
            places = boxes[boxes[:, 0] >= 0, 1:3] // 4
            assert len(np.unique(places, axis=0)) == len(places)


def test_both_tasks_see_the_same_scenes_and_splits_share_none():
    seen = set()
    for split in SPLITS:
        (inputs, boxes), (same, classes) = (
            task.data[split] for task in (DETECTION, SEGMENTATION)
        )
        assert (
            np.array_equal(inputs, same)
            and boxes.shape[1:] == (2, 5)
            and classes.shape[1:] == (16, 16)
        )
        mine = {x.tobytes() for x in inputs}
        assert len(mine) > 0.9 * len(inputs) and not mine & seen
        seen |= mine


def test_pixels_are_shuffled_out_of_places_once():
    answered = torch.arange(2 * 3 * 8 * 2 * 2.0).view(2, 3, 8, 2, 2)
    shuffled = pixels(answered, 2)
    assert shuffled.shape == (2, 3, 2, 4, 4)
    for c, y, x in np.ndindex(2, 4, 4):
        place = answered[:, :, 4 * c + 2 * (y % 2) + x % 2, y // 2, x // 2]
        assert torch.equal(shuffled[:, :, c, y, x], place)
    assert torch.equal(pixels(shuffled, 2), shuffled)
    assert torch.equal(unshuffled(shuffled, 8), answered) and torch.equal(
        unshuffled(shuffled, 2), shuffled
    )
    assert np.array_equal(pixels(answered.numpy(), 2), shuffled)
    assert np.array_equal(unshuffled(shuffled.numpy(), 8), answered)
    gradient = np.zeros(
        (1, 1, *SEGMENTATION.data["train"].targets.shape[1:]), np.float32
    ).repeat(4, 1)[None]
    assert (
        SEGMENTATION.restored(gradient).shape == (1, 1, 64, 4, 4)
        and DETECTION.restored(gradient) is gradient
    )


def scored(boxes):
    """An image's outputs on a grid of 2×2: (logit of objectness, class of 3, centre x and y, width,
    height) a place.
    """
    outputs = np.zeros((1, 1, 8, 2, 2))
    for place, (odds, kind, x, y, width, height) in enumerate(boxes):
        row, column = divmod(place, 2)
        numbers = [
            (x - 4 * column - 2) / 8,
            (y - 4 * row - 2) / 8,
            np.log(width / 8),
            np.log(height / 8),
        ]
        outputs[0, 0, :, row, column] = (
            odds,
            *(9.0 * (kind == c) for c in range(3)),
            *numbers,
        )
    return outputs


RIGHT = (1, 2.0, 2.0, 4.0, 4.0)
OTHER = (2, 6.0, 6.0, 4.0, 4.0)
NOTHING = (0, 6.0, 2.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("boxes", "missed", "overlap"),
    [
        ([(3.0, *RIGHT), (-3.0, *NOTHING), (-3.0, *NOTHING), (3.0, *OTHER)], 0, 1),
        # another class
        (
            [(3.0, *RIGHT), (-3.0, *NOTHING), (-3.0, *NOTHING), (3.0, 1, *OTHER[1:])],
            50,
            1,
        ),
        # a surer box of nothing
        ([(3.0, *RIGHT), (9.0, *NOTHING), (-3.0, *NOTHING), (2.0, *OTHER)], 50, 0.5),
        (
            [(3.0, *RIGHT), (2.0, *RIGHT), (2.0, *RIGHT), (1.0, *OTHER)],
            0,
            1,
        ),  # the same box thrice
        # half beside
        (
            [
                (3.0, 1, 4.0, 2.0, 4.0, 4.0),
                (-3.0, *NOTHING),
                (-3.0, *NOTHING),
                (3.0, *OTHER),
            ],
            50,
            2 / 3,
        ),
    ],
)
def test_digits_are_found_among_as_many_boxes(boxes, missed, overlap):
    targets = np.array([[RIGHT, OTHER]])
    answers = Predictions(
        scored(boxes), targets, np.zeros((1, 1, 8, 8)), None, lambda x: x
    )
    assert [
        METRICS[name].of(answers).item() for name in ("missed", "iou")
    ] == pytest.approx([missed, overlap], abs=1e-6)


def test_mean_overlap_of_classes_is_that_of_the_counts():
    from sklearn.metrics import jaccard_score

    _, targets = SEGMENTATION.data["valid"]
    outputs = np.random.default_rng(0).normal(size=(2, len(targets), 4, 16, 16))
    outputs += 2 * np.moveaxis(np.eye(4)[targets], -1, 1)
    found = METRICS["miou"].of(
        Predictions(outputs, targets, targets, SEGMENTATION, lambda x: x)
    )
    for k in range(2):
        said = outputs[k].argmax(1).ravel()
        assert found[k].item() == pytest.approx(
            jaccard_score(targets.ravel(), said, average="macro")
        )


@pytest.mark.slow
def test_a_cell_segments_better_than_background():
    targets = SEGMENTATION.data["test"].targets
    background = np.moveaxis(np.eye(4)[np.zeros_like(targets)], 3, 1)
    knowing_nothing = judged(SEGMENTATION, background)
    assert knowing_nothing[0] == pytest.approx(100 * (targets > 0).mean())
    beats(SEGMENTATION, knowing_nothing)


@pytest.mark.slow
def test_a_cell_finds_more_digits_than_the_usual_answer():
    boxes = DETECTION.data["train"].targets
    digits, x, y, width, height = boxes[boxes[:, :, 0] >= 0].T
    place = 4 * (y // 4) + x // 4
    wanted = np.column_stack(
        [
            np.ones(len(x)),
            *(digits == c for c in range(3)),
            (x % 4 - 2) / 8,
            (y % 4 - 2) / 8,
            np.log(width / 8),
            np.log(height / 8),
        ]
    )
    usual = np.stack([wanted[place == p].sum(0) for p in range(16)], 1)
    usual[0] /= len(boxes)
    usual[1:] /= np.bincount(place.astype(int), minlength=16).clip(1)
    outputs = np.tile(
        usual.reshape(8, 4, 4), (len(DETECTION.data["test"].inputs), 1, 1, 1)
    )
    beats(DETECTION, judged(DETECTION, outputs))


def beats(task, baseline):
    """Assert that the known good cell is better by both metrics, and more so than its seeds
    differ.
    """
    ends = [
        train([nb201().parse(GOOD)], task, seed=seed)[0].finals for seed in range(3)
    ]
    error, quality = (
        [end[f"test_{metric.name}"] for end in ends] for metric in task.measured
    )
    assert np.mean(error) + np.std(error, ddof=1) < baseline[0]
    assert np.mean(quality) > baseline[1]
