"""The supernet of one-shot strategies, a network that contains all cells of a space.

A supernet needs a space whose cells are graphs with an independent choice of operation on every
edge. The weights of a supernet are trained with the task's schedule. Batch normalisation always
uses the statistics of the batch, also when inherited weights are evaluated, since running
statistics would mix all cells.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from surrogate_nas.core import UserError
from surrogate_nas.space import Enumerable, Space, listed
from surrogate_nas.space.network import (
    NONE,
    Blueprint,
    Network,
    Parameter,
    Shape,
    piece,
    skeleton,
)
from surrogate_nas.space.network.module import BlueprintModule, convolved
from surrogate_nas.training.machine import cores
from surrogate_nas.training.tasks import Splits, Task


class EdgeChoices(NamedTuple):
    """The edges of a space's cells, with the operation that each choice puts on each edge.

    Attributes:
        edges: One pair of nodes (from, to) for each position of the space.
        operations: For every edge, the operation that each choice stands for, numbered as in
            `surrogate_nas.space.network`.
    """

    edges: tuple[tuple[int, int], ...]
    operations: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=8)
def edge_choices(space: Space) -> EdgeChoices:
    """Determine the edges and operations of a space from the graphs of its cells."""
    refused = UserError(
        f"Cells of the space {space.name} do not have an operation to choose on every edge of one"
        " graph, which a supernet needs."
    )
    if not isinstance(space, Enumerable) or not space.is_buildable:
        raise refused
    by_edge: list[dict[int, int]] = [{} for _ in space[0].choices]
    edges = set()
    for cell in space:
        graph = space.graph(cell)
        if graph is None or len(graph.operations) != len(by_edge):
            raise refused
        edges.add(graph.edges)
        for of_edge, choice, operation in zip(
            by_edge, cell.choices, graph.operations, strict=True
        ):
            if of_edge.setdefault(choice, operation) != operation:
                raise refused
    if len(edges) > 1 or len({len(of_edge) for of_edge in by_edge}) > 1:
        raise refused
    operations = (
        tuple(of_edge[choice] for choice in sorted(of_edge)) for of_edge in by_edge
    )
    return EdgeChoices(edges.pop(), tuple(operations))


@lru_cache(maxsize=8)
def live_operations(space: Enumerable) -> NDArray[np.int8]:
    """Return the operations on which each cell's output depends, shape ``(len(space), edges)``. All
    other operations are replaced by 0.
    """
    graphs = (space.graph(cell, live_only=True) for cell in space)
    return np.array([graph.operations for graph in graphs if graph], dtype=np.int8)


# Convolutions of one size that read the same node are one convolution of many outputs, and what has
# no weights is computed once a node for all its edges, which makes a step several times faster. The
# weight of an operation that is normalised is a factor of the normalisation's scale and shift.


# The layers of an operation that is shared.
_CONVOLUTION = ("input", "relu", "convolution", "normalisation")
# The random numbers that shuffle a split; 0 would be those of the seed alone.
_STREAMS = {"train": 1, "valid": 2}
Active = Sequence[Sequence[int]]
"""The choices that are computed, for every edge."""


class _Convolutions(BlueprintModule):
    """All convolutions of one size that read the same node, each as in a network of a single
    cell.
    """

    def __init__(self, plan: Blueprint, pairs: Sequence[tuple[int, int]]) -> None:
        super().__init__(plan, {})
        self.pairs = tuple(pairs)
        self.channels = plan.layers[0].shape[0]

    def terms(
        self, x: Tensor, weights: Tensor | None, active: Active
    ) -> list[tuple[int, Tensor]]:
        """Return (edge, term) for every active convolution; `x` has passed the ReLU."""
        chosen = [
            i for i, (edge, choice) in enumerate(self.pairs) if choice in active[edge]
        ]
        if not chosen:
            return []
        windows = self.plan.layers[2].windows
        assert windows
        kernels, scale, shift = (
            self._rows(chosen, self.get_parameter(f"all.{name}"))
            for name in ("weight", "norm.weight", "norm.bias")
        )
        if weights is not None:
            edges, choices = zip(*(self.pairs[i] for i in chosen), strict=True)
            factor = weights[list(edges), list(choices)].repeat_interleave(
                self.channels
            )
            scale = scale * factor
            shift = shift * factor
        raw = convolved(x, kernels, windows)
        terms = F.batch_norm(raw, None, None, scale, shift, training=True).chunk(
            len(chosen), dim=1
        )
        return [(self.pairs[i][0], term) for i, term in zip(chosen, terms, strict=True)]

    def _rows(self, chosen: list[int], part: Tensor) -> Tensor:
        """Return the rows of a parameter that belong to some of the convolutions."""
        if len(chosen) == len(self.pairs):
            return part
        return part.view(len(self.pairs), self.channels, *part.shape[1:])[
            chosen
        ].flatten(0, 1)


class MixedCell(nn.Module):
    """A module that takes the place of a cell and computes a mixture of operations, which
    `MixedCell.mix` sets. The attribute `drawn` has the parameters of all operations by name.
    """

    def __init__(self, choices: EdgeChoices, shape: Shape, network: Network) -> None:
        """Build all operations of all edges, for inputs of a shape."""
        super().__init__()
        edges, operations = choices
        self.targets = [target for _, target in edges]
        self.leaving: dict[int, list[int]] = {}
        for edge, (source, _) in enumerate(edges):
            self.leaving.setdefault(source, []).append(edge)
        self.operations = operations
        self.convolutions = nn.ModuleDict()
        self.others = nn.ModuleDict()
        self.drawn: dict[str, Parameter] = {}
        self._convolutions: dict[int, list[_Convolutions]] = {}
        self._others: dict[tuple[int, int], str] = {}
        for source, leaving in self.leaving.items():
            offered: dict[int, list[tuple[int, int]]] = {}
            for edge in leaving:
                for choice, operation in enumerate(operations[edge]):
                    offered.setdefault(operation, []).append((edge, choice))
            for operation in sorted({*offered} - {NONE}):
                self._offer(operation, source, offered[operation], shape, network)
        self._weights: Tensor | None = None
        self._active: Active = ()

    def _offer(
        self,
        operation: int,
        source: int,
        pairs: Sequence[tuple[int, int]],
        shape: Shape,
        network: Network,
    ) -> None:
        """Build an operation for those pairs (edge, choice) that read the same node."""
        together = piece(operation, "all", shape, network, times=len(pairs))
        *_, windows = (layer.windows for layer in together.layers[:3])
        kinds = tuple(layer.kind for layer in together.layers)
        if kinds == _CONVOLUTION and windows and windows.dilation == 1:
            name = f"{source} {windows.kernel[1]}"
            self.convolutions[name] = convolutions = _Convolutions(together, pairs)
            self._convolutions.setdefault(source, []).append(convolutions)
            self._draw(f"convolutions.{name}", together)
            return
        alone = piece(operation, "all", shape, network)
        for edge, choice in pairs:
            name = f"{edge} {choice}" if alone.parameters else f"{source} {operation}"
            self._others[edge, choice] = name
            if name not in self.others:
                self.others[name] = BlueprintModule(alone, {})
                self._draw(f"others.{name}", alone)

    def _draw(self, name: str, plan: Blueprint) -> None:
        for inner, parameter in plan.parameters.items():
            self.drawn[f"{name}.{inner}"] = parameter

    def mix(self, weights: Tensor | None, active: Active) -> None:
        """Set the weights of the operations in the mixture, shape ``(edges, choices)``, and the
        choices that are computed on each edge. Weights of None mean 1 for every operation.
        """
        self._weights = weights
        self._active = active

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output of the mixed cell, that is, the value of its last node."""
        nodes: dict[int, Tensor] = {0: x}
        for source in sorted(self.leaving):
            if source in nodes:
                for edge, term in self._leaving(source, nodes[source]):
                    target = self.targets[edge]
                    nodes[target] = nodes[target] + term if target in nodes else term
        return nodes.get(max(self.targets), torch.zeros_like(x))

    def _leaving(self, source: int, x: Tensor) -> list[tuple[int, Tensor]]:
        """Return (edge, term) for every active operation that reads a node."""
        positive = F.relu(x)
        terms = list[tuple[int, Tensor]]()
        for convolutions in self._convolutions.get(source, ()):
            terms += convolutions.terms(positive, self._weights, self._active)
        others = [
            (e, c, self._others[e, c])
            for e in self.leaving[source]
            for c in self._active[e]
            if (e, c) in self._others
        ]
        computed = {
            name: self.others[name](x) for name in dict.fromkeys(n for *_, n in others)
        }
        for e, c, name in others:
            term = computed[name]
            terms.append(
                (e, term if self._weights is None else self._weights[e, c] * term)
            )
        return terms


Path = Sequence[int]
Price = Callable[[Active], float]
"""A function of the choices that are computed on every edge, which returns seconds."""


class SupernetLoss(NamedTuple):
    """The search metric of an objective (its L), in a form that a supernet can minimise.

    Attributes:
        weight: The change of the objective's score for a change of L by one unit.
        split: The data split on which L is computed, ``valid`` or ``train``.
        is_error: Whether L is the classification error as a fraction. The supernet then minimises 1
            − the probability of the target's class, which is differentiable.
    """

    weight: float = 1.0
    split: str = "valid"
    is_error: bool = False


class Supernet:
    """A network that contains all cells of a space.

    Attributes:
        choices: The edges of the cells, and the operations that can be chosen on them.
        steps_an_epoch: Number of training batches per epoch.
    """

    def __init__(
        self,
        space: Space,
        network: Network,
        task: Task,
        data: Splits,
        goal: SupernetLoss,
        prices: tuple[Price, Price],
        *,
        epochs: int,
        seed: int,
    ) -> None:
        """Build the supernet with new initial weights.

        Args:
            space: The space of its cells.
            network: The macro architecture.
            task: The task, which defines losses and schedule.
            data: The splits ``train`` and ``valid``.
            goal: The L to minimise.
            prices: The seconds of a training step, and of evaluating one validation example.
            epochs: Number of epochs over which the learning rate falls.
            seed: The root seed of initial weights and of the order of batches.
        """
        self.choices = edge_choices(space)
        self._model = self._built(space, network, seed)
        self._task = task
        self._goal = goal
        self._data = {
            name: tuple(torch.as_tensor(part) for part in split)
            for name, split in data.items()
        }
        self._step_price, self._example_price = prices
        self._seconds = 0.0
        self.steps_an_epoch = math.ceil(
            len(self._data["train"][1]) / task.schedule.batch
        )
        steps = epochs * self.steps_an_epoch
        self._optimiser = torch.optim.SGD(
            self._model.parameters(),
            lr=task.schedule.learning_rate,
            momentum=task.schedule.momentum,
            weight_decay=task.schedule.weight_decay,
            nesterov=task.schedule.momentum > 0,
            foreach=True,
        )
        self._rate = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, steps)
        self._batches = {name: self._endless(name, seed) for name in data}

    def _built(self, space: Space, network: Network, seed: int) -> nn.Module:
        """Return the network of a cell with mixed cells in place of its cells, and the list of
        these.
        """
        plan = space.blueprint(listed(space)[0], network)
        if plan is None or plan.graph is None:
            raise UserError(
                f"Cells of the space {space.name} are built in a way that a supernet does not"
                " support."
            )
        cells: dict[str, MixedCell] = {}

        def write(plan: Blueprint, x: int, name: str, _channels: int) -> int:
            cells[name] = MixedCell(self.choices, plan.layers[x].shape, network)
            return plan.module(x, name, cells[name].drawn)

        plan = skeleton(network, write)
        self._cells = [*cells.values()]
        model = BlueprintModule(plan, plan.weights(seed), modules=cells)
        return model.train().to(  # type: ignore[no-any-return, call-overload]
            memory_format=torch.channels_last
        )

    def _endless(self, name: str, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of a split endlessly, shuffled again every epoch."""
        inputs, targets = self._data[name]
        rng = np.random.default_rng((seed, _STREAMS[name]))
        while True:
            order = torch.from_numpy(rng.permutation(len(targets)))
            for chosen in torch.split(order, self._task.schedule.batch):
                yield inputs[chosen], targets[chosen]

    def spent(self) -> float:
        """Return the seconds of all work of the supernet since the last call of this method."""
        seconds = self._seconds
        self._seconds = 0.0
        return seconds

    def _outputs(
        self, inputs: Tensor, weights: Tensor | None, active: Active
    ) -> Tensor:
        for cell in self._cells:
            cell.mix(weights, active)
        outputs: Tensor = self._model(inputs)
        return outputs.unsqueeze(0)

    def _active(self, path: Path | None) -> list[list[int]]:
        if path is None:
            return [[*range(len(choices))] for choices in self.choices.operations]
        return [[choice] for choice in path]

    def _judged(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if not self._goal.is_error:
            loss: Tensor = self._task.losses(outputs, targets)[0]
            return self._goal.weight * loss
        right = outputs[0].softmax(1).gather(1, targets.unsqueeze(1))
        return self._goal.weight * (1 - right).mean()

    def train(self, weights: Tensor | None = None, path: Path | None = None) -> float:
        """Update the network's weights by one step on the next training batch.

        If the mixture's weights require a gradient, the gradient of the search metric L on this
        batch is added to the tensors from which the mixture's weights are computed.

        Args:
            weights: Weights of the operations in the mixture, shape ``(edges, choices)``; None for
                1.
            path: For every edge, the only choice that is computed; None to compute all choices.

        Returns:
            The contribution of the search metric L on this batch to the objective's score.
        """
        active = self._active(path)
        with cores(1):
            inputs, targets = next(self._batches["train"])
            leaf = None
            if weights is not None:
                leaf = weights.detach().requires_grad_(weights.requires_grad)
            outputs = self._outputs(inputs, leaf, active)
            loss = self._task.losses(outputs, targets)[0]
            judged = self._judged(outputs, targets)
            self._optimiser.zero_grad()
            by_mixture: Tensor | None = None
            if leaf is not None and leaf.requires_grad and self._goal.is_error:
                by_mixture = _gradient(judged, leaf)
                loss.backward(inputs=list(self._model.parameters()))
            else:
                loss.backward()
                if leaf is not None and leaf.grad is not None:
                    by_mixture = self._goal.weight * leaf.grad
            self._optimiser.step()
            self._rate.step()
            if weights is not None and by_mixture is not None:
                weights.backward(by_mixture)  # type: ignore[no-untyped-call]
        self._seconds += self._step_price(active)
        return _finite(judged)

    def judge(self, weights: Tensor, path: Path | None = None) -> float:
        """Compute the gradient of the search metric L on the next batch. The gradient is added to
        the tensors from which the mixture's weights are computed.

        The weights of the supernet itself do not change. The method's cost is that of one training
        step. The arguments and the result are those of `Supernet.train`.
        """
        active = self._active(path)
        with cores(1):
            inputs, targets = next(self._batches[self._goal.split])
            leaf = weights.detach().requires_grad_()
            judged = self._judged(self._outputs(inputs, leaf, active), targets)
            gradient = _gradient(judged, leaf)
            weights.backward(gradient)  # type: ignore[no-untyped-call]
        self._seconds += self._step_price(active)
        return _finite(judged)

    @torch.no_grad()
    def inherited(self, paths: Sequence[Path], examples: int = 1000) -> list[float]:
        """Return the search metric L of some cells with weights inherited from the supernet, as
        contributions to the objective's score.
        """
        inputs, targets = (part[:examples] for part in self._data[self._goal.split])
        values = []
        with cores(1):
            for path in paths:
                active = self._active(path)
                values.append(
                    float(self._judged(self._outputs(inputs, None, active), targets))
                )
                self._seconds += len(targets) * self._example_price(active)
        return values


def _gradient(value: Tensor, weights: Tensor) -> Tensor:
    """Return the gradient with respect to a mixture's weights alone; zeros for a path that does not
    connect input and output.
    """
    return torch.autograd.grad(
        value, weights, retain_graph=True, allow_unused=True, materialize_grads=True
    )[0]


def _finite(loss: Tensor) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise UserError("The supernet diverged: its loss is no longer a finite number.")
    return value
