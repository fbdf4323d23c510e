"""One Gaussian process, for strategies and as a surrogate: kernel, likelihood, and predictions at
once or in steps (Rasmussen & Williams, MIT Press 2006), in plain NumPy.
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
    """Between all points of two sets, ``(n, d)`` and ``(m, d)``, shape ``(n, m)``."""
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    return np.asarray(np.maximum(sums - 2 * left @ right.T, 0))


def matern_of_squares(squared: Floats) -> Floats:
    """The Matérn-5/2 kernel."""
    r = np.asarray(5 * squared)
    np.sqrt(r, out=r)
    covariance = np.square(r)
    covariance /= 3
    covariance += 1 + r
    np.negative(r, out=r)
    covariance *= np.exp(r, out=r)
    return covariance


def weighted(weights: Floats, matrices: Sequence[Floats]) -> Floats:
    """A weighted sum of matrices of one shape."""
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
    """A process that has seen values at some points.

    Attributes:
        root: The lower Cholesky factor of kernel plus noise there, shape ``(n, n)``.
        alpha: What it solves to for the values, shape ``(n,)``.
        noise: The variance of the noise, relative to that of the process.
        variance: Of the process.
    """

    root: Floats
    alpha: Floats
    noise: float
    variance: float

    @classmethod
    def seeing(cls, kernel: Floats, values: Floats, noise: float) -> Self:
        """Condition on values; the process's variance is the most likely one.

        Args:
            kernel: Between the seen points, shape ``(n, n)``.
            values: There, about zero on average.
            noise: The relative variance of their noise.
        """
        root = np.asarray(np.linalg.cholesky(kernel + noise * np.eye(len(values))))
        alpha = cho_solve((root, True), values)
        return cls(root, alpha, noise, max(float(values @ alpha) / len(values), LEAST))

    def predict(self, to_seen: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of values at other points, noise included, shape ``(m,)``
        each.

        Args:
            to_seen: The kernel between the seen points and those, shape ``(n, m)``.
        """
        whitened = solve_triangular(self.root, to_seen, lower=True)
        left = np.maximum(1 - (whitened**2).sum(axis=0), _LEAST_LEFT) + self.noise
        return to_seen.T @ self.alpha, np.sqrt(self.variance * left)

    def left_out(self, values: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation at every seen point, had it not been seen."""
        precision = np.diag(cho_solve((self.root, True), np.eye(len(values))))
        return values - self.alpha / precision, np.sqrt(self.variance / precision)


# The same process observed value by value: one more value costs a row, one more place a column.
#
# With the covariances K of the observed cells, K = R Rᵀ, and W = R⁻¹ K(observed, places), the
# columns of W give the means, the explained variances and the next row of R at once.


Places = NDArray[np.intp]
"""Places by their numbers, of any shape."""
Mask = NDArray[np.bool_]
"""Yes or no for each of some places."""
# Rows that are reserved at least; unused ones cost no memory.
_ROOM = 256
_RANGE = 256
_FEW = 32


class Posterior(NamedTuple):
    """The prediction of a process at every place.

    Attributes:
        mean: Shape ``(m,)``.
        variance: Of an unobserved cell there, with noise, shape ``(m,)``.
    """

    mean: Floats
    variance: Floats

    def at(self, places: Places) -> "Posterior":
        """The prediction at some places; `places`: their numbers, shape ``(k,)``."""
        return Posterior(self.mean[places], self.variance[places])


class GrowingProcess:
    """A Gaussian process over a list of places, each observed cell at one of them.

    Its constant mean is that of generalised least squares.

    Args:
        places: How many there are.
        prior: The variance at each, in units of that of the process.
        noise: The variance of the noise, likewise.
        kind: Of the numbers that are kept for every place.

    Attributes:
        n_observed: How many cells are observed.
    """

    def __init__(
        self, places: int, prior: float, noise: float, kind: type = np.float64
    ) -> None:
        self._cholesky: Floats = np.empty(0)
        self._whitened: NDArray[Any] = np.empty((0, places), kind)
        self._explained: Floats = np.zeros(places)
        self.begin(prior, noise)

    def begin(self, prior: float, noise: float) -> None:
        """Forget all observations; their memory is used again."""
        self.n_observed = 0
        self._prior = prior
        self._noise = noise
        self._explained[:] = 0.0

    def add_points(self, covariance: Floats) -> None:
        """Add places; `covariance`: between the observed cells and these, shape ``(n, k)``."""
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
        """Observe further cells, and predict all places, pending cells as if observed at their
        expected values.

        Args:
            target: The values of all observed cells, shape ``(n,)``; all may change between calls.
            places: Where the cells are that no earlier call observed, shape ``(k,)``.
            covariance: Between there and a range of all places, shape ``(k, width)``; many cells
                call it range by range, since fresh memory costs more than the sums.
            pending: Where cells are whose values are not known yet, shape ``(p,)``.
            between: The covariance between there and all places, shape ``(p, m)``.
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
    """Return an array of at least a shape that begins with the filled part of another: the same
    array, if it is large enough.
    """
    if all(map(ge, array.shape, shape)):
        return array
    pairs = zip(array.shape, shape, strict=True)
    room = [have if have >= need else max(_ROOM, 2 * need) for have, need in pairs]
    larger = np.empty(room, dtype=array.dtype)
    larger[tuple(map(slice, filled))] = array[tuple(map(slice, filled))]
    return larger


def _forward(root: Floats, right: Floats) -> Floats:
    """Solve ``root.T @ x = right`` for an upper root; by the transpose, which BLAS takes without a
    copy.
    """
    solve = strsm if right.dtype == np.float32 else dtrsm
    return np.asarray(solve(1.0, root, np.ascontiguousarray(right).T, side=1).T)


# Which kernel and which noise make the values that were seen most likely.
#
# Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 5.4.1.
# The variance of the process is profiled out; noise is relative to it.


MOST_FOR_LIKELIHOOD = 400
"""More points than these are stood for by a random choice."""
_ITERATIONS = 15
_START_NOISE = -2.0
_NOISE_PRIOR = (-3.0, 2.0)
_WEIGHT_BOUNDS = (-10.0, 8.0)
_NOISE_BOUNDS = (-7.0, 1.0)
WEIGHT_SPREAD = 4.0
"""Of the logarithm of a weight, and of the mean of several."""


def most_likely_weights(
    points: Sequence[Floats],
    values: Floats,
    seed: int,
    spread: float = WEIGHT_SPREAD,
    start: Floats | None = None,
) -> tuple[Floats, float]:
    """The weight of every block's squared distance, and the relative noise, by likelihood and weak
    priors.

    Args:
        points: A block each, shape ``(n, d)``, two random points about 1 apart.
        values: Shape ``(n,)``, about zero on average.
        seed: Chooses the points whose likelihood is maximised, where there are more than 400.
        spread: How far the logarithms of the weights lie from their mean, as a standard deviation.
        start: Where the climb begins: the weights, then the noise; None for 1 and the usual noise.
    """
    chosen = np.random.default_rng(seed).permutation(len(values))[:MOST_FOR_LIKELIHOOD]
    values = values[chosen]
    n = len(chosen)
    squares = np.array(
        [squared_distances(block[chosen], block[chosen]) for block in points]
    )

    def cost(logs: Floats) -> tuple[float, Floats]:
        """The negative logarithm of the posterior density, and its gradient."""
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
    """Of the covariance v·[Matérn-5/2(d/ℓ) + a·(same point) + b·(same cell)] what is in units of v.

    Attributes:
        length: ℓ; two random points are about 1 apart.
        shared: a, what cells of one point share beside the kernel.
        noise: b, what each cell has of its own.
    """

    length: float = 1.0
    shared: float = 0.0
    noise: float = 1e-2


GRID = {
    "noise": (1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3),
    "length": (0.5, 1.0, 2.0, 4.0),
    "shared": (0.0, 0.03, 0.1),
}
"""What is chosen from, axis after axis."""
_MOST_SWEEPS = 4


def most_likely(
    squares: Floats,
    same: Mask,
    target: Floats,
    start: Hyper,
) -> Hyper:
    """Climb the grid from a start, along one axis after another, until no step along any is more
    likely.

    The mean is that of generalised least squares.

    Args:
        squares: Squared distances of the seen cells' points, shape ``(n, n)``.
        same: Whether two of them are of one point, shape ``(n, n)``.
        target: Their values, shape ``(n,)``.
        start: On the grid.
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
    """The quantiles of a normal distribution at the ranks of values, shape ``(n,)``; equal ones
    share their mean rank.
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
        knots: Different values, rising, shape ``(k,)``.
        scores: Their normal scores, rising.
    """

    knots: Floats
    scores: Floats

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Make the map for values; equal ones share the score of their mean rank.

        Args:
            values: Shape ``(n,)``, at least two different.
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
        """Values to normal scores; `values` of shape ``(n,)``."""
        return np.interp(values, self.knots, self.scores)

    def backward(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Normal scores to values; the deviation is half of what one up and one down span."""
        low, middle, high = (
            np.interp(mean + step * std, self.scores, self.knots) for step in (-1, 0, 1)
        )
        return middle, (high - low) / 2


class GaussianProcess(Model):
    """A Gaussian process on blocks of columns, each scaled so that two random cells are about 1
    apart.

    Args:
        seed: Chooses the cells whose likelihood is maximised, where there are more than 400.
        blocks: The encodings behind the kernel; empty for what suits the quantity.
        warp: Whether ranks, as normal scores, are learned instead of the logarithm: better from
            few cells.

    Example:
        >>> import surrogate_nas as sn
        >>> bench = sn.load("fashion")
        >>> losses = bench.column("valid_loss")
        >>> model = GaussianProcess("loss").fit(bench.space[::150], losses[::150])
        >>> mean, std = model.predict(bench.space[7::150])
        >>> inside = (
        ...     np.abs(losses[7::150] - mean) <= 1.645 * std
        ... )  # of 105 unseen cells 90 %
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
        """Survey the space by every block of columns."""
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
