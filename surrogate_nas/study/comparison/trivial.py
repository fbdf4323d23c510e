"""The answers that need no search, beside which one must stand: the same operation everywhere, and a single one."""

from __future__ import annotations

from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.space.network import CONV3, NONE, SKIP


def trivial_cells(space: Space) -> dict[str, Cell]:
    """All 3×3, one 3×3 from input to output, all skips; none where cells are no graphs that can be listed.

    Args:
        space: Any space.
    """
    found: dict[str, Cell] = {}
    for cell in space if isinstance(space, Enumerable) else ():
        graph = space.graph(cell)
        if graph is None:
            return {}
        held = [operation for operation in graph.operations if operation != NONE]
        if len({*graph.operations}) == 1 and held and held[0] in (CONV3, SKIP):
            found[f"all {'3×3' if held[0] == CONV3 else 'skip'}"] = cell
        elif held == [CONV3] and any(graph.live().operations):
            found["one 3×3"] = cell
    return found
