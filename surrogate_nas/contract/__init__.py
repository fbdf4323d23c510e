"""What anybody's strategy, space and surrogate must keep, as checks that ``snas check`` and the
project's tests run.
"""

from surrogate_nas.contract.checks import Cause, Check, causes, verdict
from surrogate_nas.contract.inspection import check

__all__ = ["Cause", "Check", "causes", "check", "verdict"]
