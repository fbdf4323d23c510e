"""What machines elsewhere read: workflows, and the container to develop in."""

import json
import tomllib

import pytest
import yaml

from surrogate_nas.version import __version__
from tests.documents import TOP, read

WORKFLOWS = sorted((TOP / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_gives_no_right_to_all_of_its_jobs_and_ends(path):
    flow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert flow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 60 for job in flow["jobs"].values())


def test_a_release_is_tried_before_it_is_published_without_a_token():
    flow = yaml.safe_load(read(".github/workflows/release.yml"))
    assert flow[True] == {"push": {"tags": ["v*"]}}, "YAML reads on as true"
    build, publish = flow["jobs"]["build"], flow["jobs"]["publish"]
    commands = [step.get("run", "") for step in build["steps"]]
    (script,) = [line.split()[1] for line in commands if line.startswith("python")]
    assert (TOP / script).is_file()
    named = f"surrogate_nas-{__version__}-py3-none-any.whl"
    assert any(
        named.replace(__version__, "${GITHUB_REF_NAME#v}") in line for line in commands
    )
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["steps"][-1] == {"uses": "pypa/gh-action-pypi-publish@release/v1"}


def test_the_container_is_set_up_by_make_with_a_python_that_is_supported():
    container = json.loads(read(".devcontainer/devcontainer.json"))
    assert container["postCreateCommand"] == "make setup"
    version = container["image"].rpartition(":")[2]
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_the_distribution_is_a_command_beside_snas():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    commands = project["scripts"]
    assert commands["snas"] == commands[project["name"].replace("_", "-")]
