"""Live pages: a read-only server for a folder of results, reachable from this machine only.

Pages are built from the folders during the runs. Nothing is locked, and each line of a run's file
is read once. The files of results may come from other people, so the types of their fields are
checked.

Other websites must not read results through the user's browser. The server therefore refuses host
names other than this machine's (DNS rebinding), and its headers forbid framing and reading across
origins. Browsers show the files of results in a sandbox, because user code may have written them.

Other users of this machine can also reach its loopback address. The address of the first page
therefore ends in a token, which the browser stores as a cookie. Requests without the token are
refused.
"""

import hmac
import io
import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from markupsafe import Markup

from surrogate_nas.core import (
    UserError,
    budget_in_words,
    check_whole,
    checked,
    fixed,
    plural,
)
from surrogate_nas.files import holder
from surrogate_nas.files.progress import duration
from surrogate_nas.report.curves import Curve, Panel, chart
from surrogate_nas.report.markup import (
    Content,
    Figures,
    Notice,
    Paragraph,
    Section,
    Span,
    Table,
    note,
    strategy,
)
from surrogate_nas.report.page import Header, document
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import (
    PLAN,
    PROBLEMS,
    Options,
    RunWatch,
    Store,
    ended_by,
    kind_of,
    numbers_of,
    read_plan,
)
from surrogate_nas.report.style import styles

PORT = 8765
_STATES = ("done", "running", "failed", "to do")
_LINKS = {"report.html": "report", "explore.html": "explorer", "verdict.txt": "verdict"}
_MOST_RUNS = 100_000
_MOST_FAILED = 50
_CURVES_NOTE = (
    "Line: the median over runs of the best feasible score so far, as the searches observed it."
    " Band: the quartiles. The steep start is cut off."
)


class _Problem:
    """The current state of a comparison's folder. The description is empty if the folder is
    damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = holder(folder)
        self.description: Mapping[str, Any] = {}
        self.error = ""
        self.runs: dict[str, dict[int, RunWatch]] = {}
        try:
            plan = read_plan(folder.parent.parent / PLAN)
            n_runs = {entry.label: entry.runs for entry in plan.entries}
        except UserError:  # it is no problem of a suite
            n_runs = {}
        store = Store(folder)
        try:
            description = store.read()
            runs = {}
            for name in description["strategies"]:
                numbers = (
                    range(n_runs[name]) if name in n_runs else numbers_of(description)
                )
                if numbers[_MOST_RUNS : _MOST_RUNS + 1]:
                    raise UserError(f"{folder} has more than {_MOST_RUNS:,} runs.")
                runs[name] = {number: store.watch(name, number) for number in numbers}
            self.description, self.runs = description, runs
        except UserError as error:
            self.error = str(error)
        self.counts = {
            name: Counter(map(self.state, runs.values()))
            for name, runs in self.runs.items()
        }

    def state(self, run: RunWatch) -> str:
        if run.damage or (run.end and run.end.failure):
            return "failed"
        if run.end is None:
            return "running" if self.writer and holder(run.path) else "to do"
        budget = self.description["budget"]
        spent = run.end.budget_cells, run.end.budget_seconds
        is_over = spent == (budget["cells"], budget["seconds"]) or ended_by(
            run.trials, run.epochs, Options.read(self.description)
        )
        return "done" if is_over else "to do"


def live_page(root: Path, folder: Path) -> str | None:
    """Return the live page of a folder of results inside `root`, or None if the folder contains no
    results.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     "No results yet" in live_page(Path(folder), Path(folder))
        True
    """
    kind = kind_of(folder)
    if not (kind or folder == root):
        return None
    problems: list[_Problem] = []
    if kind == "comparison":
        problems = [_Problem(folder)]
        title, line, sections = _comparison(problems[0])
    else:
        title, line = folder.name, []
        rows: list[list[Content]] = []
        for child in _inside(folder):
            inner = [_Problem(path) for path in _inside(child) or [child]]
            problems += inner
            address = f"{child.relative_to(folder).as_posix()}/"
            rows.append(
                [Span(child.name, "link", None, address), _bar(inner), _status(inner)]
            )
        table = Table(["folder", "runs", "state"], rows, texts=3)
        sections = [Section("", [table if rows else "No results yet."])]
    for file, text in _LINKS.items():
        if (folder / file).is_file():
            line += [" · ", Span(text, "link", None, file)]
    wrong = [item for problem in problems for item in _wrong(problem)]
    boxes = [Notice("What went wrong:", items=wrong)] if wrong else []
    status = [Paragraph([_status(problems)]), Paragraph([_bar(problems)])]
    if folder != root:
        status.append(Paragraph([Span("all results", "link", None, "/")], note=True))
    return document(
        Header(title, title, line, boxes, status, None), sections, live=True
    )


def _inside(folder: Path) -> list[Path]:
    inside = folder / PROBLEMS if kind_of(folder) else folder
    return [
        child
        for child in (sorted(inside.iterdir()) if inside.is_dir() else ())
        if child.name[0] != "." and not child.is_symlink() and kind_of(child)
    ]


def _counts(problems: Sequence[_Problem]) -> Counter[str]:
    counts = (count for problem in problems for count in problem.counts.values())
    return sum(counts, Counter[str]())


def _bar(problems: Sequence[_Problem]) -> Markup:
    counts = _counts(problems)
    ended = counts["done"] + counts["failed"]
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    bar = f'<progress max="{counts.total() or 1}" value="{ended}"></progress>'
    return Markup(f"{bar} {counts['done']} of {counts.total()} runs done{failed}")


def _status(problems: Sequence[_Problem]) -> str:
    for writer in (problem.writer for problem in problems if problem.writer):
        since = datetime.fromtimestamp(writer.since)
        passed = duration(max(time.time() - writer.since, 0.0))
        process = f"Process {writer.pid} on {writer.host}"
        return f"{process} has been running since {since:%H:%M}, for {passed}."
    left = _counts(problems)["to do"]
    if left:
        return f"No process is running, and {plural(left, 'run')} did not end. Repeat the command."
    return "All runs have ended."


def _wrong(problem: _Problem) -> list[str]:
    items = [problem.error] if problem.error else []
    for name, runs in problem.runs.items():
        for number, run in runs.items():
            if run.damage:
                items.append(
                    f"{run.path} is damaged: {run.damage}. Delete it and repeat the command."
                )
            elif run.end and run.end.failure:
                items.append(run.end.failure)
            items += [
                f"{name}, run {number}: training {cell:.120}: {reason:.120}"
                for cell, reason in run.failed[: -_MOST_FAILED - 1 : -1]
            ]
    return items


def _comparison(problem: _Problem) -> tuple[str, list[Content], list[Section]]:
    description = problem.description
    if not description:
        return problem.folder.name, [], []
    objective = description["objective"]
    noun = "strategy" if len(problem.runs) == 1 else "strategies"
    title = f"{len(problem.runs)} search {noun} on {description['benchmark']}"
    budget = budget_in_words(description["budget"], objective.get("cost", ""))
    line: list[Content] = ["minimise ", Span(objective["expression"], "code")]
    line.append(f" · at most {budget} per run")
    is_scored = len(objective.get("objectives", ())) < 2
    curves = {}
    for name, runs in problem.runs.items():
        curve = _curve(list(runs.values())) if is_scored else None
        if curve is not None:
            curves[name] = curve
    sections = []
    if curves:
        panel = Panel("cells", "score", False, shared_until=description["first_cells"])
        draw = partial(chart, curves, styles(problem.runs), panel)
        picture = Picture("cells", "Best score so far over cells", draw)
        sections.append(Section("So far", [Figures([picture]), note(_CURVES_NOTE)]))
    sections.append(_strategies(problem, is_scored))
    return title, line, sections


def _curve(runs: Sequence[RunWatch]) -> Curve | None:
    """Return the median of the best scores so far over cells. A finished run keeps its last
    value.
    """
    used = [
        run
        for run in runs
        if run.trials and not (run.damage or (run.end and run.end.failure))
    ]
    longest = max((len(run.trials) for run in used), default=0)
    best = np.full((len(used), longest), np.nan)
    for row, run in zip(best, used, strict=True):
        row[: len(run.trials)] = run.best
        if run.end is not None:
            row[len(run.trials) :] = row[len(run.trials) - 1]
    best[np.isinf(best)] = np.nan
    known = np.isfinite(best).any(axis=0)
    if not known.any():
        return None
    low, middle, high = np.nanquantile(best[:, known], (0.25, 0.5, 0.75), axis=0)
    return Curve((np.flatnonzero(known) + 1).astype(np.float64), middle, low, high)


def _strategies(problem: _Problem, is_scored: bool) -> Section:
    scored = ("best", "of all runs"), ("median", "of finished runs")
    by_name = styles(problem.runs)
    rows: list[list[Content]] = []
    for name, runs in problem.runs.items():
        last = {run: run.best[-1] for run in runs.values() if run.trials and is_scored}
        finished = [
            score for run, score in last.items() if problem.state(run) == "done"
        ]
        scores = (
            min(last.values(), default=np.nan),
            np.median(finished) if finished else np.nan,
        )
        evaluations = sum(len(run.trials) for run in runs.values())
        row: list[Content] = [strategy(name, by_name[name])]
        row += [str(problem.counts[name][state]) for state in _STATES]
        row += [f"{evaluations:,}", *(fixed(score, 5) for score in scores)]
        rows.append(row)
    return Section(
        "Strategies", [Table(["strategy", *_STATES, "evaluations", *scored], rows)]
    )


_ADDRESS = "127.0.0.1"  # which other machines cannot reach
_SERVED = {".html", ".txt", ".tex", ".csv", ".json", ".png", ".svg", ".pdf"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SANDBOX = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'"
    " 'unsafe-eval' blob:; worker-src blob:; style-src 'unsafe-inline'; img-src data: blob:;"
    " font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Server(ThreadingHTTPServer):
    """An HTTP server for one folder of results.

    Attributes:
        folder: The folder.
        address: The address of the first page, including the token.
        token: The secret that a browser must send.
        names: The accepted values of the HTTP host header: host name and port.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from urllib.request import urlopen
        >>> with TemporaryDirectory() as folder, Server(Path(folder), port=0) as server:
        ...     thread = server.in_background()
        ...     page = urlopen(server.address).read().decode()
        ...     server.shutdown()
        >>> page[:15].lower()
        '<!doctype html>'
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port

    def __init__(self, folder: Path, port: int) -> None:
        """Open the port. The server answers once `serve_forever` runs.

        Args:
            folder: A comparison, a suite, or a folder of them.
            port: A port from 1 to 65535, or 0 for any free port.

        Raises:
            UserError: The folder does not exist, or the port cannot be opened.
        """
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder of results.")
        check_whole("The port (0 for any free port)", port, 0, 65535)
        self.folder = folder.resolve()
        try:
            super().__init__((_ADDRESS, port), _Handler)
        except OSError as error:
            raise UserError(
                f"Port {port} of {_ADDRESS} cannot be opened: {error.strerror or error}. Choose"
                " another with --port, or 0 for any free port."
            ) from error
        self.names = {f"{name}:{self.server_port}" for name in (_ADDRESS, "localhost")}
        self.token = secrets.token_urlsafe(18)
        self.address = f"http://{_ADDRESS}:{self.server_port}/?token={self.token}"
        # browsers send cookies to all ports
        self.cookie = f"snas-{self.server_port}={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected browsers, and print other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def in_background(self) -> threading.Thread:
        """Start a thread that answers requests until `shutdown` is called."""
        thread = threading.Thread(target=self.serve_forever, args=[0.1], daemon=True)
        thread.start()
        return thread


@contextmanager
@checked
def serve(folder: str | Path, port: int | None = None) -> Iterator[str]:
    """Serve a folder of results to a browser while the code in a ``with`` block makes runs.

    Args:
        folder: The folder of results, as passed to `surrogate_nas.compare` or
            `surrogate_nas.run_suite`.
        port: A port of this machine, or 0 for any free port. If None, port 8765 is used or, if it
            is in use, any free port.

    Yields:
        The address of the page, which is also printed on standard error.

    Raises:
        UserError: The port cannot be opened, or the folder cannot be created.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, serve(folder) as address:
        ...     comparison = sn.compare("fashion", ["random"], budget=20, folder=folder)
        >>> address.partition(":")[0]
        'http'
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot write {folder}: {error.strerror or error}.") from error
    try:
        server = Server(Path(folder), PORT if port is None else port)
    except UserError:
        if port is not None:
            raise
        server = Server(Path(folder), 0)
    with server:
        thread = server.in_background()
        sys.stderr.write(f"Watch the progress: {server.address}\n")
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()


class _Handler(SimpleHTTPRequestHandler):
    server: Server
    server_version = "snas"
    sys_version = ""
    timeout = 10.0
    error_message_format = "%(explain)s\n"
    error_content_type = "text/plain; charset=utf-8"
    _more: Mapping[str, str] = {}

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send the headers of a page or a file, or an error; return what follows the headers."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].lower() not in self.server.names:
            explain = "This server answers only requests to this machine's own address."
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, explain=explain)
            return None
        if not self._has_token():
            explain = "Open the address that snas printed. It ends in ?token="
            self.send_error(HTTPStatus.FORBIDDEN, explain=explain)
            return None
        target = self._target()
        if target is not None and not self.path.partition("?")[0].endswith("/"):
            self._more = {"Content-Security-Policy": _SANDBOX}
            return super().send_head()  # a file, or the way to the page of a folder
        page = live_page(self.server.folder, target) if target is not None else None
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND, explain="This page does not exist.")
            return None
        content = page.encode(errors="backslashreplace")
        self._more = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(content)),
            "Set-Cookie": f"{self.server.cookie}; Path=/; HttpOnly; SameSite=Lax",
        }
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        return io.BytesIO(content)

    def _has_token(self) -> bool:
        given = self.path.partition("?")[2].split("&")
        for line in self.headers.get_all("Cookie") or []:
            given += [part.strip() for part in line.split(";")]
        wanted = (f"token={self.server.token}".encode(), self.server.cookie.encode())
        texts = [text.encode(errors="replace") for text in given]
        return any(
            hmac.compare_digest(text, secret) for text in texts for secret in wanted
        )

    def _target(self) -> Path | None:
        """Return the folder or the file of a served type; None if it is hidden or outside the
        root.
        """
        try:
            asked = Path(self.translate_path(self.path))
            target = asked.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return None
        root = self.server.folder
        hidden = any(part.startswith(".") for part in asked.relative_to(root).parts)
        if hidden or not target.is_relative_to(root):
            return None
        is_served = target.is_file() and asked.suffix.lower() in _SERVED
        return target if is_served or target.is_dir() else None

    def translate_path(self, path: str) -> str:
        self.directory = str(self.server.folder)
        return super().translate_path(path)

    def end_headers(self) -> None:
        for name, value in {**_HEADERS, **self._more}.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_args: Any) -> None:
        """Print nothing."""
