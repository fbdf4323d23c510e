"""All proxies of one cell on a task, from one batch of its training data; nothing is trained."""

from __future__ import annotations

import numpy as np
import torch

from surrogate_nas.space import Cell, Space
from surrogate_nas.space.network import Network
from surrogate_nas.training import Task
from surrogate_nas.training.proxies.activity import jacob_cov, naswot, zen
from surrogate_nas.training.proxies.saliency import gradients, of_loss, synflow, weights_of
from surrogate_nas.training.proxies.watch import Watch


def score(
    cell: Cell, space: Space, task: Task, *, network: Network | None = None, seed: int = 0, batch: int = 64
) -> dict[str, float]:
    """Compute every one of `PROXIES`, on one core.

    Args:
        cell: A cell of the space; its live operations are built.
        space: One whose cells can be built.
        task: Gives the batch, the loss and the macro architecture.
        network: Another macro architecture.
        seed: Of the initial weights and of the batch.
        batch: How many training examples.

    Returns:
        By name, finite; larger promises more.

    Raises:
        UserError: The task's data is not here.
    """
    split = task.data["train"]
    drawn = np.random.default_rng(seed).permutation(len(split.targets))[:batch]
    inputs, targets = (torch.as_tensor(part[drawn]) for part in split)
    inputs.requires_grad_()
    model = space.build(cell, network or task.network(), seed=seed, live_only=True).train()
    weights = weights_of(model)
    with Watch() as watch:
        outputs = model(inputs)
    loss = task.losses(outputs.unsqueeze(0), targets).sum()
    (jacobian,) = gradients(outputs, [inputs])
    return {
        "jacob_cov": jacob_cov(torch.zeros_like(inputs) if jacobian is None else jacobian),
        "naswot": naswot(watch.relus),
        **of_loss(loss, weights, [layer for layer in watch.layers if layer.requires_grad]),
        "synflow": synflow(model, inputs.shape[1:]),
        "zen": zen(model.float(), inputs.shape, seed),
    }
