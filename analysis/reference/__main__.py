"""Write the reference of everything public to a folder; ends with 1 where a docstring, a name or a
link is wrong.

.venv/bin/python -m analysis.reference results/docs; half a minute. Warnings are errors.
"""

import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("error")

# What these import must not warn either.
from analysis.reference.checks import problems  # noqa: E402
from analysis.reference.site import broken, write  # noqa: E402


def main() -> int:
    """Check and write."""
    started = time.perf_counter()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results/docs")
    written = write(folder)
    found = [*problems(), *broken(folder)]
    print(*found, sep="\n", end="\n" if found else "")
    size = sum(path.stat().st_size for path in written) / 1e6
    seconds = time.perf_counter() - started
    print(
        f"{len(written)} files, {size:.1f} MB, {seconds:.0f} s, {len(found)} faults:"
        f" {folder}/index.html"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
