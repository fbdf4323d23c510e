"""Two checklists for authors of a paper, answered by what a folder of results records.

[LH] Lindauer & Hutter, "Best Practices for Scientific Research on Neural Architecture Search", JMLR
2020: its 14 practices by their numbers. [N] The paper checklist of NeurIPS, its 16 questions of
2025. The questions are in our words. What a folder cannot know, no answer claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.benchmarks.joined import JoinedBenchmark
from surrogate_nas.benchmarks.learned import LearnedBenchmark
from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.benchmarks.losses import FilledBenchmark
from surrogate_nas.benchmarks.predicted import PredictedBenchmark
from surrogate_nas.benchmarks.training import Training
from surrogate_nas.core.levels import LEVEL
from surrogate_nas.core.numbers import budget_in_words, plural
from surrogate_nas.report.reading import PROBLEMS, STEP, Comparison, StudyResult, joined
from surrogate_nas.strategies import BLIND, NEEDING_OPTIONS, strategy_entry

Says = Literal["Yes", "No", "In part", "Does not apply", "Not known from this folder"]
UNKNOWN: Says = "Not known from this folder"
_Origin = Literal["table", "surrogate", "live", "own", "absent"]
"""Where values come from: a table, a model, trainings of ours, the user's code; or its table is not
here, so that nothing more is known.
"""
_DESCRIPTION = "experiment.json"
_RANDOM = {"random", "random_sampling"}
_ELSEWHERE = ("program", "file", "package", "class", "unknown")
"""Origins of strategies whose code is in neither the package nor the folder."""
_UNSTATED = ("see ", "that of ", "the user's own")
"""How a licence begins that is told elsewhere."""
_YOURS = "It is about the paper, not about these runs."


class Answer(NamedTuple):
    """An answer: in a word, why, and the files and fields of the folder that it was read from."""

    says: Says
    why: str
    where: str = ""


class Item(NamedTuple):
    """A question of a checklist with its number, and the answer."""

    number: int
    title: str
    question: str
    answer: Answer


@dataclass(frozen=True)
class Facts:
    """What a result tells for the checklists."""

    result: StudyResult

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Those with a finished run."""
        return [one for one in self.result.comparisons.values() if one.strategies]

    @cached_property
    def labels(self) -> list[str]:
        """Every strategy with a finished run."""
        return list(dict.fromkeys(name for one in self.comparisons for name in one.strategies))

    @cached_property
    def own(self) -> dict[str, list[str]]:
        """The files of the strategies whose code the folder keeps, since it is the user's."""
        files: dict[str, list[str]] = {}
        for one in self.comparisons:
            for label, digests in (one.description.get("sources") or {}).items():
                if label in self.labels:
                    files[label] = sorted(digests)
        return files

    @cached_property
    def origins(self) -> dict[str, str]:
        """Where the code of each strategy comes from."""
        entries = {name: strategy_entry(name) for name in self.labels}
        programs = {name for name, entry in entries.items() if entry.name in NEEDING_OPTIONS}
        return {
            name: "own" if name in self.own else "program" if name in programs else entry.origin
            for name, entry in entries.items()
        }

    def of_origin(self, *origins: str) -> list[str]:
        """The strategies whose code comes from there."""
        return [name for name, origin in self.origins.items() if origin in origins]

    @property
    def are_ours(self) -> bool:
        """Whether all strategies are parts of this package."""
        return set(self.origins.values()) == {"built-in"}

    @cached_property
    def provenances(self) -> list[dict[str, Any]]:
        """Every set of versions that began or extended the runs, each once."""
        made: list[dict[str, Any]] = []
        for one in self.comparisons:
            description = one.description
            for entry in (description, *description.get("extensions", ())):
                if (provenance := entry.get("provenance") or {}) not in made:
                    made.append(provenance)
        return made

    @property
    def release(self) -> str:
        """The releases of this package that made the runs."""
        releases = dict.fromkeys(str(one.get("surrogate_nas", "?")) for one in self.provenances)
        return f"surrogate_nas {joined(list(releases))}"

    def where(self, *places: str) -> str:
        """Files of the folder, each with the fields that tell of the matter; what is not there is
        left out.
        """
        folder = self.result.folder
        if folder is None:
            return ""
        within = {"suite": f"{PROBLEMS}/*/", "path": f"{STEP}*/"}.get(self.result.kind, "")
        found = []
        for place in places:
            file, _, fields = place.partition(": ")
            if file == _DESCRIPTION and fields:
                fields = ", ".join(field for field in fields.split(", ") if self._has(field))
            at = next((at for at in ("", within) if any(folder.glob(at + file))), None)
            if at is not None:
                found.append(f"{at}{file}: {fields}" if fields else f"{at}{file}")
        return "; ".join(found)

    def _has(self, field: str) -> bool:
        """Whether some description has a field, as in ``reference.start``."""
        name, _, part = field.partition(".")
        held = [one.description.get(name) for one in self.comparisons]
        return any(value is not None and (not part or part in value) for value in held)

    def each(self, tell: Callable[[Comparison], str]) -> str:
        """What is told of every problem, each text once."""
        return "; ".join(dict.fromkeys(filter(None, map(tell, self.comparisons))))

    def of_problems(self, tell: Callable[[Comparison], str]) -> str:
        """What is told of the problems, which are named where it is not the same for all."""
        told = [(one, tell(one)) for one in self.comparisons]
        texts = {text for _, text in told}
        if len(texts) == 1:
            return texts.pop()
        return "; ".join(f"{one.problem or one.title}: {text or 'none'}" for one, text in told)

    def by_origin(self, answers: Mapping[_Origin, tuple[Says, str]]) -> tuple[Says, str]:
        """One answer where the problems have different ones by where their values come from."""
        found = [answers[origin] for origin in dict.fromkeys(map(_origin, self.comparisons))]
        says = {one for one, _ in found}
        return says.pop() if len(says) == 1 else "In part", " ".join(why for _, why in found)

    @cached_property
    def runs(self) -> dict[str, list[int]]:
        """How many finished runs each strategy has on each problem."""
        return {
            name: [len(one.runs_of(name)) for one in self.comparisons if name in one.strategies]
            for name in self.labels
        }

    @property
    def has_spread(self) -> bool:
        """Whether every strategy has several runs on every problem."""
        return min(min(counts) for counts in self.runs.values()) > 1


def _origin(comparison: Comparison) -> _Origin:
    """Where the values of a comparison come from."""
    benchmark = comparison.objective.benchmark
    while isinstance(benchmark, JoinedBenchmark):
        benchmark = benchmark.base
    if comparison.objective.recorded is not None:
        return "absent"
    if isinstance(benchmark, FilledBenchmark | LearnedBenchmark | PredictedBenchmark):
        return "surrogate"
    if isinstance(benchmark, LiveBenchmark):
        return "live"
    return "own" if isinstance(benchmark, Computed | Training) else "table"


def _training_code(facts: Facts) -> Answer:
    sources = facts.each(lambda one: f"{one.title}: {one.objective.benchmark.source}")
    engines = facts.each(lambda one: one.objective.benchmark.engine)
    says, why = facts.by_origin(
        {
            "table": ("Does not apply", "No cell was trained for these runs: tables were read."),
            "surrogate": (
                "Does not apply",
                "No cell was trained for these runs: a model answered.",
            ),
            "live": ("In part", f"Cells were trained by {facts.release} (MIT; engine: {engines})."),
            "own": (UNKNOWN, "The training code is the user's own, and not in this folder."),
            "absent": (UNKNOWN, "A table that the runs read is not here."),
        }
    )
    return Answer(says, f"{why} Sources: {sources}.", facts.where("experiment.json: benchmark"))


def _codes(facts: Facts) -> list[str]:
    """Where the code of the strategies is, a sentence for each kind of them."""
    sentences = []
    if ours := facts.of_origin("built-in"):
        sentences.append(f"{joined(ours)}: part of {facts.release} (MIT).")
    if bridges := facts.of_origin("bridge"):
        sentences.append(f"{joined(bridges)}: of other libraries; their versions are not recorded.")
    if others := facts.of_origin(*_ELSEWHERE):
        sentences.append(f"{joined(others)}: of code that is not in this folder.")
    for name, files in facts.own.items():
        sentences.append(f"{name}: {joined(files)}, as it ran, in this folder with its sha256.")
    return sentences


def _method_code(facts: Facts) -> Answer:
    where = facts.where("experiment.json: strategies, sources, provenance", "sources")
    if facts.are_ours:
        return Answer("Yes", " ".join(_codes(facts)), where)
    published = "Whether code that is not of this package is published is not known."
    return Answer("In part", " ".join([*_codes(facts), published]), where)


def _code_as_it_ran(facts: Facts) -> Answer:
    if facts.are_ours:
        return Answer("Does not apply", "No strategy here is code of the user's that could wait.")
    unknown = "Whether code that is not of this package is published is not known."
    if not facts.own:
        return Answer(UNKNOWN, unknown)
    why = f"The code of {joined(list(facts.own))} is here as it ran. {unknown}"
    return Answer("In part", why, facts.where("sources"))


def _same_benchmark(facts: Facts) -> Answer:
    tasks = facts.each(
        lambda one: f"{one.title} (space {one.objective.benchmark.space.name}): {one.objective}"
    )
    why = f"On each problem all strategies had one table or task, space and objective. {tasks}."
    return Answer("Yes", why, facts.where("experiment.json: benchmark, objective, fingerprint"))


def _ablation(facts: Facts) -> Answer:
    variants: dict[tuple[str, str], list[str]] = {}
    for name, origin in facts.origins.items():
        variants.setdefault((strategy_entry(name).name, origin), []).append(name)
    beside = [joined(names) for names in variants.values() if len(names) > 1]
    where = facts.where("experiment.json: strategies")
    if facts.result.kind == "path":
        beside.append(f"{len(facts.comparisons)} values of λ")
    if beside:
        return Answer("In part", f"Variants beside each other: {'; '.join(beside)}.", where)
    return Answer(UNKNOWN, "No strategy is here in two variants.", where)


def _withheld(facts: Facts) -> str:
    """What strategies were not given."""
    finals = facts.of_problems(_finals)
    hidden = facts.of_problems(
        lambda one: ", ".join(one.objective.known.terms) if one.description["hidden"] else ""
    )
    blind = [name for name in facts.labels if name.startswith(BLIND)]
    sentences = [f"Final metrics, withheld from all strategies: {finals or 'none there'}."]
    if hidden:
        sentences.append(f"Free terms of the objective that were withheld too: {hidden}.")
    if blind:
        sentences.append(f"Names of space and metrics were withheld from {joined(blind)}.")
    sentences.append(facts.each(lambda one: one.objective.warning))
    return " ".join(filter(None, sentences))


def _finals(comparison: Comparison) -> str:
    """The metrics that no strategy could ask for."""
    objective = comparison.objective
    if objective.recorded is not None:
        return ", ".join((comparison.description.get("data") or {}).get("others", {}))
    return ", ".join(
        metric.name
        for metric in objective.benchmark.metrics
        if metric.kind == "final" and metric.name not in objective.search_on_final
    )


def _first_cells(comparison: Comparison) -> str:
    """What all strategies begin with."""
    description = comparison.description
    if description.get("beginning"):
        return "run k of every strategy begins with the cells that the user gave"
    if not description["first_cells"]:
        return "no random cells come first"
    first = plural(description["first_cells"], "random cell")
    return f"run k of every strategy begins with the same {first}"


def _same_protocol(facts: Facts) -> Answer:
    budgets = facts.each(
        lambda one: budget_in_words(one.description["budget"], one.objective.benchmark.cost)
    )
    first = facts.each(_first_cells)
    other = [
        name
        for name in facts.labels
        if any(
            trial.epochs != run.epochs
            for one in facts.comparisons
            for run in one.runs_of(name)
            for trial in run.trials
        )
    ]
    unequal = any(
        len({(run.budget_cells, run.budget_seconds) for run in one.ended_runs}) > 1
        for one in facts.comparisons
    )
    sentences = [
        f"A run may spend {budgets}; {first}; its answer is the best cell of its history after the"
        " objective's epochs.",
        _withheld(facts),
    ]
    if other:
        sentences.append(f"{joined(other)} also evaluated cells after fewer epochs.")
    if unequal:
        sentences.append("Some runs were made with another budget than others.")
    if facts.result.missing:
        sentences.append(f"Not there yet: {plural(facts.result.missing, 'run')}.")
    says: Says = "In part" if unequal or facts.result.missing else "Yes"
    where = facts.where("experiment.json: budget, first_cells, hidden", "runs/*.jsonl")
    return Answer(says, " ".join(sentences), where)


def _over_time(facts: Facts) -> Answer:
    costs = facts.each(lambda one: one.objective.benchmark.cost)
    why = (
        f"Every trial has its place in the run and its charge ({costs}); the best score so far is"
        " drawn along the budget."
    )
    return Answer(
        "Yes", why, facts.where("report.html", "runs/*.jsonl: index, finished, cost_seconds")
    )


def _random(facts: Facts) -> Answer:
    there = [name for name in facts.of_origin("built-in") if strategy_entry(name).name in _RANDOM]
    expected = all("start" in (one.description.get("reference") or {}) for one in facts.comparisons)
    sentences = [
        f"Random search: {joined(there)}." if there else "No random search is here.",
        "Random sampling: what one random cell is expected to score is computed from the table."
        if expected
        else "Random sampling of one cell is not here.",
    ]
    says: Says = "Yes" if there and expected else "In part" if there or expected else "No"
    where = facts.where("experiment.json: strategies, reference.start, reference.random")
    return Answer(says, " ".join(sentences), where)


def _runs(facts: Facts) -> Answer:
    counts = {
        name: str(min(of)) if min(of) == max(of) else f"{min(of)} to {max(of)}"
        for name, of in facts.runs.items()
    }
    equal = set(counts.values())
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    each = f"{equal.pop()} of each strategy" if len(equal) == 1 else told
    seeds = facts.each(lambda one: str(one.description["seed"]))
    spread = (
        "The tables beside this list have mean, deviation, interquartile mean and 95 % interval."
        if facts.has_spread
        else "One run has no spread."
    )
    why = (
        f"Finished runs on a problem: {each}. Root seed {seeds}: run k of every strategy draws from"
        f" it and k. {spread}"
    )
    where = facts.where("experiment.json: seed, runs", "summary.json", "suite.json")
    return Answer("Yes" if facts.has_spread else "No", why, where)


def _tabular(facts: Facts) -> Answer:
    names = facts.each(lambda one: one.title)
    says, why = facts.by_origin(
        {
            "table": ("Yes", "Values were read from tables."),
            "surrogate": ("Yes", "Values were predicted by a model."),
            "live": ("No", "Cells were trained for these runs."),
            "own": (UNKNOWN, "Values are those of the user's code."),
            "absent": (UNKNOWN, "A table that the runs read is not here."),
        }
    )
    return Answer(says, f"{why} Benchmarks: {names}.", facts.where("experiment.json: benchmark"))


def _confounders(facts: Facts) -> Answer:
    _, charges = facts.by_origin(
        {
            "table": ("Yes", "Charges are the table's, the same for every strategy and machine."),
            "surrogate": ("Yes", "A query is charged alike for every strategy and machine."),
            "live": ("In part", "Charges are seconds of the machine that trained."),
            "own": ("In part", "Charges are what the user's code told or took."),
            "absent": ("In part", "Charges are those that the folder records."),
        }
    )
    n = len(facts.provenances)
    versions = (
        "All runs are of one set of versions." if n == 1 else f"{n} sets of versions made runs."
    )
    why = f"{versions} {charges} Which processors made the runs is not recorded."
    where = facts.where("experiment.json: provenance, extensions", "runs/*.jsonl: cost_seconds")
    return Answer("In part", why, where)


def _tuning(facts: Facts) -> Answer:
    given = [name for name in facts.labels if "(" in name]
    versions: dict[str, int] = {}
    for one in facts.comparisons:
        for name, n in (one.description.get("versions") or {}).items():
            versions[name] = max(n, versions.get(name, 0))
    sentences = [f"With options: {joined(given)}." if given else "No option was given."]
    sentences.append("All else is the default of the version that ran.")
    if facts.own:
        # a folder tells them from the second on
        told = ", ".join(f"{name} {versions.get(name, 1)}" for name in facts.own)
        sentences.append(f"Versions that were run on these problems and seeds, as counted: {told}.")
    sentences.append("How options and defaults were found, and at what cost, is not known.")
    where = facts.where("experiment.json: strategies, versions")
    return Answer("In part" if facts.own else UNKNOWN, " ".join(sentences), where)


def _spent(facts: Facts) -> str:
    """What all runs took together."""
    runs = [run for one in facts.comparisons for run in one.ended_runs]
    charged: dict[str, float] = {}
    for one in facts.comparisons:
        cost = one.objective.benchmark.cost
        unit = "queries" if cost == "queries" else "simulated seconds"
        spent = sum(run.simulated_seconds for run in one.ended_runs)
        charged[unit] = charged.get(unit, 0.0) + spent
    told = joined([f"{_rounded(spent)} {unit}" for unit, spent in charged.items()])
    evaluations = sum(len(run.trials) for run in runs)
    real = sum(run.real_seconds for run in runs)
    own = sum(run.strategy_seconds for run in runs)
    judged = [run.judged for run in runs if run.judged is not None]
    text = (
        f"{plural(len(runs), 'run')}, {plural(evaluations, 'evaluation')}, charged {told}. On the"
        f" machine that ran them: {_rounded(real)} s, of these {_rounded(own)} s in the strategies."
    )
    if judged:
        trainings = plural(sum(one.trainings for one in judged), "training")
        seconds = sum(one.cost for one in judged)
        text += (
            f" Besides, {trainings} ({_rounded(seconds)} s) judged what was found by other seeds."
        )
    return text


def _rounded(number: float) -> str:
    """Three digits, or all before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _end_to_end(facts: Facts) -> Answer:
    rest = "Tuning, and a final training of what was found, are not in this."
    where = facts.where("runs/*.jsonl: last line", "summary.json", "suite.json")
    return Answer("In part", f"{_spent(facts)} {rest}", where)


def _details(facts: Facts) -> Answer:
    made = (
        ", ".join(f"{name} {value}" for name, value in one.items()) for one in facts.provenances
    )
    why = (
        f"Versions and system: {'; '.join(made)}. Objective, constants, budget, seeds and options"
        " are recorded. Not recorded: processor, memory, accelerator."
    )
    return Answer("In part", why, facts.where("experiment.json"))


def _claims(facts: Facts) -> Answer:
    says = " ".join(facts.result.sentences[:1])
    why = f"{_YOURS} What the runs support: {says}" if says else _YOURS
    return Answer(UNKNOWN, why, facts.where("verdict.txt"))


def _limitations(facts: Facts) -> Answer:
    spaces = list(dict.fromkeys(one.objective.benchmark.space.name for one in facts.comparisons))
    n = plural(len(facts.comparisons), "problem")
    notes = facts.each(lambda one: one.objective.benchmark.banner)
    failed = [failure for one in facts.comparisons for failure in one.failures]
    sentences = [_YOURS, f"Limits that the runs show: {n} on the space {joined(spaces)}.", notes]
    if failed:
        sentences.append(f"{plural(len(failed), 'run')} failed.")
    where = facts.where("verdict.txt", "report.html")
    return Answer(UNKNOWN, " ".join(filter(None, sentences)), where)


def _reproducible(facts: Facts) -> Answer:
    lacking = []
    if outside := facts.of_origin("bridge", *_ELSEWHERE):
        lacking.append(f"code or version of {joined(outside)}")
    if reading := sorted(
        {name for one in facts.comparisons for name in one.description.get("files") or {}}
    ):
        lacking.append(f"files that {joined(reading)} read (their sha256 is)")
    if any(_origin(one) == "own" for one in facts.comparisons):
        lacking.append("the training code")
    if any(one.description.get("order") == "finished" for one in facts.comparisons):
        lacking.append("the order in which trainings finished, by which the runs went")
    if len(facts.provenances) > 1:
        lacking.append("which version made which run")
    code = f", and the code of {joined(list(facts.own))}" if facts.own else ""
    why = (
        "Seeds, objective with its constants, budget, options, versions and every trial are"
        f" recorded{code}."
    )
    if lacking:
        why += f" Not in the folder: {joined(lacking)}."
    where = facts.where("experiment.json", "runs/*.jsonl", "sources")
    return Answer("In part" if lacking else "Yes", why, where)


def _access(facts: Facts) -> Answer:
    why = (
        "Addresses of the data are in the data statement beside this list. Whether this folder, and"
        " code of the user's, are published is not known."
    )
    return Answer("In part", why, facts.where("experiment.json: benchmark, sources"))


def _setting(facts: Facts) -> Answer:
    why = (
        "Splits, constants, budgets and conventions are in the results beside this list."
        f" {_withheld(facts)} How hyperparameters of the strategies were found is not known."
    )
    return Answer("In part", why, facts.where("experiment.json", "report.html"))


def _significance(facts: Facts) -> Answer:
    where = facts.where("verdict.txt", "summary.json: tests", "suite.json: tests")
    if not facts.has_spread:
        return Answer("No", "A strategy has one run, so there is no interval and no test.", where)
    sentences = ["Intervals: 95 %, percentile bootstrap of the mean over runs."]
    if len(facts.labels) > 1:
        sentences.append(
            "Test: exact signed-rank test of paired runs under random signs,"
            f" {100 * LEVEL:g} % for all rivals together."
        )
    sentences.append("They are about other search seeds on these problems.")
    return Answer("Yes", " ".join(sentences), where)


def _resources(facts: Facts) -> Answer:
    why = f"{_spent(facts)} Not recorded: processor, memory, accelerator, how many worked at once."
    return Answer(
        "In part", why, facts.where("runs/*.jsonl: last line", "experiment.json: provenance")
    )


def _licences(facts: Facts) -> Answer:
    stated = {one.title: one.objective.benchmark.licence for one in facts.comparisons}
    told = "; ".join(f"{name}: {licence or 'unknown'}" for name, licence in stated.items())
    lacks = any(
        not licence or licence.startswith(_UNSTATED) or "none stated" in licence
        for licence in stated.values()
    )
    why = f"{told}; surrogate_nas: MIT. Papers to cite are in references.bib."
    return Answer("In part" if lacks else "Yes", why, facts.where("experiment.json: benchmark"))


def _assets(facts: Facts) -> Answer:
    if not facts.own:
        return Answer(UNKNOWN, "The folder holds results, and no code of the user's.")
    why = f"Code of {joined(list(facts.own))} is in the folder. How it is documented is not known."
    return Answer(UNKNOWN, why, facts.where("sources"))


def _language_models(facts: Facts) -> Answer:
    asked = facts.of_origin("own", *_ELSEWHERE)
    where = facts.where("experiment.json: strategies")
    if asked:
        why = f"Whether {joined(asked)} asks a language model is not told."
        return Answer(UNKNOWN, why, where)
    return Answer("Does not apply", "No strategy here asks a language model.", where)


def _paper(_: Facts) -> Answer:
    return Answer(UNKNOWN, _YOURS)


_Question = tuple[str, str, Callable[[Facts], Answer]]
_PRACTICES: tuple[_Question, ...] = (
    ("Training code", "Is the code that trains architectures available?", _training_code),
    ("Method code", "Is the code of the search methods available?", _method_code),
    ("Code as it is", "Is code published as it ran, cleaned up or not?", _code_as_it_ran),
    (
        "Same benchmark",
        "Do methods share dataset, split, space and training code, not the dataset alone?",
        _same_benchmark,
    ),
    ("Ablation", "Is the part of each component of a method measured?", _ablation),
    ("Same protocol", "Is what each method returns evaluated alike?", _same_protocol),
    ("Performance over resources", "Is performance told along the resources spent?", _over_time),
    ("Random baselines", "Are random sampling and random search compared with?", _random),
    ("Several runs", "Are there several runs, and are their seeds told?", _runs),
    ("Tabular or surrogate", "Are tabular or surrogate benchmarks used?", _tabular),
    ("Confounders", "Are hardware, runtimes and library versions the same for all?", _confounders),
    ("Tuning", "Is told how hyperparameters of the methods were found?", _tuning),
    ("End-to-end resources", "Are the resources of the whole method told?", _end_to_end),
    ("Details", "Are all details of the setup told?", _details),
)
"""Of [LH], by number."""
_NEURIPS: tuple[_Question, ...] = (
    ("Claims", "Do abstract and introduction claim what the paper shows?", _claims),
    ("Limitations", "Does the paper discuss its limitations?", _limitations),
    ("Theory", "Has every theoretical result its assumptions and a proof?", _paper),
    ("Reproducibility", "Is told what it takes to repeat the main results?", _reproducible),
    ("Open access", "Are data and code open, with instructions?", _access),
    ("Setting", "Are splits, hyperparameters and their choice told?", _setting),
    ("Significance", "Are error bars or tests given, and what they are about?", _significance),
    ("Compute", "Are the resources of each experiment told?", _resources),
    ("Ethics", "Does the research keep the code of ethics?", _paper),
    ("Impact", "Are good and bad effects on society discussed?", _paper),
    ("Safeguards", "Is what could be misused released with safeguards?", _paper),
    ("Licences", "Are makers of used assets credited, and licences named and kept?", _licences),
    ("New assets", "Are new assets documented?", _assets),
    ("Crowdsourcing", "Are instructions to people and their pay told?", _paper),
    ("Review board", "Are risks to people told, and approvals obtained?", _paper),
    ("Language models", "Is their use told where the method rests on it?", _language_models),
)
"""Of [N], by number."""


def best_practices(facts: Facts) -> list[Item]:
    """The 14 practices of [LH], answered.

    Args:
        facts: Of a result with a finished run.
    """
    return _answered(_PRACTICES, facts)


def neurips(facts: Facts) -> list[Item]:
    """The 16 questions of [N], answered.

    Args:
        facts: Of a result with a finished run.
    """
    return _answered(_NEURIPS, facts)


def _answered(questions: Iterable[_Question], facts: Facts) -> list[Item]:
    return [
        Item(number, title, question, answer(facts))
        for number, (title, question, answer) in enumerate(questions, 1)
    ]
