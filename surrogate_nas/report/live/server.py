"""The server of live pages: read-only, and reachable from this machine only.

Other websites must not read results through the user's browser. So the server refuses host names
other than this machine's, since another name may be pointed here (DNS rebinding), and its headers
forbid framing, embedding and reading across origins. Browsers show the files of results in a
sandbox, since a user's code may have written them.

Other users of this machine can reach its loopback address too. So the address of the first page
ends in a token, which the browser stores as a cookie; requests without it are refused.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import secrets
import socket
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.live.page import Pages
from surrogate_nas.report.live.router import Router
from surrogate_nas.report.markup import render

ADDRESS = "127.0.0.1"
"""The loopback address, which other machines cannot reach."""
PORT = 8765
"""The default port."""
_NAMES = (ADDRESS, "localhost")
_PATIENCE_SECONDS = 10.0
"""The longest time for a whole request to arrive, and for a browser to read an answer."""
MOST_AT_ONCE = 32
"""Connections. A further one closes the one that has waited longest for a request."""
_PIECE = 2**16
"""Bytes of a file in memory at a time."""
_TOKEN_BYTES = 18
_ALWAYS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_OURS = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src"
    " data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_THEIRS = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'"
    " 'unsafe-eval' blob:; worker-src blob:; style-src 'unsafe-inline'; img-src data: blob:;"
    " font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TOKEN = "token="
_COOKIE = "Path=/; HttpOnly; SameSite=Strict"
_AGAIN = b'<!doctype html><title>snas</title><meta http-equiv="refresh" content="0; url=?">\n'
_SCRIPT = "text/javascript; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


class Server(ThreadingHTTPServer):
    """Serves one folder of results.

    Attributes:
        address: Of the first page, with the token.
        token: The secret of a browser; None where the server answers every user of this machine.
        pages: The pages.
        names: The host names that are answered, each with the port.

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
    request_queue_size = 128

    def __init__(
        self,
        folder: Path,
        port: int = PORT,
        *,
        with_token: bool = True,
    ) -> None:
        """Open the port; the server answers once `serve_forever` runs.

        Args:
            folder: A comparison, a suite, or a folder of them.
            port: From 1 to 65535; 0 for a free one.
            with_token: Whether requests need the token.

        Raises:
            UserError: There is no such folder, or the port cannot be opened.
        """
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder of results.")
        check_whole("A port (0 for one that is free)", port, 0, 65535)
        self.pages = Pages(Router(folder))
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            why = (
                "is in use"
                if error.errno == errno.EADDRINUSE
                else f"cannot be had ({error.strerror or error})"
            )
            other = "Choose another with --port, or 0 for a free one"
            raise UserError(f"Port {port} of {ADDRESS} {why}. {other}.") from error
        self.names = {f"{name}:{self.server_port}" for name in _NAMES}
        self.token = secrets.token_urlsafe(_TOKEN_BYTES) if with_token else None
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._waiting: dict[socket.socket, None] = {}
        self._waiting_lock = threading.Lock()

    @property
    def address(self) -> str:
        """The address of the first page, with the token."""
        query = f"?token={self.token}" if self.token else ""
        return f"http://{ADDRESS}:{self.server_port}/{query}"

    @property
    def cookie(self) -> str:
        """The name of the cookie, with the port in it: browsers send cookies to all ports."""
        return f"snas-{self.server_port}"

    def admits(self, token: str) -> bool:
        """Whether this is the token, compared in constant time."""
        return self.token is None or hmac.compare_digest(
            token.encode(errors="replace"), self.token.encode()
        )

    def begin_waiting(self, connection: socket.socket) -> None:
        """Note that a connection waits for a request, so that it may be closed for another."""
        with self._waiting_lock:
            self._waiting[connection] = None

    def end_waiting(self, connection: socket.socket) -> None:
        """Note that a request has arrived, or that none will."""
        with self._waiting_lock:
            self._waiting.pop(connection, None)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in its own thread; if there are too many, close one that waits."""
        has_room = self._room.acquire(blocking=False)
        if not has_room and self._close_a_waiting_one():
            has_room = self._room.acquire(timeout=_PATIENCE_SECONDS)
        if has_room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def _close_a_waiting_one(self) -> bool:
        """Close the connection that has waited longest for a request; False where none waits."""
        with self._waiting_lock:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            del self._waiting[oldest]
            with suppress(OSError):  # it went away by itself
                oldest.shutdown(socket.SHUT_RDWR)
            return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that went away; print other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def in_background(self) -> threading.Thread:
        """Answer in a thread of its own, until `shutdown`."""
        thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        thread.start()
        return thread


class Timely(RawIOBase):
    """Reads a connection until a deadline, which single bytes do not extend."""

    def __init__(self, connection: socket.socket) -> None:
        """Start the time of the first request."""
        self._connection = connection
        self.renew()

    def renew(self) -> None:
        """Start the time of the next request."""
        self._deadline = time.monotonic() + _PATIENCE_SECONDS

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that are there; wait for the first."""
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
    server_version = "snas"
    sys_version = ""
    timeout = _PATIENCE_SECONDS
    _is_new = False  # whether the token came in the address, and a cookie is to be given

    def setup(self) -> None:
        super().setup()
        self._timely = Timely(self.connection)
        self.rfile = BufferedReader(self._timely)

    def handle_one_request(self) -> None:
        self._timely.renew()
        self.server.begin_waiting(self.connection)
        try:
            super().handle_one_request()
        finally:
            self.server.end_waiting(self.connection)

    def parse_request(self) -> bool:
        """Read the headers. A body is not read, so it ends the connection: else it would be taken
        for the next request.
        """
        is_right = super().parse_request()
        if is_right and any(
            name in self.headers for name in ("Content-Length", "Transfer-Encoding")
        ):
            self.close_connection = True
        self.server.end_waiting(self.connection)
        return is_right

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if not self._is_admitted(query):
            return
        kind, _, rest = path.removeprefix("/").partition("/")
        pages = self.server.pages
        rest = rest.removesuffix("/")
        if kind == "files":
            opened = pages.router.open(rest)
            if opened is not None:
                with opened[0] as file:
                    self._send_file(file, opened[1])
                return
        elif path == "/live.js":
            self._send(HTTPStatus.OK, render("live.js").encode(), _SCRIPT)
            return
        elif path == "/" or kind == "at":
            page = pages.page(rest)
            if page is not None:
                self._send_page(page.encode(errors="backslashreplace"))
                return
        self._send(HTTPStatus.NOT_FOUND, b"There is nothing here.\n")

    do_HEAD = do_GET

    def _is_admitted(self, query: str) -> bool:
        """Whether the request may be answered; where not, it is refused here."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1:
            self.close_connection = True
            self._send(HTTPStatus.BAD_REQUEST, b"A request names its host once.\n")
            return False
        if hosts[0].lower() not in self.server.names:
            self._send(
                HTTPStatus.MISDIRECTED_REQUEST,
                b"This server answers to this machine's own address alone.\n",
            )
            return False
        words = query.split("&")
        tokens = [word.removeprefix(_TOKEN) for word in words if word.startswith(_TOKEN)]
        cookies = self._cookies() or [""]
        self._is_new = any(self.server.admits(token) for token in tokens)
        if not self._is_new and not any(self.server.admits(cookie) for cookie in cookies):
            if self._follows_a_link_of_a_file():
                self._send(HTTPStatus.FORBIDDEN, _AGAIN, _HTML)
            else:
                self._send(
                    HTTPStatus.FORBIDDEN,
                    b"Open the address that snas printed, which ends in ?token=\n",
                )
            return False
        return True

    def _follows_a_link_of_a_file(self) -> bool:
        """Whether a link in another file may have led here.

        Files are shown in a sandbox, which a browser takes for another site, so it sends no cookie.
        The answer is then a page of ours that loads the file again, now with the cookie.
        """
        site = self.headers.get("Sec-Fetch-Site")
        mode = self.headers.get("Sec-Fetch-Mode")
        return self.path.startswith("/files/") and (site, mode) == ("cross-site", "navigate")

    def _cookies(self) -> list[str]:
        """The values of our cookie; a page of another port can have set one of its name too."""
        values = []
        for line in self.headers.get_all("Cookie") or []:
            for pair in line.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self.server.cookie:
                    values.append(value)
        return values

    def _refuse(self) -> None:
        self.close_connection = True  # its body is not read
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"This server is read-only.\n", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _send_page(self, page: bytes) -> None:
        """Send a page, unless the browser has this version already."""
        version = f'"{hashlib.blake2b(page, digest_size=8).hexdigest()}"'
        if self.headers.get("If-None-Match") == version:
            self._send(HTTPStatus.NOT_MODIFIED, b"")
        else:
            self._send(HTTPStatus.OK, page, _HTML, ETag=version)

    def _send_file(self, file: BinaryIO, kind: str) -> None:
        """Send a file piece by piece, in the length that it had when it was opened."""
        left = os.fstat(file.fileno()).st_size
        self._send_head(HTTPStatus.OK, left, kind, _THEIRS)
        while self.command != "HEAD" and left:
            piece = file.read(min(left, _PIECE))
            if not piece:  # the file was truncated meanwhile
                self.close_connection = True
                return
            self.wfile.write(piece)
            left -= len(piece)

    def _send(self, status: HTTPStatus, content: bytes, kind: str = _TEXT, **more: str) -> None:
        self._send_head(status, len(content), kind, _OURS, **more)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_head(
        self, status: HTTPStatus, length: int, kind: str, policy: str, **more: str
    ) -> None:
        self.send_response(status)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
        if self._is_new and self.server.token:
            self.send_header("Set-Cookie", f"{self.server.cookie}={self.server.token}; {_COOKIE}")
        for name, value in {**_ALWAYS, "Content-Security-Policy": policy, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a page asks every other second."""
