"""Proxies from the gradient of the loss on a batch: grad_norm, snip, fisher, grasp; and synflow, which has no batch.

All are sums over the weights of convolutions and linear layers (or, fisher, over what leaves these), as Abdelfattah et
al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021 make scores of networks out of criteria for pruning weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from surrogate_nas.training.proxies.watch import Watch

Grads = Sequence[Tensor | None]


def weights_of(model: nn.Module) -> list[Tensor]:
    """The weights of convolutions and linear layers; scales and shifts are none.

    Args:
        model: The network.
    """
    return [parameter for parameter in model.parameters() if parameter.dim() > 1]


def gradients(output: Tensor, of: Sequence[Tensor], *, twice: bool = False) -> Grads:
    """The gradient of a sum; None for what it does not depend on.

    Args:
        output: Any shape; its sum is differentiated.
        of: With respect to these.
        twice: Whether the gradients will be differentiated too.
    """
    if not output.requires_grad:
        return [None] * len(of)
    return torch.autograd.grad(output.sum(), of, create_graph=twice, retain_graph=True, allow_unused=True)


def of_loss(loss: Tensor, weights: Sequence[Tensor], layers: Sequence[Tensor]) -> dict[str, float]:
    """grad_norm, snip, fisher and grasp of a network.

    Args:
        loss: Of one batch, with its graph.
        weights: As `weights_of` gives them.
        layers: What left each convolution and linear layer, in the same graph.
    """
    grads = gradients(loss, [*weights, *layers], twice=True)
    flat = [g if g is None else g.detach() for g in grads]
    of_weights, of_layers = flat[: len(weights)], flat[len(weights) :]
    curvature = sum(((g.detach() * g).sum() for g in grads[: len(weights)] if g is not None), torch.zeros(()))
    return {
        "grad_norm": sum(float(g.norm()) for g in of_weights if g is not None),
        "snip": _products(weights, of_weights, signed=False),
        "fisher": sum(_fisher(a.detach(), g) for a, g in zip(layers, of_layers, strict=True) if g is not None),
        "grasp": -_products(weights, gradients(curvature, weights), signed=True),
    }


def _products(weights: Sequence[Tensor], grads: Grads, *, signed: bool) -> float:
    """Σ weight · gradient, or of its size."""
    products = (w.detach() * g.detach() for w, g in zip(weights, grads, strict=True) if g is not None)
    return sum(float(product.sum() if signed else product.abs().sum()) for product in products)


def _fisher(activation: Tensor, gradient: Tensor) -> float:
    """½ Σ over channels of the mean over examples of (Σ over places of activation · gradient)²."""
    product = (activation * gradient).flatten(2).sum(2) if activation.dim() > 2 else activation * gradient
    return float(product.square().mean(0).sum() / 2)


def synflow(model: nn.Module, shape: torch.Size) -> float:
    """The synaptic flow of a network, log(1 + Σ|weight · gradient|), in double precision; its weights become positive.

    Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS 2020.
    The sum grows exponentially with depth, so its logarithm is given; normalisations are passed by, as NASLib does.

    Args:
        model: The network; spoilt afterwards.
        shape: Of one example.
    """
    model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    weights = weights_of(model)
    with Watch(normalised=False):
        output = model(torch.ones((1, *shape), dtype=torch.float64))
    return math.log1p(_products(weights, gradients(output, weights), signed=False))
