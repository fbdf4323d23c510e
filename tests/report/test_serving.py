"""`snas serve`: what is being made is seen as it is made, nothing is disturbed, and nothing but
results is shown.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import holder, locked
from surrogate_nas.report.live import Server
from surrogate_nas.report.live.server import MOST_AT_ONCE, Timely
from surrogate_nas.study.api import compare, run_suite
from surrogate_nas.study.problem import Entry, Problem, Suite
from surrogate_nas.study.store import Store
from tests.conftest import Snas
from tests.gated import Gated

if TYPE_CHECKING:
    from playwright.sync_api import Page

COMMAND = [sys.executable, "-c", "from surrogate_nas.cli import main; main()"]
PATIENCE_MS = 180_000
"""On a machine with much else to do."""


class Answer:
    """What a server said."""

    def __init__(self, said: http.client.HTTPResponse) -> None:
        self.status = said.status
        self.headers = dict(said.getheaders())
        self.body = said.read()

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(
    server: Server,
    path: str,
    *,
    method: str = "GET",
    hosts: Sequence[str] | None = None,
    cookie: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask for exactly this path, as no browser would; by default with the cookie of one that knows
    the token.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=600)
    connection.putrequest(method, path, skip_host=True)
    for host in [f"127.0.0.1:{server.server_port}"] if hosts is None else hosts:
        connection.putheader("Host", host)
    connection.putheader("Cookie", f"{server.cookie}={server.token}" if cookie is None else cookie)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


def place(server: Server, path: str, *, token: bool = False) -> str:
    """The address of a page."""
    address, _, query = server.address.partition("?")
    return f"{address}{path}?{query}" if token else f"{address}{path}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, analog: TableBenchmark) -> Path:
    """A folder of results with one finished comparison, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    compare(analog, ["random", "evolution"], runs=3, budget=15, folder=folder / "one")
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


@pytest.fixture
def server(results: Path) -> Iterator[Server]:
    with Server(results, 0) as server:
        server.pages.patience_seconds = 600.0
        server.in_background()
        yield server
        server.shutdown()


@pytest.mark.slow
def test_a_page_grows_while_another_process_makes_runs(tmp_path: Path, tab: Page) -> None:
    gated = Gated(tmp_path)
    tab.set_default_timeout(PATIENCE_MS)
    with Server(tmp_path, 0) as server:
        server.in_background()
        tab.goto(server.address)
        assert "No results yet" in tab.inner_text("main")
        process = gated.start("serving")
        gated.arrived(2)
        tab.click("text=out")
        tab.wait_for_selector("[data-count=running] >> text=2")
        before = (tmp_path / "out" / "runs").stat().st_mtime_ns
        assert f"Process {process.pid} is at work since" in tab.inner_text("main")
        assert (
            tab.inner_text("[data-count=done]") in "012"
            and tab.inner_text("[data-count=failed]") == "0"
        )
        assert re.fullmatch(r"0:\d\d:\d\d", tab.inner_text("[data-since]"))
        assert (tmp_path / "out" / "runs").stat().st_mtime_ns == before
        gated.open()
        tab.wait_for_selector("[data-count=done] >> text=4")
        process.communicate(timeout=120)
        assert process.returncode == 0
        tab.wait_for_selector("text=All runs have ended.")
        assert tab.locator("figure svg.desk").count() == 1, "the benchmark counts queries"
        curves = tab.locator("figure svg.desk path[fill=none][stroke-width='2'][stroke^='var(--c']")
        assert curves.count() == 2
        tab.click("text=report")
        tab.wait_for_selector("text=Would it hold")
        assert tab.locator("svg").count() > 3
        server.shutdown()


def counts(page: str) -> dict[str, int]:
    """How many runs a page shows in each state."""
    return {state: int(n) for state, n in re.findall(r'data-count="(\w+)">(\d+)<', page)}


def rows(page: str) -> list[list[str]]:
    """The texts of the cells of a page's tables, row by row."""
    table = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in page.split("<tr>")]
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in table if row]


def test_progress_is_shown_in_numbers(server: Server) -> None:
    answer = ask(server, "/at/one/")
    page = answer.text
    assert counts(page) == {"done": 6, "running": 0, "failed": 0, "missing": 0}
    assert ">missing" not in page and page.count("to do") == 2, "a count, and a column"
    assert page.count('height="10" class="done"') == 6 + 1, "every run, and the key"
    runs = [Store(server.pages.router.root / "one").watch("random", number) for number in range(3)]
    for run in runs:
        run.refresh()
    found = sorted(run.best[-1] for run in runs)
    random, evolution = rows(page)
    assert random[0] == "random" and random[3:8] == ["3", "0", "0", "0", "45"]
    assert random[8:] == [f"{found[0]:.5f}", f"{found[1]:.5f}"]
    assert evolution[3:8] == ["3", "0", "0", "0", "45"]
    assert "All runs have ended; there is no report yet." in page and "<svg class" in page
    version = answer.headers["ETag"]
    again = ask(server, "/at/one/", headers={"If-None-Match": version})
    assert again.status == 304 and not again.body
    assert ask(server, "/at/one/", headers={"If-None-Match": '"x"'}).body == answer.body


def test_a_run_is_read_on_not_again(
    made: Path,
    tmp_path: Path,
    analog: TableBenchmark,
) -> None:
    whole = Store(made / "one").path("random", 1).read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "runs").mkdir()
    shutil.copy(made / "one" / "experiment.json", tmp_path)
    store = Store(tmp_path)
    file = store.path("random", 1)
    run = store.watch("random", 1)
    assert not run.refresh() and not run.is_begun
    file.write_bytes(b"".join(lines[:4]) + lines[4][:30])
    assert run.refresh() and len(run.best) == 4 and run.end is None and not run.damage
    assert not run.refresh()
    with file.open("ab") as growing:
        growing.write(lines[4][30:] + b"".join(lines[5:]))
    assert run.refresh() and len(run.best) == 15 and run.end is not None
    trials = store.load("random", 1, analog.space).trials
    assert run.best[-1] == min(trial.score for trial in trials) and run.finished == [
        t.finished for t in trials
    ]
    file.write_bytes(b"".join(lines[:3]))
    assert run.refresh() and len(run.best) == 3 and run.end is None
    file.write_bytes(whole.replace(lines[4], lines[4].replace(b"true", b"True")))
    assert run.refresh() and "line 5 is not as it was written" in run.damage
    file.write_bytes(whole)
    assert run.refresh() and len(run.best) == 15 and not run.damage
    file.unlink()
    assert run.refresh() and not run.best and not run.is_begun


@pytest.mark.slow
def test_a_page_does_not_wait_until_all_is_read(server: Server, results: Path, tab: Page) -> None:
    server.pages.patience_seconds = 0.0
    folder = server.pages.folder(results / "one")
    with folder.lock:
        tab.goto(place(server, "at/one/", token=True))
        tab.wait_for_selector("text=Reading this folder.")
    tab.wait_for_selector("text=6 of 6 runs done")


def test_a_finished_folder_is_not_called_interrupted_while_it_is_read(
    server: Server, results: Path
) -> None:
    server.pages.patience_seconds = 0.0
    with server.pages.folder(results / "one").lock:
        index = ask(server, "/").text
        assert "being read" in index and "interrupted" not in index and "0 of 6" not in index
        page = ask(server, "/at/one/").text
        assert "Reading this folder." in page and "No process is at work" not in page
    server.pages.patience_seconds = 600.0
    assert "All runs have ended" in ask(server, "/at/one/").text
    index = ask(server, "/").text
    assert "ended" in index and "6 of 6" in index


def test_damage_is_told_and_the_rest_is_shown(server: Server, results: Path) -> None:
    file = results / "one" / "runs" / "random-1.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"feasible": true', b'"feasible": false', 1))
    page = ask(server, "/at/one/").text
    assert counts(page)["damaged"] == 1 and counts(page)["done"] == 5
    assert (
        "runs/random-1.jsonl is damaged: line 1 is not as it was written. Delete it and run again."
        in page
    )
    (results / "one" / "experiment.json").write_text('{"version": 2, "<b>')
    assert "This folder cannot be read." in ask(server, "/at/one/").text
    assert "0 of 0" in ask(server, "/").text
    shutil.rmtree(results / "one")
    assert ask(server, "/at/one/").status == 404 and "No results yet" in ask(server, "/").text


def test_failures_and_interrupted_runs_are_told(tmp_path: Path, analog: TableBenchmark) -> None:
    file = tmp_path / "breaks.py"
    file.write_text(
        "import surrogate_nas as sn\nclass Breaks(sn.Strategy):\n def ask(self, n): raise"
        " ValueError('<i>no</i>')\n def tell(self, trials): pass\n"
    )
    compare(analog, ["random", f"{file}:Breaks"], runs=2, budget=12, folder=tmp_path / "out")
    run = tmp_path / "out" / "runs" / "random-1.jsonl"
    run.write_bytes(b"".join(run.read_bytes().splitlines(keepends=True)[:5]))
    with Server(tmp_path / "out", 0) as server:
        server.in_background()
        page = ask(server, "/").text
        strips = re.findall(r'aria-label="runs of .*?</svg>', page)
        states = [re.findall(r'class="(\w+)"', strip) for strip in strips]
        assert states == [["done", "halted"], ["failed", "failed"]]
        unfinished = "No process is at work, and 1 run is not finished: run the same command again"
        assert unfinished in page
        assert "&lt;i&gt;no&lt;/i&gt;" in page and "<i>no" not in page
        trace = re.search(r'href="(/files/failures/[^"]+)">traceback', page)
        assert trace is not None and "ValueError" in ask(server, trace[1]).text
        server.shutdown()


def test_a_suite_counts_the_runs_of_each_strategy(tmp_path: Path) -> None:
    problems = [
        Problem("one", "analog-cifar10", cells=12),
        Problem("two", "fashion", "valid_loss, params", cells=11),
    ]
    suite = Suite("s", "A <title>", problems, [Entry("random", 3), Entry("evolution", 1)])
    run_suite(suite, tmp_path)
    with Server(tmp_path, 0) as server:
        server.in_background()
        page = ask(server, "/").text
        table = {row[0]: row[1:] for row in rows(page)}
        assert table == {"one": ["4 of 4", "3", "1"], "two": ["4 of 4", "3", "1"]}
        assert (
            "A &lt;title&gt;" in page
            and "8 of 8 runs done" in page
            and page.count('viewBox="0 0 400') == 1
        )
        assert "4 of 4 runs done" in ask(server, "/at/problems/one/").text
        assert "There are several objectives" in ask(server, "/at/problems/two").text
        server.shutdown()


def test_only_this_machine_s_own_names_are_answered(server: Server) -> None:
    port = server.server_port
    assert server.server_address[0] == "127.0.0.1"
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"LOCALHOST:{port}"):
        assert ask(server, "/", hosts=[host]).status == 200
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port + 1}",
        f"127.0.0.1:{port}.a",
        " ",
    ):
        answer = ask(server, "/", hosts=[host])
        assert answer.status == 421 and b"results" not in answer.body.lower()
    ours = f"127.0.0.1:{port}"
    for several in ([], [ours, ours], [ours, "evil.example"], ["evil.example", ours]):
        answer = ask(server, "/", hosts=several)
        assert answer.status == 400 and b"results" not in answer.body.lower(), several
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, "/", method=method).status == 405
    head = ask(server, "/", method="HEAD")
    assert head.status == 200 and not head.body and int(head.headers["Content-Length"]) > 1000
    for path in ("/", "/at/one", "/live.js", "/nothing"):
        headers = ask(server, path).headers
        assert (
            "default-src 'none'" in headers["Content-Security-Policy"]
            and headers["X-Frame-Options"] == "DENY"
        )
        assert (
            headers["X-Content-Type-Options"] == "nosniff"
            and "Access-Control-Allow-Origin" not in headers
        )


def test_nothing_outside_is_served(server: Server, results: Path) -> None:
    (results.parent / "secret.html").write_text("secret")
    (results / "one" / "report.html").write_text("<p>fine</p>")
    (results / "one" / "out.html").symlink_to(results.parent / "secret.html")
    (results / "one" / "in.html").symlink_to(results / "one" / "report.html")
    (results / "outside").symlink_to(results.parent)
    (results / "one" / ".hidden.html").write_text("hidden")
    (results / "one" / "folder.html").mkdir()
    os.mkfifo(results / "one" / "pipe.html")
    assert (
        ask(server, "/files/one/report.html").body
        == ask(server, "/files/one/in.html").body
        == b"<p>fine</p>"
    )
    assert "sandbox" in ask(server, "/files/one/report.html").headers["Content-Security-Policy"]
    for path in (
        "../secret.html",
        "one/../../secret.html",
        "%2e%2e/secret.html",
        "one/%2e%2e/%2e%2e/secret.html",
        "..%2fsecret.html",
        "one%2freport.html",
        f"{results.parent}/secret.html",
        f"/{results.parent}/secret.html",
        "one/out.html",
        "outside/secret.html",
        "one/.hidden.html",
        "one/.lock",
        "one/folder.html",
        "one/pipe.html",
        "one/runs/random-0.jsonl",
        "one/report.html%00.png",
        "one/%ff.html",
        "one",
        "",
        "one/",
        "one//report.html",
        "one\\report.html",
    ):
        answer = ask(server, f"/files/{path}")
        assert answer.status == 404 and answer.body == b"There is nothing here.\n", path
    for path in (
        "/at/outside/",
        "/at/../",
        "/at/one/runs",
        "/at/%2e%2e",
        "/one/report.html",
        "/etc/passwd",
    ):
        assert ask(server, path).status == 404, path
    assert "outside" not in ask(server, "/").text


def test_nothing_is_shown_without_the_token(server: Server, results: Path) -> None:
    (results / "one" / "report.html").write_text("secret")
    token = server.token
    assert token and server.address == f"http://127.0.0.1:{server.server_port}/?token={token}"
    paths = (
        "/",
        "/at/one/",
        "/at/",
        "/files/one/report.html",
        "/live.js",
        "/none",
    )
    name = server.cookie
    strangers = (
        "",
        f"{name}=",
        f"{name}={token.swapcase()}",
        f"{name}={token[:-1]}",
        f"{name}={token}x",
        f"other={token}",
    )
    for path in paths:
        for cookie in (*strangers, f"{name}=\xe9"):
            answer = ask(server, path, cookie=cookie)
            assert (
                answer.status == 403
                and b"secret" not in answer.body
                and "Set-Cookie" not in answer.headers
            )
            assert token not in answer.text
        for query in ("?token=", "?token=x", f"?x={token}", f"?token={token}x"):
            assert ask(server, path + query, cookie="").status == 403
    assert "6 of 6 runs done" in ask(server, f"/at/one?token={token}", cookie="").text
    first = ask(server, f"/?token={token}", cookie="")
    assert first.status == 200 and token not in first.text
    assert first.headers["Set-Cookie"] == f"{name}={token}; Path=/; HttpOnly; SameSite=Strict"
    for cookie in (
        f"{name}={token}",
        f"other=1; {name}={token}",
        f"{name}=of another port; {name}={token}",
    ):
        again = ask(server, "/at/one/", cookie=cookie)
        assert again.status == 200 and "Set-Cookie" not in again.headers
    assert ask(server, f"/at/one?x=1&token={token}", cookie="").status == 200


def test_without_a_token_every_user_of_this_machine_is_answered(results: Path) -> None:
    with Server(results, 0, with_token=False) as server:
        server.in_background()
        assert server.token is None and server.address == f"http://127.0.0.1:{server.server_port}/"
        answer = ask(server, "/at/one", cookie="")
        assert answer.status == 200 and "Set-Cookie" not in answer.headers
        assert ask(server, "/", hosts=["evil.example"], cookie="").status == 421
        server.shutdown()


@pytest.mark.slow
def test_a_browser_needs_the_token_once(server: Server, results: Path, tab: Page) -> None:
    (results / "one" / "report.html").write_text('<a href="explore.html">explorer</a>')
    (results / "one" / "explore.html").write_text("explored")
    stranger = tab.context.new_page()
    answer = stranger.goto(place(server, "at/one/"))
    assert answer is not None and answer.status == 403
    tab.goto(server.address)
    tab.wait_for_function("!location.search")
    tab.click("text=one")
    tab.wait_for_selector("text=All runs have ended.")
    with tab.expect_response(lambda answer: "/at/one" in answer.url) as polled:
        pass
    assert polled.value.status in (200, 304), "what the page asks for by itself carries the cookie"
    page = tab.context.new_page()  # whose console tells of a 403
    page.goto(place(server, "files/one/report.html"))
    page.click("text=explorer")
    page.wait_for_selector("text=explored")
    page.context.clear_cookies()
    answer = page.goto(place(server, "files/one/explore.html"))
    assert answer is not None and answer.status == 403


def test_a_file_is_sent_in_pieces(server: Server, results: Path) -> None:
    """Of a file of 64 MB, only a few pieces are ever in memory."""
    size = 2**26
    with (results / "one" / "large.csv").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            host = f"127.0.0.1:{server.server_port}"
            cookie = f"{server.cookie}={server.token}"
            head = (
                f"GET /files/one/large.csv HTTP/1.1\r\nHost: {host}\r\nCookie:"
                f" {cookie}\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(head.encode())
            received = 0
            buffer = bytearray(2**16)
            while n := connection.recv_into(buffer):
                received += n
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received > size and most < size / 16


def test_a_file_that_is_cut_while_it_is_sent_ends_the_connection(
    server: Server, results: Path
) -> None:
    large = results / "one" / "large.csv"
    large.write_bytes(b"x" * 2**24)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=600)
    connection.request(
        "GET", "/files/one/large.csv", headers={"Cookie": f"{server.cookie}={server.token}"}
    )
    answer = connection.getresponse()
    os.truncate(large, 2**10)
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
    assert ask(server, "/at/one").status == 200


def test_a_folder_that_is_read_holds_no_other_up(server: Server, results: Path) -> None:
    """The page of all folders waits for one in the middle; pages of others are answered."""
    for name in ("before", "middle", "other"):
        shutil.copytree(results / "one", results / name)
    pages: list[str] = []
    asking = threading.Thread(target=lambda: pages.append(ask(server, "/").text))
    with server.pages.folder(results / "middle").lock:
        asking.start()
        for path in ("/at/other/", "/at/before", "/at/one/", "/files/one/report.html"):
            assert ask(server, path).status in (200, 404)
        assert not pages
        server.pages.patience_seconds = 0.1
        index = ask(server, "/").text
        assert "being read" in index and "6 of 6" in index
    asking.join()
    assert [row[0] for row in rows(pages[0])] == ["before", "middle", "one", "other"]
    assert pages[0].count("6 of 6") == 4


@pytest.mark.slow
def test_a_shown_file_reaches_neither_this_server_nor_another(
    server: Server,
    results: Path,
    tab: Page,
) -> None:
    (results / "one" / "report.html").write_text(
        "<title>waits</title><script>fetch('/at/one').then(() => document.title = 'read',"
        " () => document.title = 'refused')</script>"
    )
    console: list[str] = []
    page = tab.context.new_page()
    page.on("console", lambda said: console.append(said.text))
    page.goto(server.address)
    page.goto(place(server, "files/one/report.html"))
    page.wait_for_function("document.title != 'waits'")
    assert page.title() == "refused" and console


def test_to_ask_who_holds_a_lock_does_not_take_it(tmp_path: Path) -> None:
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
    with pytest.raises(UserError, match=f"process {child.pid} "), locked(tmp_path, wait=False):
        pass
    child.kill()
    child.communicate()
    assert (tmp_path / ".lock").exists() and holder(tmp_path) is None
    with locked(tmp_path):
        mine = holder(tmp_path)
        assert mine is not None and mine.pid == os.getpid()
        other = subprocess.run(
            [sys.executable, "-c", wait], capture_output=True, text=True, input="\n", timeout=600
        )
        assert other.returncode and "is writing" in other.stderr, (
            "our lock was not given up by asking"
        )


def heed_interrupts() -> None:
    """What a shell started in the background, these tests perhaps, ignores interrupts, and so do
    its children.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(results: Path, snas: Snas) -> None:
    command = [*COMMAND, "serve", str(results), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=-1, stderr=-1, text=True, preexec_fn=heed_interrupts)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["folder"] == str(results)
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=(.+)", told["address"])
    assert address is not None and address[2] == told["token"]
    port = int(address[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", f"/?token={told['token']}")
    assert b"Results in results" in connection.getresponse().read()
    connection.close()
    taken = snas("serve", results, "--port", port)
    assert (
        taken.code == 2
        and taken.err
        == f"snas: Port {port} of 127.0.0.1 is in use. Choose another with --port, or 0 for a free"
        " one.\n"
    )
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=600)
    assert process.returncode == 0 and not rest and "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere is no folder of results."),
        ([".", "--port", "70000"], "A port (0 for one that is free) must be"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments: list[str],
    says: str,
    snas: Snas,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = snas("serve", *arguments)
    assert outcome.code == 2 and says in outcome.err and len(outcome.err.splitlines()) == 1


def test_a_body_is_no_further_request(server: Server) -> None:
    inner = b"GET / HTTP/1.1\r\nHost: another\r\n\r\n"
    host = f"Host: 127.0.0.1:{server.server_port}"
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        head = f"GET /live.js HTTP/1.1\r\n{host}\r\nContent-Length: {len(inner)}\r\n\r\n"
        connection.sendall(head.encode() + inner)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 ") == 1


def test_half_open_connections_shut_nobody_out(server: Server) -> None:
    """As many as there may be, half a request each: a further one is answered, and the oldest is
    closed for it.
    """
    held = [
        socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(MOST_AT_ONCE)
    ]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
    while len(server._waiting) < MOST_AT_ONCE:
        time.sleep(0.01)
    oldest = {port_of(connection) for connection in list(server._waiting)[:2]}
    assert ask(server, "/at/one").status == 200
    closed = {connection.getsockname()[1] for connection in held if is_closed(connection)}
    assert closed <= oldest and len(closed) == 1
    assert (
        sum("process_request_thread" in thread.name for thread in threading.enumerate())
        <= MOST_AT_ONCE
    )
    for connection in held:
        connection.close()
    while sum("process_request_thread" in thread.name for thread in threading.enumerate()):
        time.sleep(0.01)
    with urlopen(server.address) as page:
        assert page.status == 200


def port_of(connection: socket.socket) -> int:
    """The port of whom a connection of the server's leads to."""
    return int(connection.getpeername()[1])


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection on which it sends nothing."""
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_request_that_drips_has_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of our own: every byte takes four seconds."""
    now = 0.0
    monkeypatch.setattr("surrogate_nas.report.live.server.time.monotonic", lambda: now)
    here, there = socket.socketpair()
    with here, there:
        timely = Timely(here)
        for place in range(3):
            there.sendall(b"G")
            assert timely.read(10) == b"G"
            now = 4.0 * (place + 1)
        there.sendall(b"G")
        with pytest.raises(TimeoutError):
            timely.read(10)
        timely.renew()
        assert timely.read(10) == b"G"
