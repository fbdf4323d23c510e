"""Compute all zero-cost proxies of a cell on a task, from one batch of training data. Nothing is
trained.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from surrogate_nas.space import Cell, Network, Space
from surrogate_nas.training import Task

# The k of Mellor et al.'s score.
_JITTER = 1e-5
_LEAST = 1e-12
# Added to the counts of agreeing ReLUs, so that examples which agree on all of them leave a
# finite determinant.
_RIDGE = 1e-3
# How far Zen-NAS moves its input, in standard deviations.
_STEP = 0.01


def jacob_cov(jacobian: Tensor) -> float:
    """Return the proxy jacob_cov: −Σ (log(v + k) + 1/(v + k)) with k = 1e-5, over the eigenvalues v
    of the correlation matrix of input gradients ``(batch, …)``.

    Eigenvalues that are 0 in every network are omitted.

    The input gradients of a network that ignores its input count as perfectly correlated.
    """
    rows: NDArray[np.float64] = jacobian.flatten(1).double().numpy()
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(
        rows,
        norms,
        out=np.ones_like(rows) / math.sqrt(rows.shape[1]),
        where=norms > _LEAST,
    )
    free = min(len(rows), rows.shape[1] - 1)
    eigenvalues = (
        np.clip(np.linalg.eigvalsh(rows @ rows.T)[-free:], 0.0, None) + _JITTER
    )
    return -float(np.sum(np.log(eigenvalues) + 1.0 / eigenvalues))


def naswot(relus: Sequence[Tensor]) -> float:
    """Return the proxy naswot: the log determinant of a matrix that counts, for each pair of
    examples, the ReLUs on which they agree.

    The argument has the inputs of each ReLU, shape ``(batch, …)``.
    """
    if not relus:
        return math.log(_RIDGE)
    agreeing = torch.zeros((), dtype=torch.float64)
    for entering in relus:
        is_open = (entering.flatten(1) > 0).float()
        agreeing = (
            agreeing + (is_open @ is_open.T + (1 - is_open) @ (1 - is_open).T).double()
        )
    ridge = _RIDGE * torch.eye(len(agreeing), dtype=torch.float64)
    return float(torch.linalg.slogdet(agreeing + ridge)[1])


@torch.no_grad()
def zen(model: nn.Module, shape: torch.Size, seed: int) -> float:
    """Return the Zen-score: the logarithm of the mean change of the last features after a small
    change of the input, plus the logarithms of the scales that normalisation removed.

    All weights of the network are replaced by standard normal numbers before.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.normal_(generator=generator)
    inputs = torch.randn(shape, generator=generator)
    moved = inputs + _STEP * torch.randn(shape, generator=generator)
    with Watch() as first:
        model(inputs)
    with Watch() as second:
        model(moved)
    if first.features is None or second.features is None:
        return math.log(_LEAST)
    move = float((first.features - second.features).abs().flatten(1).sum(1).mean())
    scales = (float(entering.var((0, 2, 3)).mean()) for entering in first.norms)
    return math.log(move + _LEAST) + sum(
        0.5 * math.log(scale) for scale in scales if scale > _LEAST
    )


_RELUS = (F.relu, torch.relu, Tensor.relu)
_LAYERS = (F.conv2d, torch.conv2d, F.linear)


class Watch(TorchFunctionMode):
    """Record what a network computes inside a ``with`` block.

    Recorded are the inputs of each ReLU and batch normalisation, the outputs of each layer with
    weights, and as `features` the output of the last ReLU.
    """

    def __init__(self, *, normalised: bool = True) -> None:
        """Begin without records."""
        super().__init__()
        self.normalised = normalised
        self.relus: list[Tensor] = []
        self.layers: list[Tensor] = []
        self.norms: list[Tensor] = []
        self.features: Tensor | None = None

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function and record it, as PyTorch requires of every `TorchFunctionMode`."""
        if function is F.batch_norm:
            self.norms.append(args[0].detach())
            if not self.normalised:
                return args[0]
        out = function(*args, **(kwargs or {}))
        if function in _RELUS:
            self.relus.append(args[0].detach())
            self.features = out
        elif function in _LAYERS:
            self.layers.append(out)
        return out


Grads = Sequence[Tensor | None]


def weights_of(model: nn.Module) -> list[Tensor]:
    """Return the weights of all convolutions and linear layers, without the scales and shifts of
    normalisations.
    """
    return [parameter for parameter in model.parameters() if parameter.dim() > 1]


def gradients(
    output: Tensor, tensors: Sequence[Tensor], *, twice: bool = False
) -> Grads:
    """Return the gradient of the sum of an output with respect to some tensors. A gradient is None
    if the output does not depend on the tensor.

    If `twice` is true, the gradients can be differentiated again.
    """
    if not output.requires_grad:
        return [None] * len(tensors)
    return torch.autograd.grad(
        output.sum(), tensors, create_graph=twice, retain_graph=True, allow_unused=True
    )


def of_loss(
    loss: Tensor, weights: Sequence[Tensor], layers: Sequence[Tensor]
) -> dict[str, float]:
    """Return the proxies grad_norm, snip, fisher and grasp of a network."""
    grads = gradients(loss, [*weights, *layers], twice=True)
    flat = [g if g is None else g.detach() for g in grads]
    of_weights = flat[: len(weights)]
    of_layers = flat[len(weights) :]
    curvature = sum(
        ((g.detach() * g).sum() for g in grads[: len(weights)] if g is not None),
        torch.zeros(()),
    )
    return {
        "grad_norm": sum(float(g.norm()) for g in of_weights if g is not None),
        "snip": _products(weights, of_weights, signed=False),
        "fisher": sum(
            _fisher(a.detach(), g)
            for a, g in zip(layers, of_layers, strict=True)
            if g is not None
        ),
        "grasp": -_products(weights, gradients(curvature, weights), signed=True),
    }


def _products(weights: Sequence[Tensor], grads: Grads, *, signed: bool) -> float:
    """Return Σ weight · gradient, or Σ of absolute values."""
    pairs = [(w, g) for w, g in zip(weights, grads, strict=True) if g is not None]
    products = (weight.detach() * gradient.detach() for weight, gradient in pairs)
    return sum((float(p.sum() if signed else p.abs().sum()) for p in products), 0.0)


def _fisher(activation: Tensor, gradient: Tensor) -> float:
    """Return ½ Σ over channels of the mean over examples of (Σ over positions of activation ·
    gradient)².
    """
    product = activation * gradient
    if product.dim() > 2:
        product = product.flatten(2).sum(2)
    return float(product.square().mean(0).sum() / 2)


def synflow(model: nn.Module, shape: torch.Size) -> float:
    """Return the proxy synflow, log(1 + Σ|weight · gradient|), in double precision. All weights of
    the network become positive.

    The proxy is from Tanaka et al., "Pruning neural networks without any data by iteratively
    conserving synaptic flow", NeurIPS 2020. Batch normalisations are skipped in synflow, as in
    NASLib.
    """
    model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    weights = weights_of(model)
    with Watch(normalised=False):
        output = model(torch.ones((1, *shape), dtype=torch.float64))
    return math.log1p(_products(weights, gradients(output, weights), signed=False))


def proxy_scores(
    cell: Cell,
    space: Space,
    task: Task,
    *,
    network: Network | None = None,
    seed: int = 0,
    batch: int = 64,
) -> dict[str, float]:
    """Compute every zero-cost proxy in `PROXIES` for a cell, on one core.

    Returns:
        Finite scores by the name of the proxy. A larger score predicts a better cell.

    Example:
        >>> import surrogate_nas as sn
        >>> space, digits = sn.nb201(), sn.task_named("digits")
        >>> scores = sn.proxy_scores(space[11], space, digits)
        >>> sorted(scores)[:3]
        ['fisher', 'grad_norm', 'grasp']
    """
    split = task.data["train"]
    chosen = np.random.default_rng(seed).permutation(len(split.targets))[:batch]
    inputs, targets = (torch.as_tensor(part[chosen]) for part in split)
    inputs.requires_grad_()
    network = network or task.network()
    model = space.build(cell, network, seed=seed, live_only=True).train()
    weights = weights_of(model)
    with Watch() as watch:
        outputs = model(inputs)
    loss = task.losses(outputs.unsqueeze(0), targets).sum()
    (jacobian,) = gradients(outputs, [inputs])
    if jacobian is None:
        jacobian = torch.zeros_like(inputs)
    return {
        "jacob_cov": jacob_cov(jacobian),
        "naswot": naswot(watch.relus),
        **of_loss(
            loss, weights, [layer for layer in watch.layers if layer.requires_grad]
        ),
        "synflow": synflow(model, inputs.shape[1:]),
        "zen": zen(model.float(), inputs.shape, seed),
    }
