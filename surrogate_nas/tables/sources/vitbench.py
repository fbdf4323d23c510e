"""ViT-Bench-101: vision transformers of two spaces on three data sets, trained by cross-entropy and
by distillation.

Wei et al., "Auto-Prox: Training-Free Vision Transformer Architecture Search via Automatic Proxy
Discovery", AAAI 2024. The published files are lists and dicts of plain numbers in PyTorch's zip
format. Half of AutoFormer's 200 architectures were trained by distillation only. The benchmark
``vitbench-autoformer`` omits the architectures that were trained by distillation only. The
benchmark ``vitbench-autoformer-distilled`` has all 200 architectures, with the metrics that all of
them have. Every training has one seed and one evaluation.
"""

from typing import Any

from surrogate_nas.space import Cell, space_named
from surrogate_nas.space.layered import Layered
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import declaration, table_of
from surrogate_nas.tables.sources.pickles import read_pt


def read(name: str) -> Table:
    """Convert the fetched files of a space to a table, whose space is the sample of published
    architectures.
    """
    wanted = declaration("vitbench").tables[name]["files"]
    space = space_named("pit" if name == "vitbench-pit" else "autoformer")
    assert isinstance(space, Layered)
    records: list[Any] = []
    with fetching.opened("vitbench") as paths:
        for path in paths:
            records += read_pt(path) if path.name in wanted else []
        cells = [_cell(record["arch"], space) for record in records]
        return table_of("vitbench", name, space, records, cells)


def _cell(architecture: dict[str, Any], space: Layered) -> Cell:
    parts = []
    for decision in space.decisions:
        value = architecture[decision.name]
        text = "-".join(map(str, value)) if decision.of_layers else str(value)
        parts.append(f"{decision.name}={text}")
    return space.parse(f"{space.cell_name}({', '.join(parts)})")
