"""`snas serve`: the progress of runs is shown, nothing is disturbed, and nothing but results is
shown.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest

import surrogate_nas as sn
from surrogate_nas.files import holder, locked
from surrogate_nas.report.live import Server
from surrogate_nas.runs.problem import Entry, Problem, Suite
from surrogate_nas.runs.store import Store
from tests.gated import Gated
from tests.runs.delayed import Delayed

COMMAND = [sys.executable, "-c", "from surrogate_nas.cli import main; main()"]
OBJECTIVE = "valid_error + 0.1*params"


class Answer(NamedTuple):
    status: int
    headers: Message
    text: str


def ask(server, path="/", *, method="GET", hosts=None, cookie=None):
    """Ask for exactly this path, as no browser would; by default with the cookie of one that knows
    the token.
    """
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.server_port, timeout=600
    )
    connection.putrequest(method, path, skip_host=True)
    for host in [f"127.0.0.1:{server.server_port}"] if hosts is None else hosts:
        connection.putheader("Host", host)
    connection.putheader("Cookie", server.cookie if cookie is None else cookie)
    connection.endheaders()
    said = connection.getresponse()
    answer = Answer(said.status, said.headers, said.read().decode())
    connection.close()
    return answer


def rows(page):
    """The texts of the cells of a page's tables, row by row."""
    table = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in page.split("<tr>")
    ]
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in table if row
    ]


def section(page, title):
    """A section of a page, or nothing."""
    found = re.search(rf"<section><h2[^>]*>{title}</h2>(.*?)</section>", page, re.S)
    return found[1] if found else ""


@pytest.fixture(scope="module")
def made(tmp_path_factory, analog):
    """A folder of results with one finished comparison, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    sn.compare(
        analog, ["random", "evolution"], runs=3, budget=15, folder=folder / "one"
    )
    return folder


@pytest.fixture
def results(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "results"))


@pytest.fixture
def server(results):
    with Server(results, 0) as server:
        server.in_background()
        yield server
        server.shutdown()


@pytest.mark.slow
def test_a_page_grows_while_another_process_makes_runs(tmp_path, tab):
    gated = Gated(tmp_path)
    tab.set_default_timeout(180_000)
    with Server(tmp_path, 0) as server:
        server.in_background()
        tab.goto(server.address)
        assert "No results yet" in tab.inner_text("main")
        tab.wait_for_function("!location.search")
        process = gated.start("serving")
        gated.arrived(2)
        tab.click("a:text-is('out')")
        tab.wait_for_selector("text=/[0-2] of 4 runs done/")
        before = (tmp_path / "out" / "runs").stat().st_mtime_ns
        assert f"Process {process.pid} on " in tab.inner_text("main")
        assert (tmp_path / "out" / "runs").stat().st_mtime_ns == before
        gated.open()
        tab.wait_for_selector("text=4 of 4 runs done")
        process.communicate(timeout=120)
        assert process.returncode == 0
        tab.wait_for_selector("text=All runs have ended.")
        curves = tab.locator(
            "figure svg.desk path[fill=none][stroke-width='2'][stroke^='var(--c']"
        )
        assert curves.count() == 2
        tab.click("a:text-is('report')")
        tab.wait_for_selector("text=Would it hold")
        tab.click("text=Explore the cells")
        tab.wait_for_selector("body[data-ready=all]", state="attached")
        server.shutdown()


@pytest.mark.slow
def test_a_page_that_changes_keeps_the_reader_s_place(server, results, tab):
    # whose console may tell of a server that does not answer
    tab = tab.context.new_page()
    tab.set_viewport_size({"width": 390, "height": 400})
    tab.goto(
        f"{server.address.partition('?')[0]}one/?{server.address.partition('?')[2]}"
    )
    moved = "document.querySelector('.scroll').scrollLeft = 40; scrollTo(0, 150)"
    tab.evaluate(moved)
    file = results / "one" / "runs" / "random-1.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:5]))
    tab.wait_for_selector("text=5 of 6 runs done", timeout=60_000)
    kept = tab.evaluate("[document.querySelector('.scroll').scrollLeft, scrollY]")
    assert kept == [40, 150]
    server.shutdown()
    server.server_close()
    tab.wait_for_selector("body[data-problem*='does not respond']", timeout=60_000)


def test_progress_is_shown_in_numbers(server):
    page = ask(server, "/one/").text
    runs = [Store(server.folder / "one").watch("random", number) for number in range(3)]
    best = sorted(run.best[-1] for run in runs)
    random, evolution = rows(page)
    assert random == [
        "random",
        "3",
        "0",
        "0",
        "0",
        "45",
        f"{best[0]:.5f}",
        f"{best[1]:.5f}",
    ]
    assert evolution[:6] == ["evolution", "3", "0", "0", "0", "45"]
    assert (
        "All runs have ended." in page
        and "6 of 6 runs done" in page
        and "<svg class" in page
    )
    assert ask(server, "/one/").text == page
    moved = ask(server, "/one")
    assert moved.status == 301 and moved.headers["Location"] == "/one/"


def test_damage_is_told_and_the_rest_is_shown(server, results):
    file = results / "one" / "runs" / "random-1.jsonl"
    file.write_bytes(
        file.read_bytes().replace(b'"feasible": true', b'"feasible": false', 1)
    )
    page = ask(server, "/one/").text
    assert "5 of 6 runs done, 1 failed" in page
    assert (
        "runs/random-1.jsonl is damaged: line 1 is not as it was written. Delete it"
        in page
    )
    (results / "one" / "experiment.json").write_text('{"version": 2, "<b>')
    assert "is damaged: it is not JSON" in ask(server, "/one/").text
    assert "0 of 0" in ask(server, "/").text
    shutil.rmtree(results / "one")
    assert (
        ask(server, "/one/").status == 404 and "No results yet" in ask(server, "/").text
    )


def test_failures_and_interrupted_runs_are_told(tmp_path, analog):
    file = tmp_path / "breaks.py"
    file.write_text(
        "import surrogate_nas as sn\nclass Breaks(sn.Strategy):\n def ask(self, n): raise"
        " ValueError('<i>no</i>')\n def tell(self, trials): pass\n"
    )
    sn.compare(
        analog, ["random", f"{file}:Breaks"], runs=2, budget=12, folder=tmp_path / "out"
    )
    run = tmp_path / "out" / "runs" / "random-1.jsonl"
    run.write_bytes(b"".join(run.read_bytes().splitlines(keepends=True)[:5]))
    with Server(tmp_path / "out", 0) as server:
        server.in_background()
        page = ask(server).text
        assert [row[1:5] for row in rows(page)] == [
            ["1", "0", "0", "1"],
            ["0", "0", "2", "0"],
        ]
        assert (
            "No process is running, and 1 run did not end. Repeat the command." in page
        )
        assert "&lt;i&gt;no&lt;/i&gt;" in page and "<i>no" not in page
        trace = next((tmp_path / "out" / "failures").iterdir())
        assert "ValueError" in ask(server, f"/failures/{trace.name}").text
        server.shutdown()


def test_a_suite_counts_the_runs_of_each_problem(tmp_path):
    problems = [
        Problem("analog-cifar10", name="one", budget=12),
        Problem("fashion", "valid_loss, params", name="two", budget=11),
    ]
    suite = Suite(
        "s", "A <title>", problems, [Entry("random", 3), Entry("evolution", 1)]
    )
    sn.run_suite(suite, folder=tmp_path)
    with Server(tmp_path, 0) as server:
        server.in_background()
        page = ask(server).text
        assert [row[:2] for row in rows(page)] == [
            ["one", "4 of 4 runs done"],
            ["two", "4 of 4 runs done"],
        ]
        assert "8 of 8 runs done" in page
        assert 'href="problems/one/"' in page
        assert "4 of 4 runs done" in ask(server, "/problems/one/").text
        several = ask(server, "/problems/two/").text
        assert "4 of 4 runs done" in several and not section(several, "So far")
        server.shutdown()


def test_only_this_machine_s_own_names_are_answered(server):
    port = server.server_port
    assert server.server_address[0] == "127.0.0.1"
    ours = f"127.0.0.1:{port}"
    for host in (f"localhost:{port}", ours, f"LOCALHOST:{port}"):
        assert ask(server, hosts=[host]).status == 200
    for hosts in (
        ["evil.example"],
        [f"evil.example:{port}"],
        ["127.0.0.1"],
        [f"127.0.0.1:{port}.a"],
        [],
        [ours, "evil.example"],
        [ours, ours],
    ):
        answer = ask(server, hosts=hosts)
        assert answer.status == 421 and "results" not in answer.text.lower(), hosts
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, method=method).status == 501
    head = ask(server, method="HEAD")
    assert (
        head.status == 200
        and not head.text
        and int(head.headers["Content-Length"]) > 1000
    )
    for path in ("/", "/one/", "/nothing"):
        headers = ask(server, path).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_nothing_outside_is_served(server, results):
    (results.parent / "secret.html").write_text("secret")
    (results / "one" / "report.html").write_text("<p>fine</p>")
    (results / "one" / "out.html").symlink_to(results.parent / "secret.html")
    (results / "one" / "in.html").symlink_to(results / "one" / "report.html")
    (results / "outside").symlink_to(results.parent)
    (results / "one" / ".hidden.html").write_text("hidden")
    os.mkfifo(results / "one" / "pipe.html")
    report = ask(server, "/one/report.html")
    assert report.text == ask(server, "/one/in.html").text == "<p>fine</p>"
    assert "sandbox" in report.headers["Content-Security-Policy"]
    for path in (
        "/../secret.html",
        "/one/../../secret.html",
        "/%2e%2e/secret.html",
        "/..%2fsecret.html",
        f"/{results.parent}/secret.html",
        "/one/out.html",
        "/outside/secret.html",
        "/outside/",
        "/one/.hidden.html",
        "/one/.lock",
        "/one/pipe.html",
        "/one/runs/",
        "/one/runs/random-0.jsonl",
        "/one/report.html%00.png",
        "/one/%ff.html",
        "/one/report.html/",
        "/etc/passwd",
    ):
        answer = ask(server, path)
        assert answer.status == 404 and answer.text == "This page does not exist.\n", (
            path
        )
    assert "outside" not in ask(server).text


def test_nothing_is_shown_without_the_token(server, results):
    (results / "one" / "report.html").write_text("secret")
    token = server.token
    assert (
        token
        and server.address == f"http://127.0.0.1:{server.server_port}/?token={token}"
    )
    name = server.cookie.partition("=")[0]
    wrong = (
        "",
        f"{name}=",
        f"{name}={token.swapcase()}",
        f"{name}={token[:-1]}",
        f"{name}=\xe9",
    )
    for path in ("/", "/one/", "/one/report.html", "/none"):
        for cookie in wrong:
            answer = ask(server, path, cookie=cookie)
            assert answer.status == 403 and "Set-Cookie" not in answer.headers
            assert "secret" not in answer.text and token not in answer.text
        for query in ("?token=", "?token=x", f"?x={token}", f"?token={token}x"):
            assert ask(server, path + query, cookie="").status == 403
    first = ask(server, f"/one/?x=1&token={token}", cookie="")
    assert "6 of 6 runs done" in first.text and token not in first.text
    assert (
        first.headers["Set-Cookie"] == f"{name}={token}; Path=/; HttpOnly; SameSite=Lax"
    )
    for cookie in (
        f"other=1; {name}={token}",
        f"{name}=of another port; {name}={token}",
    ):
        assert ask(server, "/one/", cookie=cookie).status == 200


@pytest.mark.slow
def test_a_shown_file_reaches_its_neighbours_but_no_server(server, results, tab):
    (results / "one" / "report.html").write_text(
        "<title>waits</title><a href='explore.html'>explorer</a><script>fetch('/one/').then(() =>"
        " document.title = 'read', () => document.title = 'refused')</script>"
    )
    (results / "one" / "explore.html").write_text("explored")
    page = tab.context.new_page()
    page.goto(server.address)
    page.click("a:text-is('one')")
    page.click("a:text-is('report')")
    page.wait_for_function("document.title != 'waits'")
    assert page.title() == "refused"
    page.click("text=explorer")
    page.wait_for_selector("text=explored")


def test_to_ask_who_holds_a_lock_does_not_take_it(tmp_path):
    assert holder(tmp_path) is None
    wait = f"""
from pathlib import Path
from surrogate_nas.files import locked
with locked(Path({str(tmp_path)!r}), wait=False):
    print("held", flush=True)
    input()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", wait], stdin=-1, stdout=-1, stderr=-1, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    found = holder(tmp_path)
    assert found is not None and found.pid == child.pid
    with (
        pytest.raises(sn.UserError, match=f"process {child.pid} "),
        locked(tmp_path, wait=False),
    ):
        pass
    child.kill()
    child.communicate()
    assert (tmp_path / ".lock").exists() and holder(tmp_path) is None
    with locked(tmp_path):
        mine = holder(tmp_path)
        assert mine is not None and mine.pid == os.getpid()
        other = subprocess.run(
            [sys.executable, "-c", wait],
            capture_output=True,
            text=True,
            input="\n",
            timeout=600,
        )
        assert other.returncode and "is writing" in other.stderr


def heed_interrupts():
    """A shell that starts these tests in the background may ignore interrupts, and so do its
    children.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(results, snas):
    command = [*COMMAND, "serve", str(results), "--port", "0", "--json"]
    process = subprocess.Popen(
        command, stdout=-1, stderr=-1, text=True, preexec_fn=heed_interrupts
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["folder"] == str(results)
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=(.+)", told["address"])
    assert address is not None and address[2] == told["token"]
    port = int(address[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", f"/?token={told['token']}")
    assert b"6 of 6 runs done" in connection.getresponse().read()
    connection.close()
    taken = snas("serve", results, "--port", port)
    assert taken.code == 2
    assert taken.err == (
        f"snas: Port {port} of 127.0.0.1 cannot be opened: Address already in use. Choose another"
        " with --port, or 0 for any free port.\n"
    )
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=600)
    assert process.returncode == 0 and not rest and "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere is not a folder of results."),
        ([".", "--port", "70000"], "The port (0 for any free port) must be"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments, says, snas, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    outcome = snas("serve", *arguments)
    assert (
        outcome.code == 2 and says in outcome.err and len(outcome.err.splitlines()) == 1
    )


def test_a_failed_training_is_told_with_its_reason(tmp_path):
    cell = sn.search("fashion", "random", OBJECTIVE, budget=1).trials[0].cell.text
    bench = Delayed("fashion", trouble={cell: "broken"})
    sn.search(
        bench,
        "evolution",
        OBJECTIVE,
        budget=6,
        resources=sn.Resources(parallel=2),
        folder=tmp_path,
    )
    with Server(tmp_path, 0) as server:
        server.in_background()
        assert f"evolution, run 0: training {cell}: ValueError: no" in ask(server).text
        server.shutdown()
