"""Segmentation of a chessboard: which squares does White attack?

Positions are random: on each side, a random share of the sixteen pieces remains. A square is
attacked if a white piece could capture a piece there. Pieces in between block the way, and white
pawns move upwards.
"""

import numpy as np

from surrogate_nas.training.tasks import Array, Schedule, Splits, Task, cut, split_rng

SIDE = 8
PIECES = {"pawn": 8, "knight": 2, "bishop": 2, "rook": 2, "queen": 1, "king": 1}
EMPTY = -1
"""The number of a square without a piece; white pieces are 0 to 5, black ones 6 to 11."""
_STRAIGHT = ((1, 0), (-1, 0), (0, 1), (0, -1))
_DIAGONAL = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_JUMPS = tuple(
    (i, j) for i in (-2, -1, 1, 2) for j in (-2, -1, 1, 2) if abs(i) != abs(j)
)
# Of each kind of piece the directions and how many steps it goes at most.
_MOVES = (
    (((-1, 1), (-1, -1)), 1),
    (_JUMPS, 1),
    (_DIAGONAL, SIDE),
    (_STRAIGHT, SIDE),
    (_STRAIGHT + _DIAGONAL, SIDE),
    (_STRAIGHT + _DIAGONAL, 1),
)
_LEFT = (0.2, 0.9)
_SIZES = (800, 500, 1500)


def attacked(board: Array) -> Array:
    """Return whether White attacks each square of a chess position, shape ``(8, 8)``.

    Args:
        board: The number of the piece on each square, or `EMPTY`, shape ``(8, 8)``. The last row is
            White's side.
    """
    reached = np.zeros((SIDE, SIDE), bool)
    for row, column in np.argwhere((board != EMPTY) & (board < len(PIECES))):
        directions, most = _MOVES[board[row, column]]
        for down, right in directions:
            for steps in range(1, most + 1):
                i = row + steps * down
                j = column + steps * right
                if not (0 <= i < SIDE and 0 <= j < SIDE):
                    break
                reached[i, j] = True
                if board[i, j] != EMPTY:
                    break
    return reached


def drawn(rng: np.random.Generator) -> Array:
    """Sample a random chess position, shape ``(8, 8)``."""
    set_of_pieces = np.repeat(np.arange(2 * len(PIECES)), 2 * [*PIECES.values()])
    pieces = set_of_pieces[rng.random(len(set_of_pieces)) < rng.uniform(*_LEFT)]
    board = np.full(SIDE**2, EMPTY)
    board[rng.permutation(SIDE**2)[: len(pieces)]] = pieces
    return board.reshape(SIDE, SIDE)


def load() -> Splits:
    """Return splits of chess positions with one channel for each type of piece: 800 for training,
    500 for validation, 1,500 for testing.
    """
    rng = split_rng()
    boards = np.stack([drawn(rng) for _ in range(sum(_SIZES))])
    inputs = boards[:, None] == np.arange(2 * len(PIECES))[:, None, None]
    targets = np.stack([attacked(board) for board in boards]).astype(np.int64)
    return cut(inputs, targets, _SIZES)


TASK = Task(
    name="chessboard",
    title="which squares does White attack? 8×8",
    load=load,
    classes=2,
    kind="segmentation",
    residual=False,
    strided=False,
    schedule=Schedule(epochs=5, batch=32),
    source="positions drawn here",
)
