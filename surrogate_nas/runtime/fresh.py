"""A function of ours in a fresh interpreter, which shares nothing with this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from surrogate_nas.core.threads import VARIABLES


def fresh(
    entry: str,
    content: bytes = b"",
    variables: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Call ``module:function``, which reads from standard input, and keep what it prints.

    Args:
        entry: Which.
        content: What it reads.
        variables: Of the environment, beside this process's.
        limit: The most seconds that it may take; `subprocess.TimeoutExpired` where it takes longer.
    """
    module, _, name = entry.partition(":")
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import {name}; {name}()"
    return subprocess.run(
        [sys.executable, "-c", code],
        input=content,
        capture_output=True,
        env={**os.environ, **VARIABLES, **(variables or {})},
        timeout=limit,
        check=False,
    )
