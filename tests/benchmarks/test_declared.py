"""Units and directions of users' metrics: declared, shown by a value, or asked for."""

import pickle
from pathlib import Path

import pytest

import surrogate_nas as sn

SPACE = sn.ChoiceSpace("m", {"w": (1, 2, 3, 4, 5)})
DECLARE = r"Declare its unit: \{'valid_error': sn.Metric\(unit='fraction'\)\}"


def fraction(cell):
    return 0.1 - 0.01 * cell.choices[0]


def around_1(cell):
    return 0.5 + cell.choices[0]


def computed(metrics, **more):
    return sn.Computed(SPACE, metrics, **more)


def reporting(*values):
    """A training whose epochs report these values."""

    def train(_cell, trial):
        for epoch in range(trial.start + 1, trial.epochs + 1):
            trial.report(epoch, valid_error=values[epoch - 1])

    return train


@pytest.mark.parametrize("cheap", [True, False])
def test_fractions_that_are_declared_are_weighed_as_fractions(cheap):
    accuracy = sn.Metric(
        lambda cell: 0.9 + 0.01 * cell.choices[0], unit="fraction", direction="max"
    )
    bench = computed(
        {"accuracy": accuracy, "size": lambda cell: 1.0 + cell.choices[0]}, cheap=cheap
    )
    objective = sn.Objective("accuracy + 0.001*size", bench)
    run = sn.search(bench, "random_sampling", objective, budget=5)
    assert str(run.incumbent.cell) == "m(w=5)"
    # L = 1 - 0.94, and the size is 5/3 of its median
    assert run.incumbent.score == pytest.approx(0.06 + 0.001 * 5 / 3)
    answer = bench.query("m(w=5)", "accuracy")
    assert (float(answer), answer.unit) == (pytest.approx(0.94), "fraction")


@pytest.mark.parametrize("cheap", [True, False])
def test_fractions_that_are_not_declared_are_refused(cheap):
    bench = computed({"valid_error": fraction}, cheap=cheap)
    with pytest.raises(sn.UserError, match=DECLARE):
        sn.search(bench, "random", "valid_error", budget=5)
    declared = computed({"valid_error": sn.Metric(fraction, unit="%")}, cheap=cheap)
    run = sn.search(declared, "random_sampling", "valid_error", budget=5)
    assert run.incumbent.score == pytest.approx(0.06 / 100)


def test_a_value_above_1_shows_the_unit():
    # all values of a function that returns at once are looked at
    assert (
        computed({"valid_error": around_1}, cheap=True).query("m(w=1)", "valid_error")
        == 0.5
    )
    bench = computed({"valid_error": around_1})
    with pytest.raises(sn.UserError, match=DECLARE):
        bench.query("m(w=1)", "valid_error")
    assert bench.query("m(w=5)", "valid_error") == 4.5
    assert bench.query("m(w=1)", "valid_error") == 0.5
    assert pickle.loads(pickle.dumps(bench)).query("m(w=1)", "valid_error") == 0.5


def test_the_declared_unit_of_a_training_is_that_of_its_scores():
    metrics = {"valid_error": sn.Metric(unit="fraction")}
    bench = sn.Training(
        SPACE, reporting(0.3, 0.03), metrics=metrics, epochs=2, name="fractions"
    )
    run = sn.search(bench, "random", "valid_error", budget=2)
    assert [trial.score for trial in run.trials] == [0.03, 0.03]
    with pytest.raises(
        sn.UserError, match=r"= 30 for epoch 1, outside 0 to 1 \(a fraction\)"
    ):
        wrong = sn.Training(
            SPACE, reporting(30.0), metrics=metrics, epochs=1, name="percent"
        )
        wrong.query("m(w=1)", "valid_error")


TRAINING = """
import surrogate_nas as sn

SPACE = sn.ChoiceSpace("net", {"width": (8, 16), "depth": (1, 2, 3)})


def train(cell, trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        print("an epoch")
        trial.report(epoch, valid_error=FIRST / epoch)


MINE = sn.Training(SPACE, train, metrics=METRICS, epochs=4)
"""


@pytest.mark.parametrize("parallel", [1, 2])
def test_an_undeclared_fraction_ends_a_search_at_its_first_epoch(
    parallel, tmp_path, snas
):
    file = tmp_path / "mine.py"
    out = tmp_path / "out"
    text = TRAINING.replace("FIRST", "0.4").replace('"net"', f'"net{parallel}"')
    file.write_text(text.replace("METRICS", '["valid_error"]'))
    command = [
        "search",
        f"{file}:MINE",
        "--budget",
        4,
        "--parallel",
        parallel,
        "--out",
        out,
    ]
    home = Path(snas("path", "--json").json["path"])
    before = {*home.glob("live/*")}
    refused = snas(*command)
    assert refused.code == 2 and "Traceback" not in refused.err
    assert "sn.Metric(unit='fraction')" in refused.err.strip().splitlines()[-1]
    assert {*home.glob("live/*")} == before
    assert "width=" not in "".join(run.read_text() for run in out.glob("runs/*.jsonl"))
    logs = [
        log.read_text() for log in home.glob(f"trainings/net{parallel}-*/*/log.txt")
    ]
    assert logs and all(log.count("an epoch") <= 1 for log in logs)
    file.write_text(
        text.replace("METRICS", '{"valid_error": sn.Metric(unit="fraction")}')
    )
    found = snas(*command[:-1], tmp_path / "other", "--json").json
    assert found["best"]["score"] == 0.1


def test_an_epoch_above_1_shows_the_unit_for_all_trainings():
    def bench(*values):
        return sn.Training(
            SPACE, reporting(*values), metrics=["valid_error"], epochs=2, name="two"
        )

    falls = bench(5.0, 0.5)
    assert falls.query("m(w=1)", "valid_error") == 0.5

    def train(cell, trial):
        trial.report(1, valid_error=5.0 if cell.choices[0] else 0.5)

    mixed = sn.Training(SPACE, train, metrics=["valid_error"], epochs=1, name="mixed")
    with pytest.raises(sn.UserError, match=DECLARE):
        mixed.query("m(w=1)", "valid_error")
    assert mixed.query("m(w=2)", "valid_error") == 5.0
    # a stored training has shown it, for this process and for others
    again = sn.Training(SPACE, train, metrics=["valid_error"], epochs=1, name="mixed")
    assert again.query("m(w=1)", "valid_error") == 0.5


def test_an_undeclared_fraction_is_not_told():
    def never(_cell):
        raise ValueError("evaluated by hand")

    loop = sn.AskTell(sn.Objective("valid_error", computed({"valid_error": never})))
    with pytest.raises(sn.UserError, match=DECLARE):
        loop.tell(SPACE[0], 0.07)
    assert not loop.trials
    assert loop.tell(SPACE[0], 7.0).score == pytest.approx(0.07)
    assert loop.tell(SPACE[1], 0.9).score == pytest.approx(0.009)
    with pytest.raises(sn.UserError, match="outside 0 to 100 %"):
        loop.tell(SPACE[2], 107.0)
    declared = computed({"valid_error": sn.Metric(never, unit="fraction")})
    loop = sn.AskTell(sn.Objective("valid_error", declared))
    assert loop.tell(SPACE[0], 0.07).score == 0.07
    fashion = sn.load("fashion")
    loop = sn.AskTell(sn.Objective("valid_error", fashion), "random")
    with pytest.raises(
        sn.UserError, match="is in %, and no cell has a value of 1 or less: pass 7 if"
    ):
        loop.tell(fashion.space[0], 0.07)
    assert loop.tell(fashion.space[0], 7.0).score == pytest.approx(0.07)


def test_cells_that_are_known_are_in_a_known_unit(tmp_path):
    bench = computed({"valid_error": lambda cell: 20.0 - cell.choices[0]})
    file = tmp_path / "known.csv"
    file.write_text("cell,valid_error\nm(w=1),0.2\nm(w=2),0.1\n")
    with pytest.raises(sn.UserError, match=DECLARE):
        sn.search(bench, "random", "valid_error", budget=2, known=file)
    file.write_text("cell,valid_error\nm(w=1),0.2\nm(w=2),12\n")
    sn.search(bench, "random", "valid_error", budget=2, known=file)


def test_a_metric_without_a_direction_is_a_limit_and_no_term():
    metrics = {
        "valid_loss": lambda cell: 2.0 - 0.1 * cell.choices[0],
        "f1": lambda _: 0.5,
    }
    bench = computed(metrics, cheap=True)
    with pytest.raises(
        sn.UserError, match="f1 of m has no declared direction"
    ) as caught:
        sn.Objective("valid_loss + 0.1*f1", bench)
    assert "sn.Metric(direction='max')" in str(caught.value)
    assert (
        sn.Objective("valid_loss", bench, subject_to="f1 <= 0.6").over_space()
        is not None
    )
    declared = {
        **metrics,
        "f1": sn.Metric(metrics["f1"], unit="fraction", direction="max"),
    }
    term = sn.Objective("f1", computed(declared, cheap=True)).terms[0]
    assert (term.is_loss, term.larger_is_better, term.score(0.9)) == (
        True,
        True,
        pytest.approx(0.1),
    )


def test_only_what_differs_from_the_name_is_another_benchmark():
    def fingerprint(metric):
        return computed({"valid_error": metric}).fingerprint

    plain = fingerprint(fraction)
    assert fingerprint(sn.Metric(fraction)) == plain
    assert fingerprint(sn.Metric(fraction, unit="%", direction="min")) == plain
    assert fingerprint(sn.Metric(fraction, unit="fraction")) != plain


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (lambda: sn.Metric(3), "a function of a cell, not 3"),
        (lambda: sn.Metric(fraction, unit=3), "A unit must be a text"),
        (lambda: sn.Metric(fraction, direction="up"), "'min' or 'max', not 'up'"),
        (
            lambda: sn.Metric(fraction, direction="max"),
            "The name valid_error implies that it is minimised",
        ),
        (lambda: sn.Metric(fraction, unit="nats"), "must be in % or a fraction"),
    ],
)
def test_what_contradicts_is_refused(metric, says):
    with pytest.raises(sn.UserError, match=says):
        computed({"valid_error": metric()})


def test_costs_are_not_below_0():
    bench = computed(
        {"valid_loss": lambda _: 2.0, "latency@mine": lambda _: -3.0}, cheap=True
    )
    with pytest.raises(
        sn.UserError, match=r"latency@mine of m is -3 for .*, below 0 ms"
    ):
        bench.query("m(w=1)", "latency@mine")
