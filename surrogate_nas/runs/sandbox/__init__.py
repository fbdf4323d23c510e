"""Strategies as a run sees them.

`calls` calls them, `interface` checks what they declare and propose, `blinded` gives a disguise,
and `files` hears what a user's strategy reads.
"""

from surrogate_nas.runs.sandbox.calls import introduce, rehearse, sandboxed
from surrogate_nas.runs.sandbox.files import Files
from surrogate_nas.runs.sandbox.interface import Sandboxed

__all__ = ["Files", "Sandboxed", "introduce", "rehearse", "sandboxed"]
