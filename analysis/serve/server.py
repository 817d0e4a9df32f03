"""The server: on this machine only, and only for who has the token of the address that was printed.

A request is answered when its Host is this machine by name (another name here means that a page elsewhere has bound its
own name to this address), and when the first part of its path is the token. A request that writes must come from a page
of this server. Nothing may be framed, fetched or run from elsewhere: see ``policy``.
"""

import base64
import hashlib
import hmac
import secrets
import sys
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from analysis.plots.common import plotly_js
from analysis.read.load import RunError
from analysis.report.page import SCRIPTS, script
from analysis.serve.notes import LARGEST
from analysis.serve.pages import Bar
from analysis.serve.runs import Runs
from analysis.serve.site import Answer, Site
from tune_ks.core.lasting_words import say_error, say_line
from tune_ks.core.storage import StoragePath

ADDRESS = "127.0.0.1"
HERE = (ADDRESS, "localhost", "::1")  # names of this machine, also at the near end of ssh -L
PORT = 8765
PORTS = 50  # that are tried
LARGEST_FORM = 4 * LARGEST  # bytes: in a form most letters of some scripts become three bytes each
FORM = "application/x-www-form-urlencoded"
PATIENCE = 30  # seconds that a request may take to arrive
TOKEN_BYTES = 24


class Server(ThreadingHTTPServer):
    """A site on a port of this machine; ``token`` opens it."""

    daemon_threads = True
    block_on_close = False  # a browser that keeps a connection open does not delay the end

    def __init__(self, runs: Runs, port: int) -> None:
        """OSError where the port is in use or not allowed."""
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.site = Site(runs, self.token)
        super().__init__((ADDRESS, port), Handler)

    @property
    def url(self) -> str:
        """The address of the first page, with the token."""
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no fault; any other is said in a line."""
        error = sys.exception()
        if not isinstance(error, OSError):
            say_error(f"a request failed, which is a fault of this program: {type(error).__name__}: {error}")


class Refused(Exception):
    """A request that gets nothing but a status and a few words."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._answer(self._read)

    def do_HEAD(self) -> None:
        self._answer(self._read)

    def do_POST(self) -> None:
        self._answer(self._write)

    def _read(self) -> Answer:
        path, query = self._below_token()
        try:
            return self.server.site.get(path, query)
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"the address cannot be read: {error}") from None

    def _write(self) -> Answer:
        path, _ = self._below_token()
        if self.headers.get_all("Origin") != [f"http://{self.headers['Host']}"]:
            raise Refused(HTTPStatus.FORBIDDEN, "only a page of this server may send this")
        return self.server.site.post(path, self._form())

    def _below_token(self) -> tuple[str, str]:
        """(path, query) of the address below the token. Refused for another host, and without the token."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or _host(hosts[0]) not in HERE:
            raise Refused(HTTPStatus.FORBIDDEN, "the address must begin with http://127.0.0.1 or http://localhost")
        try:
            address = urlsplit(self.path)
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "the address cannot be read") from None
        token, slash, path = address.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()) or not slash:
            raise Refused(HTTPStatus.FORBIDDEN, "open the whole address that was printed when the server started")
        return path, address.query

    def _form(self) -> bytes:
        """The body of a form."""
        if self.headers.get_content_type() != FORM:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a form is sent as {FORM}")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a form says its length")
        if int(length[:12]) > LARGEST_FORM:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"notes are at most {LARGEST} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refused(HTTPStatus.BAD_REQUEST, "the form ended early")
        return body

    def _answer(self, work: Any) -> None:
        try:
            self._send(work())
        except Refused as refused:
            self.send_error(refused.status, str(refused))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A status and a few words as plain text; the words of a request are not among them."""
        status = HTTPStatus(code)
        words = message if isinstance(sys.exception(), Refused) and message else status.phrase
        self.close_connection = True
        self._send(Answer(status, f"{status.value}: {words}\n".encode(), "text/plain; charset=utf-8"))

    def end_headers(self) -> None:
        """Every answer keeps other sites out, and stays in no cache: the address holds the token."""
        for name, value in headers().items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        return "tune_ks"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address holds the token."""


def _host(text: str) -> str | None:
    """The name in a Host header, without the port; None where it has not its form."""
    try:
        return urlsplit(f"//{text}").hostname
    except ValueError:
        return None


@lru_cache(maxsize=1)
def headers() -> dict[str, str]:
    """The headers of every answer."""
    return {
        "Content-Security-Policy": policy(),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",  # with less, a browser would not say where a form comes from
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def policy() -> str:
    """What a page may do: run the scripts of this program, by their hashes, and ask this server; nothing else.

    plotly makes style elements, and compiles its WebGL figures with eval.
    """
    trusted = [*(script(name) for name in (*SCRIPTS, Bar.script)), plotly_js()]
    hashes = " ".join(f"'sha256-{_sha256(text)}'" for text in trusted)
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def opened(runs: Runs, port: int) -> Server:
    """A server on the port, or on the next one that is free; port 0 takes any. OSError where none of them is."""
    last = min(port + PORTS, 65536)
    for number in range(port, last):
        try:
            return Server(runs, number)
        except OSError as error:
            if number == last - 1 or isinstance(error, PermissionError):
                raise OSError(
                    f"no port from {port} to {last - 1} can be used ({error.strerror}): try another --port"
                ) from error
    raise OSError(f"a port is below 65536, got {port}")


def serve(
    place: str | StoragePath, settings: Mapping[str, Any], are_defaults: bool, images: bool = True, port: int = PORT
) -> None:
    """Serve a run folder, or the runs of a folder, until Ctrl-C. RunError where there is nothing to serve.

    ``settings`` are those of analyse(). Where they are all defaults, the runs of a folder have those of their last
    analysis. A single run is analysed before its address is printed.
    """
    try:
        runs = Runs(place, settings, are_defaults, images)
        if not runs.is_folder:
            _analyse_first(runs)
        with opened(runs, port) as server:
            if port and server.server_port != port:
                say_line(f"port {port} is in use; this is {server.server_port}")
            say_line(f"serving {runs.root} at {server.url}")
            say_line("on this machine only; the address is the key, so pass it on to nobody. Ctrl-C ends it")
            server.serve_forever()
    except KeyboardInterrupt:
        say_line("stopped")


def _analyse_first(runs: Runs) -> None:
    run = runs.all()[0]
    run.make()
    if run.made is not None and run.made.fault:
        raise RunError(run.made.fault)
