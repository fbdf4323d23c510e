"""Objectives: the language, the constants, the constraints, and the evaluator that charges every
look-up.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective import Objective, parse
from surrogate_nas.objective.expression import Constraint, Expression, Term
from surrogate_nas.results.lambda_path import diagnose
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.tables import Table, write_table

N = 15625
NAMES = st.sampled_from(
    [
        "valid_error",
        "params",
        "macs",
        "latency@raspi4",
        "energy@edge-tpu.v2",
        "x_1",
        "diversity",
    ]
)
WEIGHTS = st.one_of(
    st.floats(0, 1e9), st.floats(0, 1e300), st.integers(0, 10**15).map(float)
)
LIMITS = st.floats(allow_nan=False, allow_infinity=False)
EPOCHS = st.one_of(st.none(), st.integers(0, 10**6))
TERMS = st.lists(
    st.one_of(
        st.builds(
            Term, NAMES.filter(lambda name: name != "diversity"), EPOCHS, WEIGHTS
        ),
        st.builds(Term, st.just("diversity"), st.none(), WEIGHTS),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda term: (term.metric, term.epochs),
).map(tuple)
PLAIN = NAMES.filter(lambda name: name != "diversity")
CONSTRAINTS = st.lists(
    st.builds(Constraint, PLAIN, EPOCHS, st.sampled_from(["<=", ">="]), LIMITS),
    max_size=3,
).map(tuple)
EXPRESSIONS = st.builds(Expression, TERMS, CONSTRAINTS)
PIECES = st.sampled_from(
    [
        "valid_error",
        "params",
        "[12]",
        "[",
        "]",
        "(",
        ")",
        "+",
        "-",
        "*",
        "/",
        "0.1",
        "1e999",
        "5.",
        "<=",
        ">",
        "=",
        "@",
    ]
    + [
        " subject to ",
        " and ",
        ",",
        "subject",
        "to",
        "latency@raspi4",
        " ",
        "\n",
        "é",
        "\x00",
        "1e-5",
        "__import__",
        ";",
    ]
)
MUTATED = st.tuples(
    EXPRESSIONS.map(str), st.integers(0, 200), st.integers(0, 3), PIECES
).map(lambda t: t[0][: t[1]] + t[3] + t[0][t[1] + t[2] :])


def check_parsed(text):
    try:
        parsed = parse(text)
    except UserError as error:
        assert str(error)
        assert "\n" not in str(error), "one line"
    else:
        assert parse(str(parsed)) == parsed


@given(
    st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=15).map("".join), MUTATED)
)
@settings(max_examples=250, deadline=None)
def test_text_is_an_expression_or_a_user_error_of_one_line(text):
    check_parsed(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "(" * 5000,
        "(" * 500 + "params" + ")" * 500,
        "params+" * 280,
        "9" * 1999 + "*params",
        f"params[{'9' * 1900}]",
        "1e308*10*params",
        "1e308*params + 1e308*params",
        "10*(1e308*params)",
        "10*(1e300*(1e300*params))",
        "params <= 3",
        "valid_error subject to",
        "valid_error subject to params",
        "valid_error subject to params <= -",
        "valid_error subject to diversity <= 1",
        "valid_error + 0.1*diversity[12]",
        "valid_error subject to params <= 1e999",
        "__import__('os').system('true')",
        "params / 3",
        "-params",
        "3",
        "params params",
        "params*macs",
        "params[1.5]",
        "params[-1]",
        "latency@",
        "subject + to",
    ],
)
def test_odd_text_is_an_expression_or_a_user_error(text):
    check_parsed(text)
    if text in ("params / 3", "-params", "3", "", "params[1.5]", "params params"):
        with pytest.raises(UserError):
            parse(text)


@given(EXPRESSIONS)
@settings(max_examples=120, deadline=None)
def test_printing_and_parsing_is_a_round_trip(expression):
    text = str(expression)
    if len(text) <= 2000:
        assert parse(text) == expression


@pytest.mark.parametrize(
    "text", ["valid_error + 0*params + 1e-3*params[1]", "valid_error[5]"]
)
def test_printing_a_bound_objective_and_parsing_is_a_round_trip(text):
    bound = Objective(text, "fashion")
    again = Objective(str(bound), "fashion")
    assert (str(again), again.fingerprint) == (str(bound), bound.fingerprint)


def test_built_in_python_equals_text():
    built = (
        sn.loss("valid_error", epochs=12)
        + 0.1 * sn.params()
        + sn.latency("raspi4") * 0.05
        + 2 * sn.macs()
    ).subject_to(sn.latency("raspi4") <= 20, sn.params() >= 1e5)
    text = "valid_error[12] + 0.1*params + 0.05*latency@raspi4 + 2*macs"
    limits = "latency@raspi4 <= 20 and params >= 100000"
    assert built == parse(f"{text} subject to {limits}") == parse(text, limits)
    assert str(built) == f"{text} subject to {limits}"
    assert parse("2 * (valid_error + 0.5*params)") == 2 * (
        sn.loss("valid_error") + 0.5 * sn.params()
    )
    assert parse("valid_error + 3*diversity + energy@eyeriss") == (
        sn.loss("valid_error") + 3 * sn.diversity() + sn.energy("eyeriss")
    )


def test_a_weight_is_finite_and_not_negative():
    for weight in (-1, -0.5, math.inf, math.nan):
        with pytest.raises(UserError, match="weight"):
            weight * sn.params()
    with pytest.raises(UserError):
        (1e308 * sn.params()) * 1e308
    with pytest.raises(UserError):
        1e308 * sn.params() + 1e308 * sn.params()


def test_an_error_message_points_at_the_place():
    for text, said in (
        ("params macs", "expected .* or the end at column 8: params ⟨here⟩macs"),
        (
            "(valid_error, params)",
            r"expected .* or '\)' at column 13: \(valid_error⟨here⟩, params",
        ),
        ("valid_error, ", "expected a number, a metric or '.' at column 14"),
        ("2*3 + params", "a number must multiply a metric"),
        (
            "2*params*latency@a.b",
            r"one metric at column 10: 2\*params\*⟨here⟩latency@a.b",
        ),
    ):
        with pytest.raises(UserError, match=said):
            parse(text)


def test_errors_are_fractions_losses_nats_and_regularisers_over_their_median(
    small, space
):
    objective = Objective(
        "valid_error[12] + 0.5*train_loss + 0.1*params + 0.2*latency@thing", small
    )
    cells = space[100:103]
    _, scores, _ = objective.look_up(cells)
    params = small.column("params")
    for i, cell in enumerate(cells):
        error = small.column("valid_error", 12)[cell.index] / 100
        loss = error + 0.5 * small.column("train_loss")[cell.index]
        penalty = 0.1 * params[cell.index] / np.median(params)
        penalty += 0.2 * small.column("latency@thing")[cell.index] / 4.0
        assert scores.loss[i] == pytest.approx(loss, rel=1e-14)
        assert scores.penalty[i] == pytest.approx(penalty, rel=1e-14)
        assert scores.score[i] == pytest.approx(loss + penalty, rel=1e-14)
    assert [t["divisor"] for t in objective.describe()["terms"]] == [
        100.0,
        1.0,
        float(np.median(params)),
        4.0,
    ]
    assert (
        str(objective)
        == "valid_error[12] + 0.5*train_loss[200] + 0.1*params + 0.2*latency@thing"
    )


def test_a_score_does_not_depend_on_which_cells_are_looked_up_together(analog, space):
    """Else an optimum could lie an ulp off, and a repeated cell could improve on itself."""
    objective = Objective(
        "digital_error + 0.37*analog_error + 0.1*params + 0.03*macs + 0.013*depth",
        analog,
    )
    whole = objective.over_space()
    assert whole is not None
    for index in range(0, N, 61):
        assert objective.look_up([space[index]])[1].score[0] == whole.score[index]
    for start in range(0, 1000, 7):
        assert (
            objective.look_up(space[start : start + 7])[1].score
            == whole.score[start : start + 7]
        ).all()


def test_infeasible_cells_rank_after_all_feasible_ones_by_violation(analog):
    params = analog.column("params")
    latency = analog.column("depth")
    objective = Objective(
        "digital_error + params", analog, subject_to="params <= 200000 and depth >= 2"
    )
    scores = objective.over_space()
    assert scores is not None
    feasible = (params <= 200000) & (latency >= 2)
    assert (scores.feasible == feasible).all()
    assert scores.score[~feasible].min() > scores.score[feasible].max()
    violation = np.maximum(params - 200000, 0) / 200000 + np.maximum(2 - latency, 0) / 2
    order = np.argsort(violation[~feasible], kind="stable")
    assert (np.diff(scores.score[~feasible][order]) >= 0).all()
    assert scores.score[feasible] == pytest.approx(
        (scores.loss + scores.penalty)[feasible]
    )
    assert np.isfinite(scores.score).all()


def test_the_worst_feasible_cell_still_beats_the_least_infeasible(analog):
    """The cell of the largest loss may itself be feasible."""
    worst = analog.column("digital_error").argmax()
    limit = int(analog.column("params")[worst])
    scores = Objective(
        "digital_error", analog, subject_to=f"params <= {limit}"
    ).over_space()
    assert scores is not None
    assert scores.feasible[worst]
    assert scores.score[~scores.feasible].min() > scores.score[worst]


def test_a_final_metric_is_refused_in_sum_and_in_constraint(small):
    for text in (
        "test_error",
        "valid_error + 0*test_error",
        "valid_error subject to test_error <= 40",
    ):
        with pytest.raises(UserError, match="final metric"):
            Objective(text, small)


def test_an_objective_that_sees_a_final_metric_says_so(small):
    seen = Objective("test_error", small, search_on_final="test_error")
    assert (
        "searches on test_error, a final metric" in seen.warning
        and not Objective("valid_error", small).warning
    )
    assert seen.describe()["search_on_final"] == ["test_error"]


def test_what_cannot_be_an_objective_is_refused_with_the_reason(small):
    for text, reason in {
        "params": "needs a loss term",
        "diversity": "needs a loss term",
        "valid_eror": "Did you mean 'valid_error'",
        "valid_error[13]": "trainings of 12, 200 epochs, not 13",
        "valid_error + nothing": "cannot be a term of R",
        "valid_error + latency@raspi4": "Unknown metric",
    }.items():
        with pytest.raises(UserError, match=reason):
            Objective(text, small)


def test_diversity_is_the_similarity_to_the_best_found_before(analog, space):
    objective = Objective("digital_error + 0.5*diversity", analog)
    evaluator = Ledger(objective)
    one = space[0]
    near = space.neighbours(one)[0]
    trials = list(evaluator.evaluate([one, near, one]))
    plain = list(Ledger(Objective("digital_error", analog)).evaluate([one, near]))
    assert trials[0].score == plain[0].score, "nothing was found before"
    shares_class = space.classes[one.index] == space.classes[near.index]
    similarity = 1.0 if shares_class else 5 / 6
    assert trials[1].score == pytest.approx(plain[1].score + 0.5 * similarity)
    assert trials[2].score == trials[0].score, "a known cell answers the same"


def test_regret_and_optimum_are_undefined_with_diversity(analog):
    objective = Objective("digital_error + 0.1*diversity", analog)
    assert objective.has_history
    assert objective.optimum() is None
    assert objective.over_space() is None
    assert diagnose(objective) is None


def test_the_fingerprint_changes_with_everything_that_changes_scores(analog, small):
    def of(text, bench=analog, limit=None):
        return Objective(text, bench, subject_to=limit).fingerprint

    plain = of("digital_error + 0.1*params")
    assert (
        plain
        == of(" digital_error+0.10 * params ")
        == of("digital_error + 0.1*(params)")
    )
    others = [
        of("digital_error + 0.2*params"),
        of("digital_error + 0.1*macs"),
        of("2*digital_error + 0.1*params"),
        of("digital_error + 0.1*params + 0.1*diversity"),
        of("digital_error + 0.1*params", limit="depth <= 2"),
        of("digital_error + 0.1*params", limit="depth <= 3"),
        of("digital_error + 0.1*params", limit="depth >= 2"),
        of("valid_error + 0.1*params", small),
        of("valid_error[12] + 0.1*params", small),
    ]
    assert len({plain, *others}) == len(others) + 1
    assert of("valid_error", small) == of("valid_error[200]", small), (
        "epochs left out means the last"
    )


def test_the_fingerprint_changes_with_the_data(tmp_path):
    found = []
    for shift in (0.0, 1e-9):
        table = Table("same", "nb201", "t", "s", cost="queries")
        values = np.linspace(1, 2, N)
        values[9] += shift
        table.add(Metric("valid_error", "%", "search", "error"), 3, values)
        write_table(table, tmp_path / "same.h5")
        found.append(
            Objective("valid_error", TableBenchmark(tmp_path / "same.h5")).fingerprint
        )
    assert found[0] != found[1]


def test_the_diagnosis_says_when_lambda_changes_nothing_and_when_it_drowns_the_loss(
    analog,
):
    nothing = diagnose(Objective("digital_error + 1e-9*params", analog))
    drowned = diagnose(Objective("digital_error + 100*params", analog))
    limited = diagnose(
        Objective("digital_error", analog, subject_to="params <= 100000")
    )
    share = float((analog.column("params") <= 100000).mean())
    assert nothing is not None and drowned is not None
    assert "λ changes nothing" in nothing[0] and "drowns" not in " ".join(nothing)
    assert "0.00% of them have a lower L than the optimum" in nothing[-1]
    assert "R drowns L" in drowned[0] and "changes nothing" not in " ".join(drowned)
    errors = analog.column("digital_error")
    params = analog.column("params")
    lower = (errors < errors[params == params.min()].min()).mean()
    assert f"{lower:.2%} of them have a lower L than the optimum" in drowned[-1]
    assert limited == [f"{share:.1%} of the cells meet the constraints."], (
        "there is no λ"
    )
    assert (
        diagnose(Objective("digital_error", analog, subject_to="params <= 1")) is None
    )


def test_a_limit_that_no_cell_keeps_names_the_nearest_value():
    objective = sn.Objective("valid_loss", sn.load("fashion"), subject_to="params <= 1")
    assert (
        objective.unreachable
        == "No cell of nb201 meets params <= 1; the nearest value is 1,122."
    )


def test_columns_answer_for_the_whole_space_without_making_a_cell(
    tmp_path, monkeypatch
):
    space = sn.ChoiceSpace("grid", {name: range(8) for name in "abc"})
    table = Table("mine", space.definition, "512 cells", "here", cost="queries")
    table.add(Metric("valid_error", "%", "search", "error"), 5, np.arange(512) / 9)
    table.add(Metric("latency@x", "ms", "search", "cost"), None, np.arange(512) + 1.0)
    write_table(table, tmp_path / "mine.h5")
    monkeypatch.setattr(sn.ChoiceSpace, "write", None)
    limited = sn.Objective(
        "valid_error + latency@x",
        sn.load(str(tmp_path / "mine.h5")),
        subject_to="latency@x <= 0.5",
    )
    assert limited.unreachable.endswith("latency@x <= 0.5; the nearest value is 1.")
    assert len(limited.over_space().score) == 512


METERED = sn.Computed(
    sn.ChoiceSpace("metered", {name: range(4) for name in "ab"}),
    {
        "valid_error": sn.Metric(lambda cell: 9.0 + cell["a"], unit="%"),
        "latency": lambda cell: 1.0 + cell["b"],
        "energy": lambda cell: 5.0 + cell["a"] * cell["b"],
    },
    cheap=["latency"],
)
"""Whose energy only an evaluation tells."""


@pytest.mark.parametrize(
    ("text", "weights", "limits"),
    [
        ("valid_error + 0.2*energy + 0.1*latency", [0.2], ""),
        ("valid_error subject to energy <= 7 and energy >= 6", [0], "<= 7, >= 6"),
        ("valid_error + 0.2*energy subject to energy <= 7", [0.2], "<= 7"),
        ("latency, valid_error + 0.2*energy, energy", [0, 0.2, 0], ""),
    ],
)
def test_what_is_observed_has_its_weight_in_each_objective_and_its_limits(
    text, weights, limits
):
    objective = Objective(text, METERED)
    ((name, coefficients, kept),) = objective.free.observed
    divisor = {term.name: term.divisor for term in objective.terms}.get(name, 1.0)
    assert np.multiply(coefficients, divisor) == pytest.approx(np.array(weights))
    assert ", ".join(map(str, kept)).replace("energy ", "") == limits


def test_observed_metrics_are_named_as_the_values_of_a_trial():
    text = "valid_error + 0.2*energy subject to valid_error <= 11 and latency <= 2"
    objective = Objective(text, METERED)
    names = [each.name for each in objective.free.observed]
    trial = sn.search(METERED, "random", objective, budget=1).trials[0]
    assert names == ["energy", "valid_error"] and {*names} <= {*trial.values}
    known = Objective("valid_error + latency subject to latency <= 2", METERED)
    assert known.free.observed == ()
