"""What the benchmarks of all sources hold, from plain data, for lists: nothing is read or assembled for one.

``data/catalogue.json`` is made by ``analysis/catalogue.py``; a test holds it against the tables themselves.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from surrogate_nas.files import shipped
from surrogate_nas.tables.sources.catalogue import citation, how_to_get, is_ready, licence, source_named, source_of


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, Any]:
    return dict(json.loads(shipped("catalogue.json").read_text()))


def described(name: str) -> dict[str, Any]:
    """The entry of a benchmark that has no table yet, as ``snas benchmarks --json`` lists it.

    Args:
        name: One that a source makes.
    """
    source = source_of(name)
    if source is None:
        raise LookupError(name)
    ready = is_ready(source)
    entry = {
        "name": name,
        "title": source_named(source).TITLE,
        "space": "",
        "cells": None,
        "metrics": [],
        "source": "",
        "banner": "",
        **_catalogue().get(name, {}),
        "licence": licence(source),
        "citation": citation(source),
        "available": ready,
    }
    return entry if ready else entry | {"title": f"{entry['title']}; not here yet: {how_to_get(source)}"}
