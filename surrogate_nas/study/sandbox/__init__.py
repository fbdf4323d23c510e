"""Strategies as a run sees them: ours in this process, a user's in one of its own (`outside`, and
`inside`).

What that process may send is in `interface`; how it is started, limited and ended, in
`surrogate_nas.runtime.sandbox`.
"""

from surrogate_nas.study.sandbox.files import Files
from surrogate_nas.study.sandbox.interface import Sandboxed
from surrogate_nas.study.sandbox.outside import introduce, rehearse, sandboxed

__all__ = ["Files", "Sandboxed", "introduce", "rehearse", "sandboxed"]
