"""What the project's texts name is there, and what they show works as shown."""

import doctest
import importlib
import json
import re
import shlex
import tomllib

import pytest
import typer

import surrogate_nas as sn
from surrogate_nas.cli.app import app
from surrogate_nas.contract import check
from surrogate_nas.contract.checks import TinySpace
from surrogate_nas.strategies import DEFAULTS, ONE_SHOT, STRATEGIES
from surrogate_nas.surrogates import MODELS
from tests.documents import (
    TOP,
    anchors,
    blocks,
    links,
    prose,
    read,
    sections,
    shell,
    spans,
    texts,
)
from tests.rooms import MODULES, ROOMS

COMMANDS = typer.main.get_command(app)
COMMANDS.commands = {
    name: COMMANDS.get_command(None, name) for name in COMMANDS.commands
}
TARGETS = [
    name.replace("%", "[a-z0-9-]+")
    for name in re.findall(r"^([a-z0-9%-]+):", read("Makefile"), re.M)
]
TEXTS = [pytest.param(path, id=str(path.relative_to(TOP))) for path in texts()]
README = read("README.md")
GUIDE = sorted((TOP / "analysis" / "guide").glob("*.md"))
RECIPES = TOP / "analysis" / "guide" / "recipes.md"
USER_TEXTS = [
    one for one in TEXTS if one.id != "CHANGELOG.md"
]  # which also says what once was


def command(words):
    """The command that words name, and the words behind it."""
    found = COMMANDS
    rest = words
    while rest and rest[0] in getattr(found, "commands", ()):
        found = found.commands[rest[0]]
        rest = rest[1:]
    return found, rest


@pytest.fixture(params=USER_TEXTS)
def text(request):
    """Of a document that says what is."""
    return str(request.param.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", TEXTS)
def test_every_link_and_picture_leads_somewhere(path):
    for link in links(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, heading = link.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists() and TOP in (place, *place.parents), link
        assert not heading or heading in anchors(place.read_text(encoding="utf-8")), (
            link
        )


def test_every_target_and_script_that_is_named_exists(text):
    named = [*spans(text), *shell(text)]
    targets = {
        one.split()[1] for one in named if re.match(r"make [a-z0-9-]+(?!\S)", one)
    }
    assert [
        one
        for one in targets
        if not any(re.fullmatch(target, one) for target in TARGETS)
    ] == []
    for one in named:
        for script in re.findall(
            r"\b(?:analysis|tests|surrogate_nas|data)/[\w./-]*\w\.(?:py|md|json|h5)\b",
            one,
        ):
            assert (TOP / script).exists(), script


def test_every_command_line_that_is_shown_is_understood(text):
    for line in shell(text):
        if line.startswith("snas "):
            found, rest = command(shlex.split(line)[1:])
            assert not hasattr(found, "commands"), line
            found.make_context(found.name, rest)


def test_every_command_that_is_named_has_the_options_named_with_it(text):
    for code in spans(text):
        if code.startswith("snas ") and not re.match(r"snas [^a-z-]", code):
            for variant in code.split()[1].split("|"):
                found, rest = command([variant, *code.split()[2:]])
                assert found is not COMMANDS or rest[0].startswith("--"), code
                options = {
                    option for parameter in found.params for option in parameter.opts
                } | {"--help"}
                assert {
                    word for word in rest if re.fullmatch(r"--[a-z-]+", word)
                } <= options, code


def test_every_extra_that_is_named_can_be_installed(text):
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]
    for named in re.findall(r"pip install '(?:surrogate[-_]nas|\.)\[([\w,]+)\]'", text):
        assert set(named.split(",")) <= set(extras), named


def test_every_measured_section_names_a_command_or_a_day():
    for title, text in sections(read("analysis/README.md")):
        claims = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)", "", text)
        if re.search(r"(?<![\w-])\d", claims):
            assert re.search(
                r"`make [a-z]|analysis/\w+\.py|`snas [a-z]|[Mm]easured on \d+ \w+ \d{4}",
                text,
            ), title


def test_the_contents_name_every_section():
    text = read("analysis/README.md")
    assert anchors(text.partition("\n## ")[2]) <= {
        link[1:] for link in links(text) if link.startswith("#")
    }


def test_every_page_of_the_guide_begins_with_what_one_wants():
    for page in GUIDE:
        if page.name == "README.md":
            continue
        text = page.read_text(encoding="utf-8")
        if page.name not in ("glossary.md", "trouble.md"):
            assert re.match(r"# [^\n]+\n\nYou want ", text), page
        assert words(text) <= 1000, page


def test_the_guide_names_the_rooms_in_their_order():
    (text,) = [
        text
        for title, text in sections(read("analysis/guide/built.md"))
        if title == "How it is built"
    ]
    assert [name for name in spans(text) if "/" not in name] == [
        room for room in ROOMS if room not in MODULES
    ]


def test_every_picture_is_shown():
    shown = {
        (path.parent / link).resolve()
        for path in texts()
        for link in links(path.read_text(encoding="utf-8"))
    }
    assert set((TOP / "data" / "pictures").iterdir()) <= shown


def test_the_text_for_language_models_keeps_its_convention():
    """A title, a summary as a quotation, then sections that are lists of links, each with a note:
    llmstxt.org.
    """
    text = read("llms.txt")
    assert re.match(r"# \w+\n\n> ", text) and len(re.findall(r"^# ", text, re.M)) == 1
    listed = text.partition("\n## ")[2]
    lines = [
        line for line in listed.splitlines()[1:] if line and not line.startswith("## ")
    ]
    assert lines and all(
        re.fullmatch(r"- \[[^\]]+\]\([^)]+\): .+", line) for line in lines
    )


def test_the_text_for_language_models_names_every_page_of_the_guide():
    rows = re.findall(
        r"^\| (.+) \| \[(.+)\]\((.+)\) \|$", read("analysis/guide/README.md"), re.M
    )
    lines = read("llms.txt").splitlines()
    assert all(
        f"- [{title}](analysis/guide/{page}): {want}" in lines
        for want, title, page in rows
    )
    pages = {path.name for path in (TOP / "analysis" / "guide").iterdir()}
    assert {page for *_, page in rows} == pages - {"README.md"}


def test_every_block_of_code_says_its_language():
    for path in texts():
        text = path.read_text(encoding="utf-8")
        assert text.count("\n```") == 2 * sum(
            len(blocks(text, kind))
            for kind in ("sh", "python", "toml", "json", "bibtex")
        )
        assert "```" not in prose(text), path


# Claims that once were wrong


def leaves(found, *words):
    """Every command that is no group, with its words."""
    inner = getattr(found, "commands", {})
    for name, one in inner.items():
        yield from leaves(one, *words, name)
    if not inner:
        yield " ".join(words), found


def test_every_command_has_examples_and_all_but_play_take_json():
    commands = dict(leaves(COMMANDS))
    assert all("Example" in one.help for one in commands.values())
    silent = {
        name
        for name, one in commands.items()
        if not any("--json" in parameter.opts for parameter in one.params)
    }
    assert silent == {"play"}
    for name in ("README.md", "analysis/guide/README.md", "llms.txt"):
        assert re.search(r"`play`", read(name)), name


def test_the_options_name_what_is_there():
    suite, _ = command(["suite"])
    fit, _ = command(["fit"])
    helps = {
        parameter.name: parameter.help
        for one in (suite, fit)
        for parameter in one.params
    }
    assert f"elsewhere {', '.join(DEFAULTS)}." in helps["strategies"]
    assert {*MODELS} <= {*re.findall(r"\w+", helps["model"])}


def test_sizes_and_counts_are_the_same_wherever_they_stand():
    measured = read("analysis/README.md")
    catalogued = len(json.loads(read("data/catalogue.json")))
    assert f"({catalogued} are catalogued now)" in measured
    (size,) = re.findall(r"then `make setup` .*\| ([\d.]+ GB) \|", measured)
    assert f"({size}, or 6 where" in README and f"'{size} on disk," in read("Makefile")
    starter = tomllib.loads(read("surrogate_nas/runs/suites/starter.toml"))
    strategies = len(starter["strategies"])
    assert (
        f"compares {('six', 'seven', 'eight')[strategies - 6]} strategies" in measured
    )


def test_nothing_is_installed_by_name_from_an_index_that_lacks_it(text):
    assert not re.search(r"pip install '?surrogate[-_]nas", text)


def test_no_line_is_left_out_by_the_formatter():
    excepted = re.compile(r"#\s*fmt:")
    code = [
        path
        for room in ("surrogate_nas", "analysis")
        for path in (TOP / room).rglob("*.py")
    ]
    assert not [
        path for path in code if excepted.search(path.read_text(encoding="utf-8"))
    ]


# What is shown works as shown


def test_the_strategy_in_the_readme_is_ten_lines_and_keeps_the_contract(tmp_path):
    code = next(block for block in blocks(README, "python") if "sn.Strategy" in block)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    file = tmp_path / "greedy.py"
    file.write_text(code)
    assert [
        check for check in check(f"{file}:Greedy", TinySpace()) if not check.passed
    ] == []


def words(text):
    """The number of words of prose, tables apart."""
    lines = [line for line in prose(text).splitlines() if not line.startswith("|")]
    shown = re.sub(r"\]\([^)]*\)", "]", "\n".join(lines))
    return len(re.findall(r"\w+(?:['’-]\w+)*", shown))


def test_the_readme_has_at_most_700_words():
    assert words(README) <= 700


WANTED = """
    installing.md#installing README.md#quick-start strategy.md#a-strategy-of-your-own
    own-training.md#a-training-of-your-own table.md#import-a-csv-file space.md#a-space-of-your-own
    losses.md#losses hardware.md#hardware exports.md#exports results.md#reading-results
    slurm.md#slurm parallel.md#one-search-faster papers.md#papers
    verdict.md#how-the-verdict-decides verdict.md#regret
""".split()
"""What a newcomer looks for, also results in pandas and MLflow."""


def test_a_newcomer_finds_everything_in_two_clicks():
    reached = {TOP / "README.md"}
    for _ in range(2):
        pages = [path for path in reached if path.suffix == ".md"]
        reached |= {
            (path.parent / link.partition("#")[0]).resolve()
            for path in pages
            for link in links(path.read_text(encoding="utf-8"))
            if not re.match(r"\w+:|#", link)
        }
    for wanted in WANTED:
        name, _, anchor = wanted.partition("#")
        page = TOP / name if name == "README.md" else TOP / "analysis/guide" / name
        assert page in reached, wanted
        assert anchor in anchors(page.read_text(encoding="utf-8")), wanted


def test_the_objective_in_the_readme_is_searched():
    code = next(block for block in blocks(README, "python") if "sn.Objective" in block)
    named = {"sn": sn}
    exec(code.replace("budget=100", "budget=20"), named)
    assert len(named["run"].trials) == 20 and any(
        trial.feasible for trial in named["run"].trials
    )


@pytest.mark.parametrize(
    "page",
    [page for page in GUIDE if page != RECIPES and blocks(page.read_text(), "python")],
    ids=lambda page: page.stem,
)
@pytest.mark.usefixtures("fetched")
def test_the_code_of_a_page_of_the_guide_runs_from_top_to_bottom(page):
    named = {"print": lambda *_: None, "__name__": "page"}
    for code in blocks(page.read_text(encoding="utf-8"), "python"):
        if (
            "optuna.create_study" not in code
        ):  # tests/strategies/test_bridges.py has that one
            exec(code, named)
    if "run" in named:
        assert any(trial.feasible for trial in named["run"].trials)
    if "loop" in named:
        assert len(named["loop"].trials) == 50


@pytest.mark.parametrize("code", blocks(RECIPES.read_text(), "python"))
def test_a_recipe_runs_alone_and_has_at_most_15_lines(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    exec(code, {"__name__": "recipe"})


@pytest.fixture
def scripts(monkeypatch):
    """The scripts of analysis/, which import each other by their bare names."""
    monkeypatch.syspath_prepend(str(TOP / "analysis"))
    return importlib.import_module


def test_the_table_of_strategies_is_that_of_their_flags(scripts):
    abilities = scripts("abilities")
    marked = scripts("marked")
    cost = json.loads(abilities.FIGURES.read_text())["ms_a_step"]
    assert set(cost) == set(STRATEGIES)
    guide = TOP / "analysis" / "guide" / "strategies.md"
    assert marked.held(guide, "analysis/abilities.py") == abilities.table(cost)
    assert all(
        f"`{name}`" in abilities.table(cost) for name in (*STRATEGIES, *ONE_SHOT)
    )
    exports = TOP / "analysis" / "guide" / "exports.md"
    assert marked.held(exports, "analysis/abilities.py") == abilities.exports()


def test_the_intervals_of_families_are_those_of_the_archive(scripts):
    families = scripts("families")
    shown = scripts("marked").held(
        TOP / "analysis" / "families.md", "analysis/families.py"
    )
    assert shown == families.table() and shown.count("\n") == 17
    assert families.mean([0.1, 0.2, 0.3]) == ".20 [−.05, .45]"


def test_the_tables_of_data_are_those_of_the_sources(scripts):
    data_tables = scripts("data_tables")
    marked = scripts("marked")
    lists = {"README.md": ("sources", "files"), "losses.md": ("losses", "data")}
    for page, names in lists.items():
        for name in names:
            shown = marked.held(TOP / "data" / page, f"analysis/data_tables.py: {name}")
            assert shown == getattr(data_tables, name)()


def test_every_line_of_the_page_of_methods_gives_what_it_says():
    """The blocks share their names; a comment behind a line is no part of what it prints."""
    runner = doctest.DocTestRunner(verbose=False)
    named = {}
    said = []
    for number, code in enumerate(blocks(read("analysis/methods.md"), "python")):
        test = doctest.DocTestParser().get_doctest(
            code, named, f"block {number}", "analysis/methods.md", 0
        )
        assert test.examples
        runner.run(test, out=said.append, clear_globs=False)
        named = test.globs
    assert not said, "".join(said)
