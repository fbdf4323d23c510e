"""A lab that compares strategies for neural architecture search under one regularised objective.

Which search strategy finds the best architecture for ``L(θ, α) = L_train(θ, α) + λ·R(α)``, when
every strategy is given the same ``L``, the same ``R``, the same ``λ`` and the same budget? All
public names can be imported from this package (``__init__.pyi`` lists them). A name is loaded when
it is first used, so ``import surrogate_nas`` is fast. The following examples take about five
minutes to read.

A **benchmark** returns the metrics of a cell (an architecture) for a number of epochs and a
training seed, and the cost of the training. Some benchmarks ship with the package. For other
benchmarks, `load` explains how to fetch the data.

>>> import surrogate_nas as sn
>>> bench = sn.load("fashion")  # all of NAS-Bench-201's space, trained on Fashion-MNIST
>>> len(bench.space), bench.query(bench.space[11], "valid_error", epochs=5).unit
(15625, '%')

An **objective** combines the loss L and the regularisation term R with the weight λ. Errors are
converted to fractions, and losses keep their unit. Every term of R is divided by its median over
the space, so a weight of 0.1 adds 0.1 to the score of a median cell.

>>> objective = sn.Objective(
...     "valid_loss + 0.1*params", bench, subject_to="latency@cpu <= 2"
... )
>>> [term.divisor for term in objective.terms]  # of the loss, and of the parameters
[1.0, 14786.0]

A **strategy** proposes cells and observes their evaluations (trials). A strategy has no access to
the benchmark and never observes a test result. A new strategy takes about ten lines of code.

>>> class Greedy(sn.Strategy):
...     best = None
...
...     def ask(self, n):
...         start = self.best.cell if self.best else self.space.sample(self.rng)
...         return [self.space.mutate(start, self.rng) for _ in range(n)]
...
...     def tell(self, trials):
...         self.best = min(
...             [*trials, *([self.best] if self.best else [])],
...             key=lambda trial: trial.score,
...         )

`search` runs a strategy once. Its result is the feasible cell with the lowest score, or an
infeasible cell if no evaluated cell is feasible.

>>> run = sn.search(bench, Greedy, objective, budget=40)
>>> run.incumbent.feasible, run.incumbent.values["latency@cpu"] <= 2
(True, True)

`compare` gives all strategies the same initial cells, seeds and budget, and measures regret against
the exact optimum of the table. If you pass a folder, the runs are stored, and an interrupted
comparison can be resumed. `write_report` writes an HTML page.

>>> comparison = sn.compare(
...     bench, [Greedy, "random", "evolution"], objective, runs=3, budget=40
... )
>>> comparison.strategies, bool((comparison.regrets("evolution") >= 0).all())
(['Greedy', 'random', 'evolution'], True)

`run_suite` compares strategies over many problems and gives one verdict. With `AskTell`, you write
the search loop yourself and can evaluate cells anywhere.

>>> loop = sn.AskTell(objective, "evolution")
>>> for cell in loop.ask(3):
...     trial = loop.tell(cell)
>>> len(loop.trials)
3

You can define your own benchmark in four ways: with a space and a function (`Computed`), with
training code that reports its epochs (`Training`, ``snas new training``), with a spreadsheet
(``snas data import``), or with a task on which cells are trained (``snas new task``).

>>> space = sn.ChoiceSpace("mlp", {"width": (16, 64, 256), "depth": (1, 2, 3)})
>>> mine = sn.Computed(
...     space,
...     {
...         "valid_error": lambda cell: 30 / (1 + sum(cell.choices)),
...         "size": lambda cell: 1.0,
...     },
... )
>>> str(sn.search(mine, "local_search", "valid_error", budget=9).incumbent.cell)
'mlp(width=256, depth=3)'

The commands ``snas search``, ``snas compare`` and ``snas suite`` offer the same functions.
"""

import sys
from importlib import import_module

from surrogate_nas.version import __version__ as __version__

with open(f"{__file__}i", encoding="utf-8") as _stub:
    # "from MODULE import NAME as NAME": type checkers read the same lines.
    _LINES = [line.split() for line in _stub]

_MODULES = {line[3]: line[1] for line in _LINES}
# A comment behind the last name says that it is a former one.
__all__ = sorted(
    name for *_, name in _LINES if name in _MODULES.keys() - {"__version__"}
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        text = f"module 'surrogate_nas' has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=sys.modules[__name__])
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
