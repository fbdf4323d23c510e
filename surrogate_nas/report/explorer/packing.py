"""Arrays and JSON as one compressed block, which the page's script unpacks where it is needed.

A block is gzip of: the length of its JSON as four bytes, the JSON, and the arrays, each at a multiple of eight bytes.
All numbers are little-endian. A column of few values is their list and a code for every cell, and so exact; another
one has eight bytes a value where it must be exact, else four.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNED = 8
_LEVEL = 6
_FEW = 4
"""A value has to be so frequent, on average, for a list of values to pay."""
_NARROW, _WIDE = 1 << 8, 1 << 16
_END = "\0"
"""Between texts."""


class Block:
    """Collects arrays; what `array`, `column` and `texts` return goes into the JSON in their place."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def array(self, values: NDArray[Any]) -> dict[str, Any]:
        """Keep an array as it is.

        Args:
            values: Any shape, of a type that JavaScript has an array for.
        """
        content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        return self._kept(content, f"{values.dtype.kind}{values.dtype.itemsize}", values.size)

    def column(self, values: NDArray[np.float64], *, exact: bool) -> dict[str, Any]:
        """Keep one number a cell; NaN where there is none.

        Args:
            values: Shape ``(n,)``.
            exact: Whether seven digits would not do.
        """
        distinct, codes = np.unique(values, return_inverse=True)
        if len(distinct) * _FEW > len(values) or len(distinct) > _WIDE:
            return self.array(values if exact else values.astype(np.float32))
        narrow = len(distinct) <= _NARROW
        coded = codes.ravel().astype(np.uint8 if narrow else np.uint16)
        return {"type": "coded", "codes": self.array(coded), "values": self.array(distinct)}

    def texts(self, texts: Sequence[str]) -> dict[str, Any]:
        """Keep texts.

        Args:
            texts: Any; a zero character in one becomes a space.
        """
        content = _END.join(text.replace(_END, " ") for text in texts).encode("utf-8", "backslashreplace")
        return self._kept(content, "texts", len(content))

    def _kept(self, content: bytes, kind: str, n: int) -> dict[str, Any]:
        at = self._length
        padded = content + bytes(-len(content) % _ALIGNED)
        self._parts.append(padded)
        self._length += len(padded)
        return {"type": kind, "at": at, "n": n}

    def packed(self, told: Mapping[str, Any]) -> bytes:
        """The block.

        Args:
            told: Its JSON.
        """
        head = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
        head += b" " * (-(4 + len(head)) % _ALIGNED)
        return compressed(len(head).to_bytes(4, "little") + head + b"".join(self._parts))


def compressed(content: bytes) -> bytes:
    """The same content as gzip, the same bytes every time.

    Args:
        content: Anything.
    """
    return gzip.compress(content, _LEVEL, mtime=0)
