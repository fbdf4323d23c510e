"""Gaussian processes for strategies and as a surrogate, in plain NumPy.

The module contains the kernel, the likelihood, and predictions from values that are observed all at
once or one after another (Rasmussen & Williams, MIT Press 2006).
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import ge
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.blas import dtpsv, dtrsm, strsm
from scipy.linalg.lapack import dtpttr

from surrogate_nas.core import LOSSES, check_names, flag, other
from surrogate_nas.space import Cell, Space
from surrogate_nas.surrogates.base import (
    CHUNK,
    Arrays,
    Model,
    Prediction,
    columns,
    scaling,
)
from surrogate_nas.surrogates.base import Floats as Floats

# Points and the Matérn-5/2 kernel over them, in units of its variance.
#
# Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 4.2.


def squared_distances(left: Floats, right: Floats) -> Floats:
    """Return squared distances, shape ``(n, m)``, between two sets of points.

    Args:
        left: Points, shape ``(n, d)``.
        right: Points, shape ``(m, d)``.
    """
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    return np.asarray(np.maximum(sums - 2 * left @ right.T, 0))


def matern_of_squares(squared: Floats) -> Floats:
    """Return the Matérn-5/2 kernel of squared distances."""
    r = np.asarray(5 * squared)
    np.sqrt(r, out=r)
    covariance = np.square(r)
    covariance /= 3
    covariance += 1 + r
    np.negative(r, out=r)
    covariance *= np.exp(r, out=r)
    return covariance


def weighted(weights: Floats, matrices: Sequence[Floats]) -> Floats:
    """Return a weighted sum of matrices of the same shape."""
    return np.asarray(
        sum(weight * matrix for weight, matrix in zip(weights, matrices, strict=True))
    )


# A process that has seen all its values at once: its predictions, also without one of them.
#
# Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006; leave-one-out
# predictions by their section 5.4.2. The process has zero mean and a variance that is the most
# likely one given kernel and noise; noise is relative to it everywhere.


LEAST = 1e-12
_LEAST_LEFT = 1e-9


class FittedProcess(NamedTuple):
    """A Gaussian process conditioned on values at ``n`` points.

    Attributes:
        root: The lower Cholesky factor of kernel plus noise at the points, shape ``(n, n)``.
        alpha: The solution of the linear system (kernel plus noise) · alpha = values, shape
            ``(n,)``.
        noise: The variance of the noise, relative to the variance of the process.
        variance: The variance of the process.
    """

    root: Floats
    alpha: Floats
    noise: float
    variance: float

    @classmethod
    def seeing(cls, kernel: Floats, values: Floats, noise: float) -> Self:
        """Condition a Gaussian process on values, and set its variance to the most likely value.

        Args:
            kernel: The kernel between the observed points, shape ``(n, n)``.
            values: The values at the observed points, about zero on average.
            noise: The variance of the noise, relative to the variance of the process.
        """
        root = np.asarray(np.linalg.cholesky(kernel + noise * np.eye(len(values))))
        alpha = cho_solve((root, True), values)
        return cls(root, alpha, noise, max(float(values @ alpha) / len(values), LEAST))

    def predict(self, to_seen: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, including noise, of values at ``m`` points, ``(m,)``
        each.

        Args:
            to_seen: The kernel between observed and new points, shape ``(n, m)``.
        """
        whitened = solve_triangular(self.root, to_seen, lower=True)
        left = np.maximum(1 - (whitened**2).sum(axis=0), _LEAST_LEFT) + self.noise
        return to_seen.T @ self.alpha, np.sqrt(self.variance * left)

    def left_out(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the leave-one-out mean and standard deviation at every observed point."""
        precision = np.diag(cho_solve((self.root, True), np.eye(len(values))))
        return values - self.alpha / precision, np.sqrt(self.variance / precision)


# The same process observed value by value: one more value costs a row, one more place a column.
#
# With the covariances K of the observed cells, K = R Rᵀ, and W = R⁻¹ K(observed, places), the
# columns of W give the means, the explained variances and the next row of R at once.


Places = NDArray[np.intp]
"""Indices into a list of points, of any shape."""
Mask = NDArray[np.bool_]
"""A Boolean array."""
# Rows that are reserved at least; unused ones cost no memory.
_ROOM = 256
_RANGE = 256
_FEW = 32


class Posterior(NamedTuple):
    """The prediction of a Gaussian process at ``m`` points.

    Attributes:
        mean: The means, shape ``(m,)``.
        variance: The variance of the value of an unobserved cell at each point, including noise,
            shape ``(m,)``.
    """

    mean: Floats
    variance: Floats

    def at(self, places: Places) -> "Posterior":
        """Return the prediction at the points with the indices `places`, shape ``(k,)``."""
        return Posterior(self.mean[places], self.variance[places])


class GrowingProcess:
    """A Gaussian process over a fixed list of points that is updated as cells are observed.

    Each cell lies at one of the points. The constant mean is estimated by generalised least
    squares.

    Args:
        places: The number of points.
        prior: The prior variance at each point, in units of the process's variance.
        noise: The variance of the noise, in units of the process's variance.
        kind: The data type of the numbers that are stored for every point.

    Attributes:
        n_observed: The number of observed cells.
    """

    def __init__(
        self, places: int, prior: float, noise: float, kind: type = np.float64
    ) -> None:
        self._cholesky: Floats = np.empty(0)
        self._whitened: NDArray[Any] = np.empty((0, places), kind)
        self._explained: Floats = np.zeros(places)
        self.begin(prior, noise)

    def begin(self, prior: float, noise: float) -> None:
        """Discard all observations and reuse their memory."""
        self.n_observed = 0
        self._prior = prior
        self._noise = noise
        self._explained[:] = 0.0

    def add_points(self, covariance: Floats) -> None:
        """Add ``k`` points.

        `covariance` is their covariance with the observed cells, shape ``(n, k)``.
        """
        n, m = self.n_observed, len(self._explained)
        root = self._cholesky[: n * (n + 1) // 2]
        new = _forward(dtpttr(n, root)[0], covariance) if n else covariance
        self._explained = np.concatenate([self._explained, (new**2).sum(axis=0)])
        shape = n, len(self._explained)
        self._whitened = enlarged(self._whitened, (n, m), shape)
        self._whitened[:n, m : shape[1]] = new

    def predict(
        self,
        target: Floats,
        places: Places,
        covariance: Callable[[slice], Floats],
        pending: Places,
        between: Floats,
    ) -> Posterior:
        """Observe additional cells, and predict the values at all points.

        Pending cells are treated as if observed at their expected values.

        Args:
            target: The values of all observed cells, shape ``(n,)``. All values may change between
                calls.
            places: Points of the cells that are observed for the first time, shape ``(k,)``.
            covariance: A function that returns the covariance between `places` and a range of all
                points, shape ``(k, width)``. If there are many new cells, the function is called
                for one range after another.
            pending: Points of the pending cells, shape ``(p,)``.
            between: The covariance between `pending` and all points, shape ``(p, m)``.
        """
        before, n, m = self.n_observed, len(target), len(self._explained)
        start, stop = (length * (length + 1) // 2 for length in (before, n))
        self._cholesky = enlarged(self._cholesky, (start,), (stop,))
        self._whitened = enlarged(self._whitened, (before, m), (n, m))
        old, new = np.split(self._whitened[:n, :m], [before])
        width = _RANGE if len(places) > _FEW else m
        ranges = [slice(start, start + width) for start in range(0, m, width)]
        for part in ranges:
            new[:, part] = covariance(part)

        cross = old[:, places].T.astype(np.float64)
        among = new[:, places].astype(np.float64)
        among[np.equal.outer(places, places)] = self._prior
        among -= cross @ cross.T
        own = np.maximum(np.diag(among) + self._noise, LEAST)
        among[np.diag_indices(len(places))] = own
        pivots = np.asarray(np.linalg.cholesky(among))
        self._cholesky[start:stop] = np.hstack([cross, pivots])[
            np.tri(n - before, n, before, dtype=bool)
        ]
        self.n_observed = n

        white, ones = (
            dtpsv(n, self._cholesky, right, trans=1) for right in (target, np.ones(n))
        )
        constant = float(white @ ones / (ones @ ones))
        residual = white - constant * ones
        variance = max(float(residual @ residual) / n, LEAST)

        mean = np.full(m, constant)
        rows = np.vstack([residual[:before], cross]).astype(old.dtype)
        for part in ranges:
            from_old = (rows[:, None] @ old[:, part])[:, 0]  # without a copy of these
            if len(places):
                new[:, part] = _forward(pivots.T, new[:, part] - from_old[1:])
            self._explained[part] += np.einsum("ij,ij->j", new[:, part], new[:, part])
            mean[part] += from_old[0] + residual[before:] @ new[:, part]

        explained = self._explained
        if len(pending):  # what they will explain, as if they were observed
            whitened = self._whitened[:n, :m]
            left = between - whitened[:, pending].T @ whitened
            among = left[:, pending] + self._noise * np.eye(len(pending))
            rows = _forward(np.asarray(np.linalg.cholesky(among)).T, left)
            explained = explained + (rows**2).sum(axis=0)
        remaining = np.maximum(self._prior - explained, LEAST) + self._noise
        return Posterior(mean, variance * remaining)


def enlarged(
    array: NDArray[Any], filled: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return an array of at least `shape` that begins with the filled part of `array`.

    The result is `array` itself if it is large enough.
    """
    if all(map(ge, array.shape, shape)):
        return array
    pairs = zip(array.shape, shape, strict=True)
    room = [have if have >= need else max(_ROOM, 2 * need) for have, need in pairs]
    larger = np.empty(room, dtype=array.dtype)
    larger[tuple(map(slice, filled))] = array[tuple(map(slice, filled))]
    return larger


def _forward(root: Floats, right: Floats) -> Floats:
    """Solve ``root.T @ x = right`` for an upper root, by the transpose, which avoids a copy."""
    solve = strsm if right.dtype == np.float32 else dtrsm
    return np.asarray(solve(1.0, root, np.ascontiguousarray(right).T, side=1).T)


# Which kernel and which noise make the values that were seen most likely.
#
# Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 5.4.1.
# The variance of the process is profiled out; noise is relative to it.


MOST_FOR_LIKELIHOOD = 400
"""The largest number of points in the likelihood; with more, a random subset is used."""
_ITERATIONS = 15
_START_NOISE = -2.0
_NOISE_PRIOR = (-3.0, 2.0)
_WEIGHT_BOUNDS = (-10.0, 8.0)
_NOISE_BOUNDS = (-7.0, 1.0)
WEIGHT_SPREAD = 4.0
"""The prior standard deviation of the logarithm of a weight, and of the mean of logarithms."""


def most_likely_weights(
    points: Sequence[Floats],
    values: Floats,
    seed: int,
    spread: float = WEIGHT_SPREAD,
    start: Floats | None = None,
) -> tuple[Floats, float]:
    """Find the most likely weights of squared distances in the kernel, and the most likely noise.

    Args:
        points: One array per block of columns, shape ``(n, d)``, in which two random points are
            about 1 apart.
        values: Values at the points, shape ``(n,)``, about zero on average.
        seed: Seed of the random choice of 400 points for the likelihood, if there are more than 400
            points.
        spread: Prior standard deviation of the logarithms of the weights around their mean.
        start: Initial weights, followed by the initial noise, or None for weights of 1 and the
            default noise.

    Returns:
        The weight of each block, and the noise relative to the variance of the process.
    """
    chosen = np.random.default_rng(seed).permutation(len(values))[:MOST_FOR_LIKELIHOOD]
    values = values[chosen]
    n = len(chosen)
    squares = np.array(
        [squared_distances(block[chosen], block[chosen]) for block in points]
    )

    def cost(logs: Floats) -> tuple[float, Floats]:
        """Return the negative logarithm of the posterior density, and its gradient."""
        weights, noise = np.exp(logs[:-1]), np.exp(logs[-1])
        r = np.sqrt(5 * np.tensordot(weights, squares, 1))
        decay = np.exp(-r)
        kernel = (1 + r + r**2 / 3) * decay
        kernel[np.diag_indices(n)] += noise
        root = np.linalg.cholesky(kernel)
        inverse = cho_solve((root, True), np.eye(n), check_finite=False)
        alpha = inverse @ values
        fit = max(float(values @ alpha), LEAST * n)
        by_kernel = (inverse - np.outer(alpha, alpha) * (n / fit)) / 2
        by_square = by_kernel * (-5 / 6) * (1 + r) * decay
        slopes = weights * np.tensordot(squares, by_square, 2)
        mean = logs[:-1].mean()
        apart, doubt = logs[:-1] - mean, logs[-1] - _NOISE_PRIOR[0]
        slopes += apart / spread**2 + mean / WEIGHT_SPREAD**2
        by_noise = noise * np.trace(by_kernel) + doubt / _NOISE_PRIOR[1] ** 2
        prior = (
            (apart @ apart) / spread**2
            + len(apart) * (mean / WEIGHT_SPREAD) ** 2
            + (doubt / _NOISE_PRIOR[1]) ** 2
        )
        likelihood = n * np.log(fit / n) / 2 + np.log(np.diag(root)).sum()
        return float(likelihood + prior / 2), np.append(slopes, by_noise)

    from scipy.optimize import minimize  # slow to import, and `bo` does without it

    solution = minimize(
        cost,
        np.append(np.zeros(len(points)), _START_NOISE)
        if start is None
        else np.log(start),
        method="L-BFGS-B",
        jac=True,
        bounds=[_WEIGHT_BOUNDS] * len(points) + [_NOISE_BOUNDS],
        options={"maxiter": _ITERATIONS},
    ).x
    return np.exp(solution[:-1]), float(np.exp(solution[-1]))


class Hyper(NamedTuple):
    """Hyperparameters of the covariance v·[Matérn-5/2(d/ℓ) + a·(same point) + b·(same cell)].

    Attributes:
        length: The length scale ℓ, on a scale on which two random points are about 1 apart.
        shared: The variance a that all cells at one point share in addition to the kernel, in units
            of the process's variance v.
        noise: The variance b of each single cell, in units of the process's variance v.
    """

    length: float = 1.0
    shared: float = 0.0
    noise: float = 1e-2


GRID = {
    "noise": (1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3),
    "length": (0.5, 1.0, 2.0, 4.0),
    "shared": (0.0, 0.03, 0.1),
}
"""The grid of hyperparameters that `most_likely` searches."""
_MOST_SWEEPS = 4


def most_likely(
    squares: Floats,
    same: Mask,
    target: Floats,
    start: Hyper,
) -> Hyper:
    """Maximise the likelihood over `GRID` by coordinate ascent.

    The mean is estimated by generalised least squares.

    Args:
        squares: Squared distances between the points of observed cells, shape ``(n, n)``.
        same: Whether two cells lie at the same point, shape ``(n, n)``.
        target: Values of the observed cells, shape ``(n,)``.
        start: Initial hyperparameters, which must be on the grid.
    """
    n = len(target)
    both = np.column_stack([target, np.ones(n)])

    @cache
    def smooth(length: float) -> Floats:
        return matern_of_squares(squares / length**2)

    @cache
    def likelihood(hyper: Hyper) -> float:
        covariance = smooth(hyper.length) + hyper.shared * same
        covariance[np.diag_indices(n)] += hyper.noise
        root = np.linalg.cholesky(covariance)
        white = solve_triangular(root, both, lower=True, check_finite=False)
        (yy, y1), (_, one) = white.T @ white
        variance = max(float(yy - y1**2 / one) / n, LEAST)
        return float(-n * np.log(variance) - 2 * np.log(np.diag(root)).sum())

    best = start
    for _ in range(_MOST_SWEEPS):
        before = best
        for axis, steps in GRID.items():
            best = max(
                (best._replace(**{axis: value}) for value in steps), key=likelihood
            )
        if best == before:
            break
    return best


# The process as a surrogate: a weighted sum of squared distances, one weight a block of columns;
# weights and noise maximise the marginal likelihood. Leave-one-out predictions, for the
# calibration, have a closed form.


# Beyond the seen values the slope over so many of the outermost ones goes on.
_TAIL = 0.1
_REACH = 3.0


def normal_scores(values: Floats) -> Floats:
    """Return the normal scores of values: quantiles of a normal distribution at their ranks,
    ``(n,)``.

    Equal values share their mean rank.
    """
    from scipy.special import (
        ndtri,
    )  # and no scipy.stats, which takes half a second to import

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(ndtri((ranks[places] - 0.5) / len(values)))


class Warp(NamedTuple):
    """A monotone map between values and normal scores.

    Attributes:
        knots: Different values in ascending order, shape ``(k,)``.
        scores: The normal scores of the knots, in ascending order.
    """

    knots: Floats
    scores: Floats

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Compute the map for given values. Equal values share the score of their mean rank.

        Args:
            values: Values to map, shape ``(n,)``. At least two values must be different.
        """
        knots, first = np.unique(values, return_index=True)
        scores = normal_scores(values)[first]
        reach = max(1, round(_TAIL * (len(knots) - 1)))
        low = (knots[reach] - knots[0]) / (scores[reach] - scores[0])
        high = (knots[-1] - knots[-1 - reach]) / (scores[-1] - scores[-1 - reach])
        return cls(
            np.concatenate(
                [[knots[0] - _REACH * low], knots, [knots[-1] + _REACH * high]]
            ),
            np.concatenate([[scores[0] - _REACH], scores, [scores[-1] + _REACH]]),
        )

    def forward(self, values: Floats) -> Floats:
        """Convert values, shape ``(n,)``, to normal scores."""
        return np.interp(values, self.knots, self.scores)

    def backward(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Convert means and standard deviations of normal scores to the scale of the values.

        A standard deviation is half of the distance between the values of mean − std and mean +
        std.
        """
        low, middle, high = (
            np.interp(mean + step * std, self.scores, self.knots) for step in (-1, 0, 1)
        )
        return middle, (high - low) / 2


class GaussianProcess(Model):
    """A Gaussian process on one or several encodings of cells.

    Each encoding is scaled so that two random cells are about 1 apart.

    Args:
        seed: Seed of the random choice of 400 cells for the likelihood, if there are more than 400
            cells.
        blocks: The encodings that the kernel uses, or empty for the default encodings of the
            quantity.
        warp: Whether to learn ranks, as normal scores, instead of logarithms. Ranks are better with
            few training cells.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> losses = bench.column("valid_loss")
        >>> model = GaussianProcess("loss").fit(bench.space[::150], losses[::150])
        >>> mean, std = model.predict(bench.space[7::150])
        >>> inside = (
        ...     np.abs(losses[7::150] - mean) <= 1.645 * std
        ... )  # 90 % of 105 test cells
        >>> (
        ...     bool(inside.mean() > 0.75),
        ...     bool(np.corrcoef(mean, losses[7::150])[0, 1] > 0.9),
        ... )
        (True, True)
    """

    name: ClassVar[str] = "gp"

    blocks: Sequence[str] = other((), tuple, check_names)
    warp: bool = flag(False)

    def _begin(self) -> None:
        if not self.blocks:
            is_loss = self.quantity in LOSSES
            self.blocks = (
                ("alive", "signal")
                if is_loss
                else ("path_and_graph", "operation_counts")
            )

    def prepare(self, space: Space) -> None:
        """Compute and cache the scaling of every encoding."""
        for block in self.blocks:
            scaling(space, block)

    def _points(self, cells: Sequence[Cell]) -> list[Floats]:
        return [
            scaling(self._space, block).unit(columns(self._space, cells, block))
            for block in self.blocks
        ]

    def _kernel(self, left: Sequence[Floats], right: Sequence[Floats]) -> Floats:
        distances = [squared_distances(a, b) for a, b in zip(left, right, strict=True)]
        return matern_of_squares(weighted(self._weights, distances))

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        self._warp = Warp.fit(target) if self.warp else None
        learned = self._warp.forward(target) if self._warp else target
        self._cells = list(cells)
        self._offset = float(learned.mean())
        centred = learned - self._offset
        self._known = self._points(cells)
        self._weights, noise = most_likely_weights(self._known, centred, self.seed)
        self._process = FittedProcess.seeing(
            self._kernel(self._known, self._known), centred, noise
        )
        self._left_out = self._process.left_out(learned)

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        blocks = (
            self._points(cells[start : start + CHUNK])
            for start in range(0, len(cells), CHUNK)
        )
        mean, std = np.concatenate(
            [
                self._process.predict(self._kernel(self._known, block))
                for block in blocks
            ],
            axis=1,
        )
        return self._unwarped(self._offset + mean, std)

    def _unwarped(self, mean: Floats, std: Floats) -> Prediction:
        return Prediction(
            *(self._warp.backward(mean, std) if self._warp else (mean, std))
        )

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        return self._unwarped(*self._left_out)

    def _arrays(self) -> Arrays:
        warp = self._warp._asdict() if self._warp else {}
        numbers = np.array([self._offset, self._process.noise, self._process.variance])
        names = "\n".join(cell.text for cell in self._cells).encode()
        return warp | {
            "root": self._process.root,
            "alpha": self._process.alpha,
            "names": np.frombuffer(names, dtype=np.uint8),
            "weights": self._weights,
            "numbers": numbers,
        }

    def _restore(self, arrays: Arrays) -> None:
        self._warp = Warp(arrays["knots"], arrays["scores"]) if self.warp else None
        names = bytes(arrays["names"]).decode().split("\n")
        self._cells = list(map(self._space.parse, names))
        self._known = self._points(self._cells)
        self._weights = arrays["weights"]
        self._offset, noise, variance = (float(number) for number in arrays["numbers"])
        self._process = FittedProcess(arrays["root"], arrays["alpha"], noise, variance)
