"""Tables that nobody trained: known effects by source, ties, missing and diverged runs."""

import itertools
import json

import numpy as np

from analysis.building.jobs import class_order
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import DEFAULT_SPACE, Sampled, listed, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_compact, write_table
from tests.archives import tarred

EPOCHS = 20
POINTS = (2, 4, 10, 20)
SEEDS = 4


def write_simulated(
    folder,
    tasks,
    *,
    lengths=(1,),
    classes=range(50, 150),
    losses=("cross_entropy", "brier"),
    seed=0,
    broken=True,
    space=DEFAULT_SPACE,
):
    """Write a table for every task and length.

    Args:
        folder: Where to.
        tasks: By name, how much noise the training loss and the validation loss have besides what
            orders the classes by the measure; 0 is as good as the measure.
        lengths: Of the runs.
        classes: Places in the random order.
        losses: What trains; the first is the usual one.
        seed: Of everything that is drawn.
        broken: Whether a training is missing in the first task, and one diverged.
        space: The space's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of, order = listed(space_named(space)), class_order(space)
    cells = sorted(order[place] for place in classes)
    held = Sampled(of, of.choices[cells]).definition
    n = len(cells)
    for (number, (task, noise)), length in itertools.product(
        enumerate(tasks.items()), lengths
    ):
        rng = np.random.default_rng([seed, number, int(10 * length)])
        card = json.dumps({"task": task, "length": length, "judged_by": "valid_error"})
        about = (f"losses-{task}", held, "simulated", "nobody trained this", "l", "c")
        objective = f"valid_loss@{losses[0]} + 0.1*params"
        table = Table(*about, objective, Network(), epochs="curve", card=card)
        worth = rng.standard_normal(n)
        of_loss = 0.8 * worth + 0.6 * rng.standard_normal(n)
        for loss in losses if length == 1 else losses[:1]:
            _train(rng, table, loss, worth, of_loss, noise, broken and number == 0)
        ending = "" if length == 1 else f"-x{length:g}"
        ending += "" if space == DEFAULT_SPACE else f"-{space}"
        write_compact(table, folder / f"{task}{ending}.h5")


def _train(rng, table, loss, worth, of_loss, noise, broken):
    n = len(worth)
    run = 0.3 * rng.standard_normal((SEEDS, n))
    here = np.ones((SEEDS, n), dtype=bool)
    here[1, 3] = not broken
    diverged = np.zeros((SEEDS, n), dtype=bool)
    diverged[2, 5] = broken

    def told(clean, spread, digits=4):
        values = np.round(
            2.0 + 0.2 * (clean + run + spread * rng.standard_normal(n)), digits
        )
        return np.where(here & ~diverged, values, np.nan)

    def add(name, epochs, values, kind, unit="nats"):
        quantity = (
            "loss" if "loss" in name else "structure" if name == "diverged" else "error"
        )
        split = name.split("_")[0] if "_" in name else ""
        quantity = "cost" if name.endswith("seconds") else quantity
        metric = Metric(f"{name}@{loss}", unit, kind, quantity, split=split)
        table.add(metric, epochs, values[0], 1, dict(enumerate(values)))

    of_train, of_valid = noise
    for epoch in POINTS:
        early = 1.5 * (1 - epoch / EPOCHS)
        add("train_loss", epoch, told(worth, of_train + early), "search")
        add(
            "valid_loss",
            epoch,
            told(worth / 2 + of_loss / 2, of_valid + early),
            "search",
        )
        add("valid_error", epoch, told(worth, 0.2 + early, 2), "search", "%")
        add("valid_ece", epoch, told(worth, 1 + early), "search", "%")
    add("train_loss_late", EPOCHS, told(worth, of_train + 0.1), "search")
    add("train_loss_mean", EPOCHS, told(worth, of_train + 0.3), "search")
    add("valid_loss_late", EPOCHS, told(worth / 2 + of_loss / 2, of_valid), "search")
    add("valid_error_late", EPOCHS, told(worth, 0.2, 2), "search", "%")
    add("test_loss", EPOCHS, told(worth / 2 + of_loss / 2, 0.1), "final")
    add("test_error", EPOCHS, told(worth, 0.1, 3), "final", "%")
    add("test_ece", EPOCHS, told(worth, 0.5), "final", "%")
    seconds = np.where(here, rng.uniform(0.5, 2.0, (SEEDS, n)), np.nan)
    add("train_seconds", EPOCHS, seconds, "record", "s")
    add("valid_seconds", EPOCHS, seconds / 50, "record", "s")
    add(
        "diverged", EPOCHS, np.where(here, diverged.astype(float), np.nan), "record", ""
    )


def effects(tasks, seed=0):
    """Noise of the training loss and of the validation loss by task."""
    rng = np.random.default_rng(seed)
    return {task: (rng.uniform(0.3, 1.0), rng.uniform(0, 0.4)) for task in tasks}


LEARNERS = """
    ExtraTreesClassifier GradientBoostingClassifier RandomForestClassifier LogisticRegression
    BernoulliNB MultinomialNB KNeighborsClassifier MLPClassifier DecisionTreeClassifier
    ExtraTreeClassifier
""".split()
"""Of LCDB's, ten that give probabilities."""
_HEAD = (
    "openmlid,learner,size_train,size_test,outer_seed,inner_seed,traintime,"
    "score_train,score_valid,score_test"
)


def write_lcdb(path, sets):
    """An archive like LCDB's: ten learners, of which one fails somewhere, and one without
    probabilities; three training sizes, 5 × 5 splits of which some lack.
    """
    rng = np.random.default_rng(4)
    rows = {"accuracy": [], "logloss": []}
    for data in sets:
        worth = rng.normal(0, 0.06, 11)
        sharp = rng.normal(0, 0.2, 11)
        for at, learner in enumerate((*LEARNERS, "SVC_linear")):
            for size, outer, inner in itertools.product(
                (16, 64, 256), range(5), range(5)
            ):
                if at == data % 9 and outer == 2 or rng.random() < 0.02:
                    continue
                right = 0.7 + worth[at] + rng.normal(0, 0.03, 3) + [0.1, 0, 0]
                loss = (
                    0.6
                    - worth[at]
                    + sharp[at] ** 2
                    + rng.normal(0, 0.03, 3)
                    - [0.3, 0, 0]
                )
                about = f"{data},{learner},{size},100,{outer},{inner},0.5"
                for kind, scores in (("accuracy", right), ("logloss", loss)):
                    kept = np.clip(scores, 0, 1 if kind == "accuracy" else 34)
                    rows[kind].append(
                        f"{about},{','.join(f'{score:.4f}' for score in kept)}"
                    )
    lacking = f"{sets[0]},ExtraTreeClassifier,16,100,0,0,0.5,,,"
    every = rows | {"auc": [lacking], "f1": [lacking]}
    members = [
        (
            f"lcdb-0.1.0/lcdb/database-{kind}.csv",
            "\n".join([_HEAD, *lines, ""]).encode(),
        )
        for kind, lines in every.items()
    ]
    return tarred(path, members, "w:gz")


OTHERS = {
    "tabm-adult": ("error", "loss"),
    "tabm-phoneme-0": ("error", "loss"),
    "tabm-phoneme-1": ("error", "loss"),
    "tabm-california": ("rmse", "mae"),
    "nbnlp-wikitext2": ("loss",),
}
"""Tables of other people by name, with what is measured on every split."""


def write_others(folder):
    """Tables like other people's, of 36 cells and three seeds: several of a source, one of
    regression, and one with test values along the run, in which a training is missing.
    """
    rng = np.random.default_rng(7)
    for name, measured in OTHERS.items():
        epochs = (1, 2, 5, 10) if name.startswith("nbnlp") else (1,)
        about = (name, "macro", "simulated", "nobody trained this", "l", "c")
        table = Table(*about, f"valid_{measured[0]}", Network(), cost="queries")
        worth = rng.standard_normal(36)
        for quantity, split, at in itertools.product(
            measured, ("train", "valid", "test"), epochs
        ):
            values = 3 + 0.2 * (worth + rng.standard_normal((3, 36)) + 1 / at)
            if at == 5 and split == "valid":
                values[1, 4] = np.nan
            kind = "final" if split == "test" else "search"
            of = "error" if quantity == "error" else "loss"
            metric = Metric(f"{split}_{quantity}", "", kind, of, split=split)
            seeds = dict(enumerate(values.round(2)))
            table.add(metric, at, np.nanmean(values, axis=0), 3, seeds)
        write_table(table, folder / f"{name}.h5")
