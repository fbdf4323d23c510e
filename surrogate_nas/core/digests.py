"""Digests of what JSON can say, by which settings and files are told apart."""

from __future__ import annotations

import hashlib
import json


def json_digest(content: object) -> str:
    """A sha256 over JSON with sorted keys, in 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def json_check(content: object) -> str:
    """A short digest, in 32 digits, which a file carries of itself."""
    written = json.dumps(content, sort_keys=True).encode()
    return hashlib.blake2b(written, digest_size=16).hexdigest()
