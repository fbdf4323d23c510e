"""The verdict's sentences: the subject first, one thought each, at most three on a first screen,
and no nonsense.
"""

import re

import numpy as np
import pytest

from surrogate_nas.results.api import compare
from surrogate_nas.results.verdict import claims_of, verdict_of
from surrogate_nas.stats.decision import MINOR_LEVEL, decide
from surrogate_nas.stats.summaries import Summary
from tests.golden import studies
from tests.outcomes import made, steps

RESULTS = dict(studies())


def judged(**regrets):
    """The verdict over one problem, of the regrets of every run of strategies."""
    return made({"p": {name: steps(*ends) for name, ends in regrets.items()}}).verdict


def failing(runs, every, otherwise=0.0):
    """Runs of which one in so many ends at 1."""
    return np.where(np.arange(runs) % every == every - 1, 1.0, otherwise)


@pytest.mark.parametrize("name", RESULTS)
def test_a_first_screen_has_three_sentences_at_most(name):
    verdict = RESULTS[name].verdict
    assert verdict.leading <= 3
    for sentence in verdict.sentences:
        assert sentence.endswith(".") and not re.search(r"[.!?] [A-Z]", sentence), (
            sentence
        )


@pytest.mark.parametrize("name", RESULTS)
def test_sentences_say_who_does_what(name):
    said = " ".join(RESULTS[name].verdict.sentences)
    for phrase in (
        "told apart",
        "what was seen",
        "e-0",
        "100,000",
        "If what",
        "for sure",
    ):
        assert phrase not in said


def test_nothing_is_needed_where_two_are_practically_the_same():
    verdict = RESULTS["alike"].verdict
    assert verdict.statement == "same" and verdict.runs_needed is None
    said = " ".join(verdict.sentences)
    assert "practically the same" in said
    assert "would show" not in said
    assert "would take" not in said


def test_a_detectable_difference_is_not_said_where_most_pairs_tie():
    rng = np.random.default_rng(0)
    ties = np.r_[np.zeros(30), 0.2, 0.4]
    tiny = judged(a=0.2 + 1e-9 * rng.random(20), b=0.2 + 1e-9 * rng.random(20))
    assert not any(
        "could have shown" in said for said in judged(a=np.zeros(32), b=ties).sentences
    )
    assert not any("e-" in said for said in tiny.sentences)
    spread = judged(a=rng.random(20), b=rng.random(20))
    assert any(
        re.match(r"These 20 paired runs could have shown a difference .* 80 % power", s)
        for s in spread.sentences
    )


def test_needed_is_a_lower_bound_or_a_number_and_json_has_it():
    kinds = RESULTS["kinds"].verdict
    assert kinds.runs_needed is not None and kinds.runs_needed[1] is None
    assert kinds.sentences[2].startswith(
        f"To decide would take at least {kinds.runs_needed[0]} runs per problem"
    )
    assert kinds.to_json()["runs_needed"] == kinds.runs_needed
    about = RESULTS["one problem, not decided"].verdict
    assert about.runs_needed is not None and about.runs_needed[1] is not None
    assert about.sentences[2] == (
        "If the true difference equals the observed one, about"
        f" {about.runs_needed[1] // 2} runs per problem (half or twice as many) would show it with"
        " 80 % power."
    )


def test_mean_against_rank_is_not_decided_and_said():
    verdict = judged(fails=failing(80, 5), steady=np.full(80, 0.1))
    assert verdict.statement == "split"
    assert not verdict.decided_here
    assert verdict.leaders == ["fails", "steady"] and verdict.winner is None
    assert (
        verdict.sentences[0]
        == "On this problem, it is undecided which of fails and steady is best."
    )
    assert verdict.sentences[1].startswith(
        "fails is better than steady in most runs (better in 64 of 80 paired runs, worse in 16;"
        " p = 0.018), but the mean normalised regret of steady is lower by 0.10, 95 % CI 0.02 to"
    )
    assert "depends on what a failure costs" in verdict.sentences[1]
    told = verdict.to_json()["end"]["rivals"][0]
    assert told["statement"] == "split"
    assert told["difference"] < 0
    assert told["interval"][1] < 0


@pytest.mark.parametrize(("runs", "statement"), [(10, "most runs"), (80, "decided")])
def test_few_runs_say_most_runs_and_how_many_a_statement_on_means_takes(
    runs, statement
):
    """Rare failures of the better strategy may not have shown in ten runs."""
    rng = np.random.default_rng(0)
    verdict = judged(a=0.001 * rng.random(runs), b=0.1 + 0.001 * rng.random(runs))
    assert verdict.statement == statement and verdict.decided_here == (
        statement == "decided"
    )
    if statement == "most runs":
        assert (
            "a failure in up to 26 % of the runs may not have shown"
            in verdict.sentences[1]
        )
        assert "about 41 runs per problem" in verdict.sentences[2]


def test_all_claims_of_a_study_share_one_level():
    """Speed and baselines have what the ends leave, and other problems need that these decide."""
    same = [np.arange(8.0)] * 8
    ends = {"a": same, "blind:a": same}
    end, speed, elsewhere, controls = claims_of(ends, ends, list("stuvwxyz"))
    assert speed is not None and elsewhere is not None and controls
    assert speed.level == MINOR_LEVEL and elsewhere.level == end.level
    assert end.level + speed.level + MINOR_LEVEL == pytest.approx(0.05)
    # better in every space, but by ranks in too few of the runs: nothing is said of other problems
    runs = [np.zeros(1)] * 8, [np.ones(1)] * 8
    assert decide({"a": runs[0], "b": runs[1]}, list("stuvwxyz")).decided
    undecided = decide({"a": same, "b": same, "c": runs[1]})
    assert not decide(
        {"a": runs[0], "b": runs[1]}, list("stuvwxyz"), after=undecided
    ).decided


def test_a_verdict_prints_as_its_sentences():
    verdict = judged(a=np.zeros(8), b=np.ones(8))
    assert str(verdict) == "\n".join(verdict.sentences)


def test_one_unit_and_its_name_on_a_screen():
    """The table of a comparison has scores; so have the sentences."""
    found = compare("fashion", ["random", "local_search"], runs=8, budget=40)
    scale = found.problem_result.reference.scale
    (rival,) = found.verdict.end.rivals
    said = found.verdict.sentences
    assert "mean score" in " ".join(said) and "normalised regret" not in " ".join(
        said[:3]
    )
    (number,) = re.findall(r"mean score lower by ([\d.]+)", " ".join(said[:2]))
    assert float(number) == pytest.approx(rival.difference * scale, abs=0.01)
    suite = judged(a=np.zeros(8), b=0.5 + 0.1 * np.arange(8))
    assert "mean normalised regret lower by" in suite.sentences[0]


def test_a_better_mean_that_is_worse_by_ranks_is_explained():
    """c is worse than a in every run, b fails badly in a few: only c is significantly worse."""
    rng = np.random.default_rng(0)
    best = 0.01 * rng.random(40)
    verdict = judged(
        a=best, b=best + np.where(np.arange(40) % 16 == 7, 2, 0.001), c=best + 0.14
    )
    assert verdict.end is not None and [rival.name for rival in verdict.end.worse] == [
        "c"
    ]
    assert verdict.sentences[1] == (
        "By ranks of paired runs, c is worse than a more consistently than b is, although the mean"
        " normalised regret of c (0.1454) is lower than that of b (0.1563)."
    )


def test_equal_runs_are_too_few_or_the_same():
    few = judged(a=np.zeros(40), b=np.zeros(40))
    many = judged(a=np.zeros(60), b=np.zeros(60))
    assert (
        "equal in all 40 paired runs, too few to call them the same" in few.sentences[0]
    )
    assert "59 such runs would exclude a difference above 0.05" in few.sentences[0]
    assert "practically the same" in many.sentences[0]
    assert "too few" not in many.sentences[0]


def test_decided_and_practically_the_same_stand_side_by_side():
    worse = np.r_[np.full(60, 0.1), np.zeros(340)]
    verdict = judged(a=np.zeros(400), b=worse)
    assert (
        verdict.decided_here and verdict.end is not None and verdict.end.rivals[0].alike
    )
    assert (
        "but a and b are practically the same, as the mean normalised regret differs by at most"
        " 0.025 (95 % bound)" in verdict.sentences[0]
    )


@pytest.mark.parametrize(
    ("runs", "feasible", "interval", "said"),
    [
        (1, 1, None, "The final score of bo is 0.2500, from one run."),
        (
            4,
            1,
            None,
            "The final score of bo is 0.2500, from the 1 of 4 runs that found a feasible cell.",
        ),
        (
            4,
            4,
            (0.2, 0.3),
            "The mean final score of bo is 0.250 (95 % interval 0.200 to 0.300, IQM 0.250, 4"
            " runs).",
        ),
    ],
)
def test_a_score_says_from_how_many_runs_it_is(runs, feasible, interval, said):
    result = made({"p": {"bo": steps(0.0)}})
    figures = Summary(mean=0.25, std=0.0, iqm=0.25, ci95=interval), runs, feasible
    verdict = verdict_of(["bo"], result.problems, figures={"bo": figures})
    assert said in verdict.sentences


@pytest.mark.parametrize(("names", "who"), [("ab", "Neither"), ("abc", "None of")])
def test_strategies_that_are_as_soon_at_the_optimum_are_named_by_their_number(
    names, who
):
    ends = [0.0] * 7 + [1.0] * 3
    regrets = {name: np.array(ends[k:] + ends[:k]) for k, name in enumerate(names)}
    sentences = judged(**regrets).sentences
    assert [
        one.partition(" reaches ")[0].split(" a")[0]
        for one in sentences
        if "sooner" in one
    ] == [who]
