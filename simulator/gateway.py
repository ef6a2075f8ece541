"""What every service behind a gateway of the WSO2 kind has in common: tokens, answers, connections that can be broken.

Belongs here: the token endpoint, the refusals of the gateway itself, a server that can be taken down in the middle of
whatever it does and comes back on its port.
Stays out: what a service answers and which request fails (`story.registry`, `systems.web`, `national.service`).
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN_PATH = "/token"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `fault`: the fault that made it so; `records`: how many records it holds."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    fault: str | None = None
    records: int = 0


def json_answer(status: int, content: Any, **extra: Any) -> Answer:
    """An answer whose body is JSON; `extra`: other fields of `Answer`."""
    return Answer(status, json.dumps(content, ensure_ascii=False).encode(), **extra)


def not_found() -> Answer:
    """No service on this path."""
    return json_answer(404, {"fault": {"code": 404, "message": "Not Found", "description": "No matching resource"}})


def throttled(retry_after_seconds: int, fault: str) -> Answer:
    """Asked too often."""
    description = "You have exceeded your quota"
    body = {"fault": {"code": 900800, "message": "Message throttled out", "description": description}}
    return json_answer(429, body, headers=(("Retry-After", str(retry_after_seconds)),), fault=fault)


def bad_gateway(fault: str) -> Answer:
    """The gateway cannot reach the service: a page for people, not JSON."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
    return Answer(502, page, "text/html", fault=fault)


class Gateway:
    """A service behind a gateway: one consumer, one living token. Steps: `up`, then `down` and `up` at will."""

    api = ""  # /name/version, as the gateway's refusals name it

    def __init__(self, handler: type[Handler], key: str, secret: str, port: int = 0) -> None:
        """`port`: 0 for any free one, which the service then keeps."""
        self.key, self.secret = key, secret
        self._handler = handler
        self._port = port
        self._server: Server | None = None
        self._lock = threading.RLock()
        self._token: str | None = None
        self._token_uses = 0

    @property
    def base(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_up(self) -> bool:
        """True when the service answers."""
        return self._server is not None

    def up(self) -> None:
        """Serve (again), on the same port as before; nothing when it does."""
        if self._server is None:
            self._server = Server(self._port, self._handler, self)
            self._port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name=self.api).start()

    def down(self) -> None:
        """Refuse new connections and break those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.break_connections()

    def answer_token(self, authorization: str, form: dict[str, list[str]]) -> Answer:
        """Client credentials for a token; the same one until it dies."""
        expected = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        if authorization != f"Basic {expected}":
            refusal = {"error": "invalid_client", "error_description": "Client Authentication failed."}
            return json_answer(401, refusal)
        if form.get("grant_type") != ["client_credentials"]:
            refusal = {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type value"}
            return json_answer(400, refusal)
        with self._lock:
            if self._token is None:
                self._token, self._token_uses = secrets.token_hex(16), 0
            token = self._token
        scope = "am_application_scope default"
        return json_answer(200, {"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": 3600})

    def authorise(self, authorization: str) -> Answer | None:
        """None when the token is good, and one more use of it is counted; the refusal otherwise."""
        with self._lock:
            if not authorization.startswith("Bearer "):
                return self._unauthorised(900902, "Missing Credentials")
            if self._token is None or authorization != f"Bearer {self._token}":
                return self._unauthorised(900901, "Invalid Credentials")
            self._token_uses += 1
            return None

    def expire(self, fault: str) -> Answer:
        """The token dies with this request."""
        with self._lock:
            self._token = None
            return self._unauthorised(900901, "Invalid Credentials", fault=fault)

    def _unauthorised(self, code: int, message: str, fault: str | None = None) -> Answer:
        context, version = self.api.rsplit("/", 1)
        description = f"Access failure for API: {context}, version: {version}. Make sure you have provided the correct credentials"
        body = {"fault": {"code": code, "message": message, "description": description}}
        challenge = 'OAuth2 realm="WSO2 API Manager", error="invalid_token"'
        return json_answer(401, body, headers=(("WWW-Authenticate", challenge),), fault=fault)


class Server(ThreadingHTTPServer):
    """Knows its open connections, so that it can break them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, handler: type[Handler], gateway: Gateway) -> None:
        self.gateway = gateway
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the service."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def break_connections(self) -> None:
        """Close every open connection, in the middle of whatever it does."""
        for connection in list(self._open):
            break_connection(connection)


def break_connection(connection: socket.socket) -> None:
    """Close a connection in the middle of whatever it does."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client had closed it already


def free_port() -> int:
    """A free port outside the system's ephemeral range, so that nobody takes it while the server is down."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Handler(BaseHTTPRequestHandler):
    """One connection of a gateway's server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart
    server: Server

    def read_body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def send(self, answer: Answer, *, cut: bool = False) -> None:
        """Write an answer; `cut`: half of its body only, then close."""
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if cut:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Each service keeps a record of its own."""
