"""The server: the standard library's, on this machine's own address alone, for reading alone.

A page of elsewhere that a browser shows must not read what is served here: other names than this machine's own are
refused, as a name of elsewhere may come to point here (DNS rebinding), and nothing may be framed, embedded or read
across origins. Files of results are shown in a sandbox, as anybody may have made them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any

from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.live.page import Pages, Places

ADDRESS = "127.0.0.1"
"""The loopback address: nobody else's machine reaches it."""
PORT = 8765
"""Where it answers if nothing else is said."""
_NAMES = (ADDRESS, "localhost")
_PATIENCE_SECONDS = 10.0
"""The longest that a request may take to come, however it drips, and that a browser may take to read an answer."""
MOST_AT_ONCE = 32
"""Connections; further ones are closed at once."""
_ALWAYS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_OURS = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_THEIRS = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; "
    "worker-src blob:; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


class Server(ThreadingHTTPServer):
    """Serves one folder of results.

    Attributes:
        address: Of its first page.
        pages: What is served.
        names: What a browser may call this machine, each with the port.

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

    def __init__(self, folder: Path, port: int = PORT) -> None:
        """Open the port; nothing is answered before `serve_forever`.

        Args:
            folder: A comparison, a suite, or a folder of such.
            port: From 1 to 65535; 0 for one that is free.

        Raises:
            UserError: There is no such folder, or the port cannot be had.
        """
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder of results.")
        check_whole("A port (0 for one that is free)", port, 0, 65535)
        self.pages = Pages(Places(folder))
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror or error})"
            other = "Choose another with --port, or 0 for a free one"
            raise UserError(f"Port {port} of {ADDRESS} {why}. {other}.") from error
        self.names = {f"{name}:{self.server_port}" for name in _NAMES}
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)

    @property
    def address(self) -> str:
        """The address of the first page."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own, or close it where there are too many.

        Args:
            client_address: Whose it is.
        """
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a browser that went away; tell anything else."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def in_background(self) -> threading.Thread:
        """Begin to answer in a thread of its own, until `shutdown`."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        return thread


class Timely(RawIOBase):
    """Reads a connection until a deadline, which bytes that drip in do not put off."""

    def __init__(self, connection: socket.socket) -> None:
        """Begin the time of a first request."""
        self._connection = connection
        self.renew()

    def renew(self) -> None:
        """Begin the time of a further request."""
        self._deadline = time.monotonic() + _PATIENCE_SECONDS

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, waiting for a first byte."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request takes too long")
        self._connection.settimeout(left)
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(_PATIENCE_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "snas", ""
    timeout = _PATIENCE_SECONDS

    def setup(self) -> None:
        super().setup()
        self._timely = Timely(self.connection)
        self.rfile = BufferedReader(self._timely)

    def handle_one_request(self) -> None:
        self._timely.renew()
        super().handle_one_request()

    def do_GET(self) -> None:
        if self.headers.get("Host", "").lower() not in self.server.names:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"This server answers to this machine's own address alone.\n")
            return
        path, _, query = self.path.partition("?")
        door, _, rest = path.removeprefix("/").partition("/")
        pages, rest = self.server.pages, rest.removesuffix("/")
        if door == "files":
            found = pages.places.read(rest)
            if found is not None:
                self._send(HTTPStatus.OK, found[0], found[1], _THEIRS)
                return
        elif path == "/live.js":
            self._send(HTTPStatus.OK, pages.script, "text/javascript; charset=utf-8")
            return
        elif path == "/" or door == "at":
            if (page := pages.page(rest)) is not None:
                self._send(HTTPStatus.OK, page.encode(errors="backslashreplace"), _HTML)
                return
        elif door == "part":
            if (part := pages.part(rest)) is not None:
                self._send_part(part.encode(errors="backslashreplace"), query)
                return
        elif door == "state" and (state := pages.state(rest)) is not None:
            self._send(HTTPStatus.OK, state.encode(), "application/json")
            return
        self._send(HTTPStatus.NOT_FOUND, b"There is nothing here.\n")

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self.close_connection = True  # what it would send us is not read
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"This server is for reading alone.\n", allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _send_part(self, part: bytes, held: str) -> None:
        """Send a part, unless the page holds it already."""
        version = hashlib.blake2b(part, digest_size=8).hexdigest()
        if held == version:
            self._send(HTTPStatus.NO_CONTENT, b"")
        else:
            self._send(HTTPStatus.OK, part, _HTML, version=version)

    def _send(self, status: HTTPStatus, content: bytes, kind: str = _TEXT, policy: str = _OURS, **more: str) -> None:
        self.send_response(status)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
        for name, value in {**_ALWAYS, "Content-Security-Policy": policy}.items():
            self.send_header(name, value)
        for name, value in more.items():
            self.send_header({"allow": "Allow", "version": "ETag"}[name], value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a page asks every other second."""
