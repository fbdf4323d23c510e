"""The server: the standard library's, on this machine's own address alone, for reading alone.

A page of elsewhere that a browser shows must not read what is served here: other names than this
machine's own are refused, as a name of elsewhere may come to point here (DNS rebinding), and
nothing may be framed, embedded or read across origins. Files of results are shown in a sandbox, as
anybody may have made them.

Every user of this machine reaches its own address. So the address of the first page ends in a
token, which a browser keeps as a cookie, and nothing is shown without it.
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
from surrogate_nas.report.live.page import Pages, Places

ADDRESS = "127.0.0.1"
"""The loopback address: nobody else's machine reaches it."""
PORT = 8765
"""Where it answers if nothing else is said."""
_NAMES = (ADDRESS, "localhost")
_PATIENCE_SECONDS = 10.0
"""The longest that a request may take to come, however it drips, and that a browser may take to
read an answer.
"""
MOST_AT_ONCE = 32
"""Connections; for a further one, the one that has waited longest for a request is closed."""
_PIECE = 2**16
"""The bytes of a file that are in memory at once."""
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
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


class Server(ThreadingHTTPServer):
    """Serves one folder of results.

    Attributes:
        address: Of its first page, with the token.
        token: What a browser must know to be answered; None where every user of this machine is
            answered.
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
    request_queue_size = 128

    def __init__(
        self,
        folder: Path,
        port: int = PORT,
        *,
        with_token: bool = True,
    ) -> None:
        """Open the port; nothing is answered before `serve_forever`.

        Args:
            folder: A comparison, a suite, or a folder of such.
            port: From 1 to 65535; 0 for one that is free.
            with_token: Whether a browser must know the token to be answered.

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
        """The name of the cookie with the token: browsers send one to all ports, so each port has
        its own.
        """
        return f"snas-{self.server_port}"

    def admits(self, token: str) -> bool:
        """Whether a browser that knows this is answered; the time that it takes tells nothing about
        the token.
        """
        return self.token is None or hmac.compare_digest(
            token.encode(errors="replace"), self.token.encode()
        )

    def begin_waiting(self, connection: socket.socket) -> None:
        """Note that a connection waits for a request, and may be closed in favour of another."""
        with self._waiting_lock:
            self._waiting[connection] = None

    def end_waiting(self, connection: socket.socket) -> None:
        """Note that a request has come, or that none will."""
        with self._waiting_lock:
            self._waiting.pop(connection, None)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own; one that only waits is closed where there are
        too many.

        Args:
            client_address: Whose it is.
        """
        has_room = self._room.acquire(blocking=False)
        if not has_room and self._close_a_waiting_one():
            has_room = self._room.acquire(timeout=_PATIENCE_SECONDS)
        if has_room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def _close_a_waiting_one(self) -> bool:
        """Close what has waited longest for a request, whose thread ends then; False where none
        waits.
        """
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
        """Pass over a browser that went away; tell anything else."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def in_background(self) -> threading.Thread:
        """Begin to answer in a thread of its own, until `shutdown`."""
        thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
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
        """Read the headers: with them the request is whole."""
        is_right = super().parse_request()
        self.server.end_waiting(self.connection)
        return is_right

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        held = self._admitted(query)
        if held is None:
            return
        door, _, rest = path.removeprefix("/").partition("/")
        pages = self.server.pages
        rest = rest.removesuffix("/")
        if door == "files":
            found = pages.places.open(rest)
            if found is not None:
                with found[0] as file:
                    self._send_file(file, found[1])
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
                self._send_part(part.encode(errors="backslashreplace"), held)
                return
        elif door == "state" and (state := pages.state(rest)) is not None:
            self._send(HTTPStatus.OK, state.encode(), "application/json")
            return
        self._send(HTTPStatus.NOT_FOUND, b"There is nothing here.\n")

    do_HEAD = do_GET

    def _admitted(self, query: str) -> str | None:
        """The query without its token where the request may be answered; None where it is refused,
        which is told.
        """
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1:
            self.close_connection = True
            self._send(HTTPStatus.BAD_REQUEST, b"A request names its host once.\n")
            return None
        if hosts[0].lower() not in self.server.names:
            self._send(
                HTTPStatus.MISDIRECTED_REQUEST,
                b"This server answers to this machine's own address alone.\n",
            )
            return None
        words = query.split("&")
        tokens = [word.removeprefix(_TOKEN) for word in words if word.startswith(_TOKEN)]
        self._is_new = any(map(self.server.admits, tokens))
        if not self._is_new and not any(map(self.server.admits, self._cookies() or [""])):
            if self._follows_a_link_of_a_file():
                self._send(HTTPStatus.FORBIDDEN, _AGAIN, _HTML)
            else:
                self._send(
                    HTTPStatus.FORBIDDEN,
                    b"Open the address that snas printed, which ends in ?token=\n",
                )
            return None
        return "&".join(word for word in words if not word.startswith(_TOKEN))

    def _follows_a_link_of_a_file(self) -> bool:
        """Whether another file may have led here, whose sandbox is another site to a browser: it
        sends no cookie.

        A page of ours that leads on, which nobody else can read, brings the cookie if there is one.
        """
        site = self.headers.get("Sec-Fetch-Site")
        mode = self.headers.get("Sec-Fetch-Mode")
        return self.path.startswith("/files/") and (site, mode) == ("cross-site", "navigate")

    def _cookies(self) -> list[str]:
        """The values of our cookie; a page of another port can have set one of its name too."""
        pairs = [
            one.strip().partition("=")
            for line in self.headers.get_all("Cookie") or []
            for one in line.split(";")
        ]
        return [value for name, _, value in pairs if name == self.server.cookie]

    def _refuse(self) -> None:
        self.close_connection = True  # what it would send us is not read
        self._send(
            HTTPStatus.METHOD_NOT_ALLOWED, b"This server is for reading alone.\n", allow="GET, HEAD"
        )

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _send_part(self, part: bytes, held: str) -> None:
        """Send a part, unless the page holds it already."""
        version = hashlib.blake2b(part, digest_size=8).hexdigest()
        if held == version:
            self._send(HTTPStatus.NO_CONTENT, b"")
        else:
            self._send(HTTPStatus.OK, part, _HTML, version=version)

    def _send_file(self, file: BinaryIO, kind: str) -> None:
        """Send a file as long as it was when it was opened, piece by piece."""
        left = os.fstat(file.fileno()).st_size
        self._send_head(HTTPStatus.OK, left, kind, _THEIRS)
        while self.command != "HEAD" and left:
            piece = file.read(min(left, _PIECE))
            if not piece:  # it was cut meanwhile
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
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
        if self._is_new and self.server.token:
            self.send_header("Set-Cookie", f"{self.server.cookie}={self.server.token}; {_COOKIE}")
        for name, value in {**_ALWAYS, "Content-Security-Policy": policy}.items():
            self.send_header(name, value)
        for name, value in more.items():
            self.send_header({"allow": "Allow", "version": "ETag"}[name], value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a page asks every other second."""
