"""ScAn-Bench: language models, OpenCLIP models and TabPFN models of various shapes, data and
training settings, with one seed each.

Sermaxhaj et al., "ScAn-Bench: Evaluating Scaling Analysis Methodology", NeurIPS 2026. The
ScAn-Bench package is fetched as a wheel file. Three spreadsheets in the ScAn-Bench package are
read; the package's code is neither installed nor imported. Columns that contain folder names of a
personal computer are omitted.

- ``scan-llm``: 1,193 decoder language models of 719 shapes on SlimPajama. One further training,
  which stopped at 80 %, is omitted. Scores on downstream tasks are at chance level and are omitted.
  Losses during training are given at 10, 25 and 50 % of the training, if a loss was recorded within
  5 percentage points.
- ``scan-vlm``: 1,500 OpenCLIP models; 134 of them diverged and count as the worst. The suffix
  ``@half`` of a metric stands for the last epoch of the first half of the training.
- ``scan-tabpfn``: 2,222 TabPFN models. Searches on ``scan-tabpfn`` use validation on data from
  TabPFN's prior. Results of TabPFN on real data are only reported.
"""

import csv
from collections.abc import Mapping
from io import TextIOWrapper
from typing import Any
from zipfile import ZipFile

from surrogate_nas.space.scan import scan_llm, scan_tabpfn, scan_vlm
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import declaration, table_of

_WITHIN = 0.05
Row = dict[str, str | None]
Training = Mapping[str, Any]
"""The rows of a training: its ``end`` and earlier rows, None if missing."""


def read(name: str) -> Table:
    """Convert the fetched file to a table, whose space is the sample of published
    configurations.
    """
    make, space = {
        "scan-llm": (_llm, scan_llm()),
        "scan-vlm": (_vlm, scan_vlm()),
        "scan-tabpfn": (_tabpfn, scan_tabpfn()),
    }[name]
    with (
        fetching.opened("scan") as (path,),
        ZipFile(path) as archive,
        archive.open(
            f"scan_bench/{declaration('scan').tables[name]['file']}"
        ) as packed,
    ):
        runs: dict[str, list[Row]] = {}
        for number, row in enumerate(csv.DictReader(TextIOWrapper(packed, "utf-8"))):
            short = {
                key.removeprefix("config/").removeprefix("model_config."): value or None
                for key, value in row.items()
            }
            run = str(number) if make is _tabpfn else row["config_id"]
            runs.setdefault(run, []).append(short)
        trainings = [training for run in runs.values() if (training := make(run))]
        cells = [space.near(training["end"]) for training in trainings]
        return table_of("scan", name, space, trainings, cells)


def _llm(run: list[Row]) -> Training | None:
    """Return a training if it was completed, otherwise None."""

    def away(row: Row, share: float) -> float:
        return abs(float(row.get("step_fraction") or "nan") - share)

    training: dict[str, Row | None] = {}
    for key, share in {"end": 1.0, "10": 0.1, "25": 0.25, "50": 0.5}.items():
        gap, index = min((away(row, share), number) for number, row in enumerate(run))
        training[key] = run[index] if gap <= _WITHIN else None
    return training if away(training["end"] or {}, 1.0) == 0 else None


def _vlm(run: list[Row]) -> Training:
    """Return a training. If it diverged, ``sound end`` and ``sound half`` are None."""
    run.sort(key=lambda row: int(row["epoch"] or 0))
    end = run[-1]
    middle = str(int(float(end["total_epochs"] or 0)) // 2)
    half = next((row for row in run if row["epoch"] == middle), end)
    is_sound = all(row["epoch_diverged"] != "True" for row in run)
    return {
        "end": end,
        "diverged": not is_sound,
        "sound end": end if is_sound else None,
        "sound half": half if is_sound else None,
    }


def _tabpfn(run: list[Row]) -> Training:
    return {"end": run[0]}
