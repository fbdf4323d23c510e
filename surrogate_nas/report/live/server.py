"""The server of live pages: read-only, and reachable from this machine only.

Other websites must not read results through the user's browser. So the server refuses host names
other than this machine's (DNS rebinding), and its headers forbid framing and reading across
origins. Browsers show the files of results in a sandbox, since a user's code may have written them.

Other users of this machine can reach its loopback address too. So the address of the first page
ends in a token, which the browser stores as a cookie. Requests without it are refused.
"""

from __future__ import annotations

import errno
import hmac
import io
import os
import secrets
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.live.progress import Pages

ADDRESS = "127.0.0.1"
"""The loopback address, which other machines cannot reach."""
PORT = 8765
"""The default port."""
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
    """Serves one folder of results.

    Attributes:
        folder: The folder.
        address: The address of the first page, with the token.
        token: The secret of a browser; None where the server answers every user of this machine.
        pages: The pages of running studies.
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

    def __init__(self, folder: Path, port: int = PORT, *, with_token: bool = True) -> None:
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
        self.folder = folder.resolve()
        self.pages = Pages(self.folder)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            why = f"cannot be had ({error.strerror or error})"
            if error.errno == errno.EADDRINUSE:
                why = "is in use"
            advice = "Choose another with --port, or 0 for a free one"
            raise UserError(f"Port {port} of {ADDRESS} {why}. {advice}.") from error
        self.names = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}
        self.token = secrets.token_urlsafe(18) if with_token else None
        query = f"?token={self.token}" if self.token else ""
        self.address = f"http://{ADDRESS}:{self.server_port}/{query}"
        # browsers send cookies to all ports
        self.cookie = f"snas-{self.server_port}={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that went away; print other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def in_background(self) -> threading.Thread:
        """Answer in a thread of its own, until `shutdown`."""
        thread = threading.Thread(target=self.serve_forever, args=[0.1], daemon=True)
        thread.start()
        return thread


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
            explain = "This server answers to this machine's own address alone."
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, explain=explain)
            return None
        if not self._has_token():
            explain = "Open the address that snas printed, which ends in ?token="
            self.send_error(HTTPStatus.FORBIDDEN, explain=explain)
            return None
        target = self._target()
        if target is not None and not self.path.partition("?")[0].endswith("/"):
            self._more = {"Content-Security-Policy": _SANDBOX}
            return super().send_head()  # a file, or the way to the page of a folder
        page = self.server.pages.page(target) if target is not None else None
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND, explain="There is nothing here.")
            return None
        content = page.encode(errors="backslashreplace")
        if self.server.token:
            self._more = {
                "Set-Cookie": f"{self.server.cookie}; Path=/; HttpOnly; SameSite=Lax"
            }
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)

    def _has_token(self) -> bool:
        given = self.path.partition("?")[2].split("&")
        for line in self.headers.get_all("Cookie") or []:
            given += [part.strip() for part in line.split(";")]
        wanted = (f"token={self.server.token}".encode(), self.server.cookie.encode())
        texts = [text.encode(errors="replace") for text in given]
        return self.server.token is None or any(
            hmac.compare_digest(text, secret) for text in texts for secret in wanted
        )

    def _target(self) -> Path | None:
        """The folder, or the file of a kind that is served; None outside the root and if hidden."""
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
