"""HTTP on loopback for tests: listeners that answer, keep a log, and fail when told to."""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as received.

    Attributes:
        listener: the name of the listener.
        method: such as ``"GET"``.
        target: path and query, as in the request line.
        headers: by name in lower case.
        body: of the request.
    """

    listener: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path without the query, still quoted."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The values of each key."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def line(self) -> str:
        """Method and target, which faults and tests search."""
        return f"{self.method} {self.target}"


@dataclass(kw_only=True)
class Answer:
    """What a listener answers. A header whose value is None is left out."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str | None] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(kw_only=True)
class Fault:
    """A fault of the server or the connection, for requests that match a pattern.

    Attributes:
        pattern: searched in ``"METHOD /path?query"``.
        times: how many requests it hits; -1 for all.
        skip: how many matching requests to let pass first.
        status: to answer with; from 400 on the request is not carried out.
        headers: to add, to replace or, where the value is None, to leave out.
        body: to answer with.
        flip: whether to flip one bit in the middle of the body.
        delay: seconds to wait before the answer.
        drop: close the connection without an answer, before (``"request"``) or after
            (``"answer"``) the request is carried out.
        cut_after: close the connection after this many bytes of the body.
        stall_after: after this many bytes, send nothing for ``delay`` seconds, then close.
        reset: whether the connection closes with RST instead of FIN.
    """

    pattern: str
    times: int = 1
    skip: int = 0
    status: int | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    flip: bool = False
    delay: float = 0.0
    drop: Literal["request", "answer"] | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    reset: bool = False

    def hits(self, request: Request) -> bool:
        """Whether the fault hits this request; a match is counted."""
        if self.times == 0 or not re.search(self.pattern, request.line):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= self.times > 0
        return True

    def change(self, answer: Answer) -> Answer:
        """Return the answer to send instead."""
        body = answer.body if self.body is None else self.body
        if self.flip and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        return Answer(
            status=answer.status if self.status is None else self.status,
            body=body,
            headers={**answer.headers, **self.headers},
            content_type=answer.content_type,
        )


class Log:
    """The requests received by several listeners, and the faults for further ones."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()

    def take(self, request: Request) -> Fault | None:
        """Record a request and return the fault that hits it, if any."""
        with self._lock:
            self.requests.append(request)
            return next((fault for fault in self.faults if fault.hits(request)), None)

    def lines(self, pattern: str = "") -> list[str]:
        """Method and target of the requests so far that match a pattern."""
        return [one.line for one in list(self.requests) if re.search(pattern, one.line)]

    def clear(self) -> None:
        """Forget all requests and faults."""
        with self._lock:
            self.requests.clear()
            self.faults.clear()


class Listener:
    """An HTTP server on a port of 127.0.0.1, in its own threads.

    Args:
        name: of the listener, for the log.
        host: that clients use; another name for the same address is another origin.
        respond: answers a request.
        log: where requests are recorded.
        port: 0 for a free one.
    """

    def __init__(
        self,
        *,
        name: str,
        host: str,
        respond: Callable[[Request], Answer],
        log: Log,
        port: int = 0,
    ) -> None:
        self._server = _Server(("127.0.0.1", port), _handler(name, respond, log))
        self.url = f"http://{host}:{self._server.server_port}"

    def start(self) -> None:
        """Start serving."""
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        """Stop, close all connections, and free the port."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            with suppress(OSError):  # already closed
                connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    """Tracks its connections, which clients keep open for their next request."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a client has disconnected
            super().handle_error(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)


def ranged(request: Request, content: bytes) -> Answer:
    """Answer as a file server does: with all of the content, or the requested range."""
    answer = Answer(
        body=content, headers={"Accept-Ranges": "bytes"}, content_type="application/octet-stream"
    )
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if wanted is None or wanted[0] == "bytes=-":
        return answer
    size = len(content)
    if wanted[1]:
        first, last = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
    else:
        first, last = max(0, size - int(wanted[2])), size - 1
    if first >= size:
        return Answer(status=416, headers={"Content-Range": f"bytes */{size}"})
    answer.status = 206
    answer.body = content[first : last + 1]
    answer.headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return answer


def _handler(
    name: str, respond: Callable[[Request], Answer], log: Log
) -> type[BaseHTTPRequestHandler]:
    """Make the request handler of a listener."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One send per answer: Nagle's algorithm and delayed acknowledgements cost 40 ms otherwise.
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *arguments: object) -> None:
            pass

        def _handle(self) -> None:
            try:
                self._answer()
            except OSError:  # the client has disconnected
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

        def _answer(self) -> None:
            request = Request(
                listener=name,
                method=self.command,
                target=self.path,
                headers={key.lower(): value for key, value in self.headers.items()},
                body=self._body(),
            )
            fault = log.take(request)
            if fault is None:
                self._send(respond(request))
                return
            if fault.stall_after is None:
                time.sleep(fault.delay)
            if fault.drop == "request":
                self._hang_up(fault.reset)
                return
            refused = fault.status is not None and fault.status >= 400
            answer = Answer(body=b'{"error": "injected"}') if refused else respond(request)
            if fault.drop == "answer":
                self._hang_up(fault.reset)
                return
            self._send(fault.change(answer), fault)

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return b"".join(self._chunks())

        def _chunks(self) -> Iterable[bytes]:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _send(self, answer: Answer, fault: Fault | None = None) -> None:
            headers = {
                "Content-Type": answer.content_type,
                "Content-Length": str(len(answer.body)),
                **answer.headers,
            }
            self.send_response(answer.status)
            for key, value in headers.items():
                if value is not None:
                    self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            stop = None
            if fault is not None:
                stop = fault.stall_after if fault.cut_after is None else fault.cut_after
            self.wfile.write(answer.body[:stop])
            if fault is not None and stop is not None:
                self.wfile.flush()
                if fault.stall_after is not None:
                    time.sleep(fault.delay)
                self._hang_up(fault.reset)

        def _hang_up(self, reset: bool) -> None:
            self.close_connection = True
            if reset:
                time.sleep(0.05)  # let what was written arrive first
                now = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

    return Handler
