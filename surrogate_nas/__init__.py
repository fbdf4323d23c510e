"""A benchmark-driven surrogate lab for neural architecture search: every strategy, the same
regularised objective.

Which search strategy finds the best architecture for ``L(θ, α) = L_train(θ, α) + λ·R(α)``, when
every strategy is given the same ``L``, the same ``R``, the same ``λ`` and the same budget?
Everything public is a name of this module, each imported when it is first used, so that
``import surrogate_nas`` is instant (``__init__.pyi`` lists them). A tour in five minutes:

A **benchmark** says what a metric of a cell is, at which epochs, for which seed, and what it cost.
Some come with the package; `load` says how to fetch the others.

>>> import surrogate_nas as sn
>>> bench = sn.load("fashion")  # all of NAS-Bench-201's space, trained on Fashion-MNIST
>>> len(bench.space), bench.query(bench.space[11], "valid_error", epochs=5).unit
(15625, '%')

An **objective** is the only place where λ exists. Errors enter as fractions, losses in their own
unit; every term of R is divided by its median over the space, so that 0.1 means a tenth for a
median cell.

>>> objective = sn.Objective(
...     "valid_loss + 0.1*params", bench, subject_to="latency@cpu <= 2"
... )
>>> [term.divisor for term in objective.terms]  # of the loss, and of the parameters
[1.0, 14786.0]

A **strategy** proposes cells and learns their trials. It has no access to the benchmark and never
learns a test result. Ten lines suffice for a new one.

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

`search` runs one once; its answer is the cell of the lowest score, feasible if any is.

>>> run = sn.search(bench, Greedy, objective, budget=40)
>>> run.incumbent.feasible, run.incumbent.values["latency@cpu"] <= 2
(True, True)

`compare` gives all strategies the same initial cells, seeds and budget, and measures regret against
the exact optimum of the table. With a folder the runs are stored, an interrupted comparison
resumes, and `write_report` writes a page.

>>> found = sn.compare(
...     bench, [Greedy, "random", "evolution"], objective, runs=3, budget=40
... )
>>> found.strategies, bool((found.regrets("evolution") >= 0).all())
(['Greedy', 'random', 'evolution'], True)

`run_suite` does so over many problems and ends with one verdict. The loop can also be one's own,
with evaluations from wherever they come: `AskTell`.

>>> loop = sn.AskTell(objective, "evolution")
>>> for cell in loop.ask(3):
...     trial = loop.tell(cell)
>>> len(loop.trials)
3

A benchmark of one's own takes a space and a function, or a training that reports its epochs
(`Training`, `snas new training`), or a spreadsheet (`snas data import`), or a task that is trained
here (`snas new task`).

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

The command line does the same: `snas search`, `snas compare`, `snas suite`.
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
