"""The contracts of strategies, spaces, surrogates and table sources, as classes of checks.

``snas check`` runs them in a process of its own. A package of yours inherits one in its tests,
where pytest runs every check:

    from surrogate_nas.contract import StrategyContract
    from mine import Mine


    class TestMine(StrategyContract):
        strategy = Mine
"""

from surrogate_nas.contract.checks import Check, check
from surrogate_nas.contract.sources import SourceContract
from surrogate_nas.contract.spaces import SpaceContract
from surrogate_nas.contract.strategies import StrategyContract
from surrogate_nas.contract.surrogates import SurrogateContract

__all__ = [
    "Check",
    "SourceContract",
    "SpaceContract",
    "StrategyContract",
    "SurrogateContract",
    "check",
]
