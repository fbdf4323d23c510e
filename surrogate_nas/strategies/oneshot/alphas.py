"""The base of differentiable NAS methods: the architecture parameters α, their gradient, and the
choice of cells.

The parameters α follow the gradient of L on validation batches. Steps of α alternate with steps of
the weights (first order, as in DARTS with ξ = 0). Alternatively, α follows the gradient of the sum
of training losses over a window of steps (Ru et al., "Speedy Performance Estimation for Neural
Architecture Search", NeurIPS 2021), which needs no additional steps. With either loss, the exact
gradient of the expected regulariser E[λR] is added.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from surrogate_nas.core import number, one_of, whole
from surrogate_nas.space.network import NONE
from surrogate_nas.strategies.oneshot.base import OneShot, Probabilities

_BETAS = (0.5, 0.999)


class Alphas(OneShot):
    """A one-shot strategy with one architecture parameter for every choice on every edge, trained
    by gradient descent together with the weights.

    Subclasses implement `_mixture`, and also `_expected` if the expected mixture is not the softmax
    of α.

    Args:
        epochs: Number of passes over the training data.
        rate: The learning rate of α, which is trained with Adam.
        choose: The order in which cells are evaluated: ``argmax`` (by decreasing probability under
            α), ``without_none`` (by decreasing probability, with cells that contain the operation
            ``none`` last, as in DARTS) or ``sampled`` (sampled from α).
        drive: The loss that α minimises, ``valid_loss`` or ``train_sum``.
        window: With ``drive="train_sum"``, the number of steps over which training losses are
            summed before α takes a step, at least 1.

    Raises:
        UserError: `choose` or `drive` has an unknown value.

    Attributes:
        alpha: The parameters α, shape ``(edges, choices)``.
    """

    alpha: Tensor
    epochs = whole(8, 1)
    rate: float = number(0.03)
    choose: str = one_of("sampled", ("argmax", "without_none", "sampled"))
    drive: str = one_of("valid_loss", ("valid_loss", "train_sum"))
    window: int = whole(1, 1)
    _step = _steps = 0
    _loss = float("nan")

    def _begin(self) -> None:
        super()._begin()
        self._history: list[Probabilities] = []

    @abstractmethod
    def _mixture(self) -> tuple[Tensor, Sequence[int] | None]:
        """Return the weights of the operations, and the only path that is computed, or None for all
        paths.
        """

    def _expected(self) -> Tensor:
        return self.alpha.softmax(1)

    def _anchor(self) -> Tensor | float:
        return 0.0

    @property
    def probabilities(self) -> Probabilities:
        """Return the probability of each choice on each edge under α, shape
        ``(edges, choices)``.
        """
        expected = self._expected().detach().double()
        return (expected / expected.sum(1, keepdim=True)).numpy()

    @property
    def progress(self) -> float:
        """The completed share of the supernet's training, from 0 to 1."""
        return float(self._step / self._steps)

    def _gumbel_softmax(self, temperature: float) -> Tensor:
        noise = torch.from_numpy(self.rng.gumbel(size=self.alpha.shape)).float()
        return ((self.alpha.log_softmax(1) + noise) / temperature).softmax(1)

    def _train(self) -> Iterator[None]:
        context = self.supernet_context
        start = self.rng.normal(
            scale=1e-3, size=(len(context.edges), len(context.choices))
        )
        self.alpha = torch.from_numpy(start).float().requires_grad_()
        self.supernet = context.supernet(
            epochs=self._passes, seed=int(self.rng.integers(2**31))
        )
        self._costs = torch.from_numpy(context.penalty.matrix)
        self._optimiser = torch.optim.Adam([self.alpha], lr=self.rate, betas=_BETAS)
        self._steps = self._passes * self.supernet.steps_an_epoch
        for _ in range(self._passes):
            losses = [self._both() for _ in range(self.supernet.steps_an_epoch)]
            self._loss = float(np.mean(losses))
            self._history.append(self.probabilities)
            yield

    def _both(self) -> float:
        """Take one step of the weights, and of α if one is due; return the L whose gradient α
        follows.
        """
        if self.drive == "valid_loss":
            loss = float(self.supernet.judge(*self._mixture()))
            self._update(1)
            with torch.no_grad():
                weights, path = self._mixture()
            self.supernet.train(weights, path)
        else:
            loss = float(self.supernet.train(*self._mixture()))
            if (self._step + 1) % self.window == 0:
                self._update(self.window)
        self._step += 1
        return loss

    def _update(self, window: int) -> None:
        """Step α by the mean gradient over the window, and by the gradients of E[λR] and the
        anchor.
        """
        if self.alpha.grad is not None:
            self.alpha.grad /= window
        cost = self._anchor() + (self._expected().double() * self._costs).sum()
        cost.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._optimiser.zero_grad()

    def _order(self) -> Sequence[int]:
        """Order cells by probability, or by sampling without replacement (Gumbel's trick)."""
        edges = np.arange(len(self.supernet_context.edges))
        with np.errstate(divide="ignore"):
            of_edge = np.log(self.probabilities)
        weight = of_edge[edges, self.space.choices].sum(axis=1)
        if self.choose == "without_none":
            weight = np.where((self.space.choices == NONE).any(axis=1), -np.inf, weight)
        if self.choose == "sampled":
            weight = weight + self.rng.gumbel(size=len(weight))
        return list(map(int, np.argsort(-weight, kind="stable")))

    def diagnosis(self) -> Mapping[str, Mapping[str, float]]:
        """Return the probabilities of all choices by edge, their means over edges after every
        epoch, and the share of E[λR] in the objective.
        """
        numbers = dict(super().diagnosis())
        if not self._history:
            return numbers
        names = self.supernet_context.choices
        penalty = self.supernet_context.penalty.expected(self.probabilities)
        numbers["objective of α at the end"] = {
            "L": self._loss,
            "E[λR]": penalty,
            "share of E[λR]": penalty / (self._loss + penalty),
        }
        for epoch, weights in enumerate(self._history, 1):
            mean = weights.mean(axis=0)
            numbers[f"after epoch {epoch}"] = _row(names, mean) | {
                "without weights": float(mean[self.supernet_context.weightless].sum())
            }
        for edge, row in zip(
            self.supernet_context.edges, self.probabilities, strict=True
        ):
            numbers[f"edge {edge}"] = _row(names, row)
        return numbers


def _row(names: Sequence[str], values: Probabilities) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
