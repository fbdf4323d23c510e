"""The contracts of strategies, spaces and surrogates, as ``snas check`` and the tests check them.

`surrogate_nas.contract.testing` has them as pytest classes for other packages.
"""

from surrogate_nas.contract.checks import Cause, Check, causes, verdict
from surrogate_nas.contract.inspection import check

__all__ = ["Cause", "Check", "causes", "check", "verdict"]
