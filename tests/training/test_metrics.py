"""Every measure against scikit-learn, an independent formula or a computation by hand, for each of
several networks.
"""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn import metrics

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.losses import LOSSES
from surrogate_nas.training.metrics import METRICS, Predictions, TaskMetric
from surrogate_nas.training.metrics.classes import MOST, STEP
from surrogate_nas.training.metrics.sequences import BLANK, distances, greedy, unaligned

K = 3
N = 200
CLASSES = 4


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def answers(outputs, targets, *, tolerance=0.0):
    inputs = np.zeros((len(targets), 1, 1, 1))
    task = SimpleNamespace(tolerance=tolerance)
    return Predictions(
        outputs.numpy(), targets.numpy(), inputs, task, lambda _: outputs.numpy()
    )


@pytest.fixture(scope="module")
def classified():
    """Networks of growing confidence, right more often than by chance."""
    targets = torch.arange(N) % CLASSES
    right = torch.eye(CLASSES)[targets]
    return answers(
        torch.stack([(k + 1) * (right + randn(N, CLASSES, seed=k)) for k in range(K)]),
        targets,
    )


@pytest.fixture(scope="module")
def numbered():
    targets = randn(N, 2)
    return answers(
        torch.stack(
            [targets + 0.3 * (k + 1) * randn(N, 2, seed=k + 1) for k in range(K)]
        ),
        targets,
    )


def of(name, given):
    values = METRICS[name].of(given)
    assert values.dtype == np.float64 and values.shape == given.outputs.shape[:1]
    return values.tolist()


def by_bins(p, targets):
    """The expected calibration error in %, written as Guo et al. (2017) do, bin by bin."""
    confidence = p.max(1)
    right = p.argmax(1) == targets
    total = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(
                right[inside].mean() - confidence[inside].mean()
            )
    return 100 * total


def test_measures_of_classes_are_sklearns_or_the_papers(classified):
    targets = classified.targets
    p = softmax(classified.outputs.astype(float), 2)
    one_hot = np.eye(CLASSES)[targets]
    assert of("error", classified) == pytest.approx(
        [100 - 100 * metrics.accuracy_score(targets, q.argmax(1)) for q in p]
    )
    assert of("nll", classified) == pytest.approx(
        [metrics.log_loss(targets, q) for q in p]
    )
    assert of("brier", classified) == pytest.approx(
        [((q - one_hot) ** 2).sum(1).mean() for q in p]
    )
    assert of("ece", classified) == pytest.approx([by_bins(q, targets) for q in p])
    assert 0 < min(of("ece", classified))


@pytest.mark.parametrize("name", ["error", "nll", "brier", "ece", "perplexity"])
def test_every_position_counts_as_an_answer(classified, name):
    folded = classified.outputs.reshape(K, N // 5, 5, CLASSES).swapaxes(2, 3)
    given = replace(
        classified, outputs=folded, targets=classified.targets.reshape(-1, 5)
    )
    assert of(name, given) == pytest.approx(of(name, classified))


def test_of_equal_scores_the_first_is_the_answer():
    outputs = randn(K, 50, CLASSES, 6).round()
    targets = torch.randint(CLASSES, (50, 6))
    expected = 100 * (outputs.numpy().argmax(2) != targets.numpy()).mean((1, 2))
    assert of("error", answers(outputs, targets)) == expected.tolist()
    outputs[0, 0, 1, 0] = torch.nan
    targets[0, 0] = 1
    outputs[1:] = outputs[:1]
    assert len({*of("error", answers(outputs, targets))}) == 1


def test_calibration_of_a_certain_network_is_its_error():
    targets = torch.tensor([0, 1, 2, 3])
    certain = answers(1000 * torch.eye(CLASSES)[[0, 1, 2, 0]][None], targets)
    assert of("ece", certain) == of("error", certain) == [25.0]


def test_measures_of_numbers_are_sklearns(numbered):
    wanted = numbered.targets.astype(float)
    for name, formula in {
        "mae": metrics.mean_absolute_error,
        "rmse": lambda t, o: math.sqrt(metrics.mean_squared_error(t, o)),
        "r2": metrics.r2_score,
        "pinball": lambda t, o: metrics.mean_pinball_loss(t, o, alpha=0.9),
    }.items():
        assert of(name, numbered) == pytest.approx(
            [formula(wanted, o) for o in numbered.outputs.astype(float)]
        )


def test_a_number_is_wrong_beyond_the_tasks_tolerance():
    outputs = torch.tensor([[[0.0], [0.4], [0.6], [-2.0]]])
    assert of("error", answers(outputs, torch.zeros(4), tolerance=0.5)) == [50.0]


def test_perplexity_of_uniform_answers_is_the_number_of_classes():
    assert of(
        "perplexity",
        answers(torch.zeros(1, 2, 7, 5), torch.ones(2, 5, dtype=torch.long)),
    ) == pytest.approx([7])


def levenshtein(a, b):
    """By the recursive definition."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return levenshtein(a[1:], b[1:])
    return 1 + min(
        levenshtein(a[1:], b), levenshtein(a, b[1:]), levenshtein(a[1:], b[1:])
    )


def numbers(texts, length):
    return np.array([[ord(c) - 96 for c in text.ljust(length, "`")] for text in texts])


def test_edit_distances_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    said, meant = (
        ["".join(rng.choice(list("abc"), rng.integers(m + 1))) for _ in range(60)]
        for m in (6, 5)
    )
    expected = [levenshtein(a, b) for a, b in zip(said, meant, strict=True)]
    assert distances(numbers(said, 7), numbers(meant, 5)).tolist() == expected
    known = (
        numbers(["kitten", "saturday", ""], 8),
        numbers(["sitting", "sunday", "abc"], 7),
    )
    assert distances(*known).tolist() == [3, 3, 3]


def test_texts_are_read_by_merging_and_dropping_blanks():
    paths = torch.tensor([[0, 1, 1, 0, 1, 2], [0, 0, 0, 0, 0, 0], [3, 3, 3, 2, 2, 0]])
    outputs = torch.eye(CLASSES)[paths].transpose(1, 2)
    assert greedy(outputs.numpy()).tolist() == [
        [1, 1, 2, 0, 0, 0],
        [0] * 6,
        [3, 2, 0, 0, 0, 0],
    ]
    targets = torch.tensor([[1, 1, 2], [1, 0, 0], [3, 3, 2]])
    given = answers(torch.stack([outputs, outputs.flip(1)]), targets)
    errors = of("character_error", given)
    assert errors[0] == pytest.approx(100 * 2 / 7)
    assert errors[1] != errors[0]
    assert of("text_error", given)[0] == pytest.approx(200 / 3)


def linear(weights, inputs, targets):
    """The answers of linear networks, weights ``(K, classes, numbers)``."""

    def again(given):
        return np.einsum("kcd,nd->knc", weights, given.reshape(len(given), -1))

    def slope(given, of):
        return np.einsum("knc,kcd->knd", of(again(given)), weights).reshape(
            -1, *given.shape
        )

    return Predictions(again(inputs), targets, inputs, None, again, slope)


def test_the_robust_error_is_that_of_the_worst_step_against_a_linear_network():
    """Of two classes a linear network's worst step is known: the margin falls by the step times the
    weights' norm.
    """
    weights = randn(K, 2, 6).numpy()
    inputs = randn(MOST + 100, 1, 2, 3, seed=1).numpy()
    targets = np.random.default_rng(0).integers(2, size=MOST + 100)
    given = linear(weights, inputs, targets)
    scores = given.outputs[:, :MOST]
    margins = (1 - 2 * targets[:MOST]) * (scores[..., 0] - scores[..., 1])
    fallen = margins - STEP * np.abs(weights[:, 0] - weights[:, 1]).sum(
        1, keepdims=True
    )
    attacked = METRICS["robust_error"].of(given)
    assert attacked.tolist() == pytest.approx((100 * (fallen < 0).mean(1)).tolist())
    assert (attacked > 100 * (margins < 0).mean(1)).all()


def test_the_attack_finds_a_gradient_where_a_network_is_certain():
    weights = 200 * np.array([[[1.0], [-1.0]]], np.float32)
    given = linear(weights, np.full((4, 1, 1, 1), 0.09, np.float32), np.zeros(4, int))
    assert of("error", given) == [0.0]
    assert of("robust_error", given) == [100.0]


def test_measures_of_images_follow_their_formulas():
    targets = randn(2, 1, 9, 8).sigmoid()
    outputs = torch.stack(
        [targets, (targets + 0.1 * randn(2, 1, 9, 8, seed=1)).clamp(0, 1)]
    )
    given = answers(outputs, targets)
    assert of("ssim", given) == pytest.approx(
        [1, 1 - LOSSES["ssim"].each(outputs, targets)[1].mean().item()], abs=1e-6
    )
    off = (outputs[1] - targets).double().square().mean((1, 2, 3)).numpy()
    assert of("psnr", given) == pytest.approx([100, np.mean(10 * np.log10(1 / off))])
    assert of("mae", given)[1] == pytest.approx(
        (outputs[1] - targets).abs().mean().item()
    )


def test_every_measure_says_what_it_is():
    for name, measure in METRICS.items():
        assert measure.name == name and measure.title and math.isfinite(measure.worst)
        assert measure.unit == "%" or measure.quantity != "error"


def test_a_measure_of_ones_own_is_found_in_its_file(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from surrogate_nas.training.metrics import METRICS, TaskMetric\n"
        "MINE = TaskMetric('mine', 'errors', '%', 'error', 100.0, METRICS['error'].of)\n"
    )
    assert METRICS.find(f"{file}:MINE").name == "mine"
    for name, said in {
        "pnsr": "Did you mean 'psnr'",
        f"{file}:METRICS": "METRICS",
    }.items():
        with pytest.raises(UserError, match=said):
            METRICS.find(name)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "name of a metric"),
        ({"quantity": "cost"}, "quantity of"),
        ({"when": "never"}, "when of"),
    ],
)
def test_a_wrong_measure_says_what_is_wrong(changed, said):
    right = {
        "name": "x",
        "title": "x",
        "unit": "%",
        "quantity": "error",
        "worst": 1.0,
        "of": METRICS["error"].of,
    }
    with pytest.raises(UserError, match=said):
        TaskMetric(**{**right, **changed})


def test_answers_of_blanks_alone_are_noted():
    outputs = torch.zeros(2, 3, 4, 5)
    outputs[:, :, BLANK] = 1
    outputs[1, 2, 3, 4] = 2
    targets = torch.ones(3, 2, dtype=torch.long)
    noted = unaligned(answers(outputs, targets))
    assert [bool(note) for note in noted] == [True, False]
