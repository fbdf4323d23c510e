"""``snas play`` over pipes and as a server of the Model Context Protocol, with what a client may do
wrong.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from surrogate_nas.cli.play import mcp_server, serve_lines
from surrogate_nas.results.play import Play

ASKED = "valid_loss + 0.1*params"
TOOLS = ["describe", "evaluate", "finish", "history", "neighbours", "query", "sample"]


def run_apart(agent):
    """Run a coroutine in a thread: a browser of other tests keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, agent).result()


def spoken(play, content, tmp_path):
    out = io.BytesIO()
    (tmp_path / "said").write_bytes(content)
    with open(tmp_path / "said", "rb", buffering=0) as source:
        serve_lines(play, source, out, 60.0)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_line_is_answered_by_one(tmp_path):
    said = [
        b"",
        b"not json",
        b'{"sample": 1',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"evaluate": ["|conv~0|"]}',
        b'{"evaluate": ["' + b"x" * 2**21 + b'"]}',
        b'{"sample": 2}',
        b'{"finish": true}',
        b'{"sample": 2}',
    ]
    with Play("fashion", ASKED, budget=12) as play:
        replies = spoken(play, b"\n".join(said) + b"\n", tmp_path)
    assert len(replies) == 9, "nothing is answered after the end"
    assert all("error" in reply for reply in replies[:7])
    assert "at most 1,048,576 bytes" in replies[6]["error"]
    assert len(replies[7]["cells"]) == 2 and replies[8]["evaluations"] == 10


def test_a_client_that_reads_no_more_has_left(tmp_path):
    class Gone(io.BytesIO):
        def flush(self):
            raise BrokenPipeError

    (tmp_path / "said").write_bytes(2 * b'{"sample": 1}\n')
    source = open(tmp_path / "said", "rb", buffering=0)
    with source, Play("fashion", ASKED, budget=12) as play:
        serve_lines(play, source, Gone(), 60.0)
    assert play.run is None and play.evaluations == 10


def test_the_tools_of_the_model_context_protocol_are_the_operations(tmp_path):
    async def agent(play):
        async with Client(mcp_server(play)) as client:
            assert (
                sorted(tool.name for tool in (await client.list_tools()).tools) == TOOLS
            )

            async def call(name: str, **given: Any) -> Any:
                result = await client.call_tool(name, given)
                return (
                    result.content[0].text
                    if result.is_error
                    else result.structured_content
                )

            described = await call("describe")
            cells = (await call("sample", n=2))["cells"]
            assert (await call("query", cells=cells))["cells"][0]["feasible"] is True
            near = (await call("neighbours", cell=cells[0]))["cells"]
            first = await call("evaluate", cells=near[:2], usage={"tokens": 7})
            early = await call("evaluate", cells=[{"cell": near[2], "epochs": 1}])
            wrong = await call("evaluate", cells=["no cell"])
            after = await call("history")
            return [described, first, early, wrong, after, await call("finish")]

    with Play("fashion", ASKED, budget=20, folder=tmp_path) as play:
        described, first, early, wrong, after, finished = run_apart(agent(play))
    assert described["problem"]["expression"] == "valid_loss[5] + 0.1*params"
    assert len(first["trials"]) == 2 and early["trials"][0]["epochs"] == 1
    assert "Malformed cell" in wrong and "Traceback" not in wrong
    assert len(after["trials"]) == 13 and finished["evaluations"] == 13
    assert play.run is not None and play.run.diagnosis["usage"] == {"tokens": 7.0}


def command(*more):
    asked = ["play", "fashion", "--objective", ASKED, "--budget", "13"]
    return [sys.executable, "-m", "surrogate_nas", *asked, *more]


def run(words, said):
    return subprocess.run(
        words, input=said, capture_output=True, text=True, check=False, timeout=600
    )


def test_a_dropped_connection_is_a_line_and_the_same_command_goes_on(tmp_path, snas):
    words = command("--out", str(tmp_path / "out"))
    one = (
        '{"evaluate": [{"cell": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"}]}\n'
    )
    left = run(words, one)
    assert left.returncode == 2 and len(left.stdout.splitlines()) == 1
    assert "The optimiser left after 11 evaluations. Repeat the command" in left.stderr
    done = run(words, '{"history": 1}\n' + 2 * one)
    assert done.returncode == 0, done.stderr
    history, _, last = map(json.loads, done.stdout.splitlines())
    assert history["left"] == {"cells": 2} and "over after 13" in last["over"]
    assert (
        snas("report", tmp_path / "out", "--json").json["strategies"][0]["evaluations"]
        == 13
    )


@pytest.mark.slow
def test_a_silent_client_a_second_one_and_a_client_of_the_protocol(tmp_path):
    words = command("--out", str(tmp_path / "out"))
    first = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdin is not None and first.stdout is not None
    first.stdin.write(b'{"sample": 1}\n')
    first.stdin.flush()
    assert b"cells" in first.stdout.readline()
    second = run(words, "")
    assert second.returncode == 2 and "is writing" in second.stderr
    first.communicate()
    silent = subprocess.Popen(
        [*words, "--patience", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert silent.wait(600) == 2
    assert silent.stderr is not None
    assert b"sent no message for 1 s after" in silent.stderr.read()
    silent.communicate()

    async def agent():
        server = StdioServerParameters(
            command=words[0], args=[*words[1:], "--mcp"], env={**os.environ}
        )
        async with Client(server) as client:
            for _ in range(3):
                cells = await client.call_tool("sample", {"n": 1})
                answer = await client.call_tool("evaluate", cells.structured_content)
            return answer.structured_content

    assert "over after 13" in run_apart(agent())["over"]


BAD = """
--patience 0: --patience must be
--name 'a b': The name of an external optimiser
--objective test_error: is a final metric
"""


@pytest.mark.parametrize("line", BAD.strip().splitlines())
def test_bad_input_is_one_line(line, snas, tmp_path):
    more, _, says = line.partition(": ")
    made = snas(f"play fashion --budget 12 {more} --out", tmp_path / "out")
    assert made.code == 2 and "Traceback" not in made.err
    assert says in " ".join(made.err.split())
