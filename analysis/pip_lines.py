"""Shortens what pip prints, as it comes: a line for a file that it fetches, one for each further
step.

pip install … | python analysis/pip_lines.py

It needs nothing but Python. Awk would do, but Debian's reads a pipe in blocks and shows nothing for
a minute.
"""

import re
import sys

_FETCHING = re.compile(r" *Downloading (.+)")
_PREPARING = re.compile(
    r" *(Installing build dependencies|Preparing editable metadata \S+): started"
)
_INSTALLING = re.compile(r"Installing collected packages: (.+)")


def shortened(line: str) -> str:
    """What is shown of a line of pip's; empty for most.

    >>> shortened("  Downloading numpy-2.4.0-cp311-cp311-manylinux.whl (16.4 MB)")
    '  fetching numpy-2.4.0-cp311-cp311-manylinux.whl (16.4 MB)'
    >>> shortened("  Installing build dependencies: started")
    '  preparing the package'
    >>> shortened("Installing collected packages: numpy, scipy")
    '  installing 2 packages'
    >>> shortened("Collecting numpy")
    ''
    """
    if found := _FETCHING.match(line):
        return f"  fetching {found[1].strip()}"
    if _PREPARING.match(line):
        return "  preparing the package"
    if found := _INSTALLING.match(line):
        return f"  installing {len(found[1].split(','))} packages"
    return ""


if __name__ == "__main__":
    with open(sys.stdin.fileno(), encoding="utf-8", errors="replace") as said:
        for each in said:
            if line := shortened(each):
                print(line, flush=True)
