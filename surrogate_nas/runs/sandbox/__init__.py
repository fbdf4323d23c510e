"""Strategies as a run sees them.

`calls` calls them, `interface` checks what they declare and propose and stands in their place, and
`files` hears what a user's strategy reads.
"""

from surrogate_nas.runs.sandbox.calls import (
    Sandboxed,
    alarmed,
    introduce,
    rehearse,
    sandboxed,
)
from surrogate_nas.runs.sandbox.files import Files

__all__ = ["Files", "Sandboxed", "alarmed", "introduce", "rehearse", "sandboxed"]
