"""The contracts of strategies, spaces and surrogates, as classes of checks.

``snas check`` runs them in a process of its own. A package of yours inherits one in its tests,
where pytest runs every check:

    from surrogate_nas.contract.strategies import StrategyContract
    from mine import Mine


    class TestMine(StrategyContract):
        strategy = Mine

The others are ``spaces.SpaceContract`` and ``surrogates.SurrogateContract``.
"""

from surrogate_nas.contract.checking import check
from surrogate_nas.contract.checks import Check

__all__ = ["Check", "check"]
