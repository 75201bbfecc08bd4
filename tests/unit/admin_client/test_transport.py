"""What the client does when things go wrong on the way: real sockets, and a server that does what it is told."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.admin_client import AdminClient, transport
from zakrom.testing.certificates import make_certificates

Step = Callable[[http.server.BaseHTTPRequestHandler], None]

HEALTHY = b'{"ready":true}'


def answer(status: int, body: bytes) -> Step:
    """A step that answers."""

    def step(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return step


def problem(status: int, code: str, **fields: str) -> Step:
    """A step that answers with an error."""
    return answer(status, json.dumps({"code": code, "message": "words", "fields": fields}).encode())


def hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
    """A step that closes the connection."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def sleep(handler: http.server.BaseHTTPRequestHandler) -> None:
    """A step that says nothing for longer than the client waits."""
    time.sleep(0.6)


class Scripted:
    """A server that takes one step per request, and remembers them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                script.seen.append((self.command, self.path, dict(self.headers)))
                self.rfile.read(int(self.headers.get("content-length", "0")))
                script.steps.pop(0)(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - http.server's own names

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def client(self, scheme: str = "http", **options: object) -> AdminClient:
        """A client of it."""
        given = {"timeout_seconds": 0.4, **options}
        return AdminClient(f"{scheme}://127.0.0.1:{self.port}", "key", "secret", **given)  # type: ignore[arg-type]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A running one; retries come quickly."""
    monkeypatch.setattr(transport, "RETRY_SECONDS", (0.01, 0.01, 0.01))
    scripted = Scripted()
    scripted.thread.start()
    yield scripted
    scripted.server.shutdown()
    scripted.thread.join()
    scripted.server.server_close()


def test_a_reading_call_is_tried_again(scripted: Scripted) -> None:
    """A connection that breaks, a server that cannot answer now, one that asks to slow down: three tries more."""
    scripted.steps = [hang_up, problem(503, "ServiceUnavailable"), problem(503, "SlowDown"), answer(200, HEALTHY)]

    assert scripted.client().health().ready
    assert len(scripted.seen) == 4


def test_patience_ends(scripted: Scripted) -> None:
    """After that the error is the caller's."""
    scripted.steps = [hang_up] * 4

    with pytest.raises(errors.ServiceUnavailable, match="cannot be reached"):
        scripted.client().health()
    assert len(scripted.seen) == 4


def test_a_silent_server_is_not_waited_for_for_ever(scripted: Scripted) -> None:
    """What took the whole time of a call is not tried again as often as what failed at once."""
    scripted.steps = [sleep, sleep]
    started = time.monotonic()

    with pytest.raises(errors.ServiceUnavailable, match="in time"):
        scripted.client().health()

    assert time.monotonic() - started < 2


@pytest.mark.parametrize("step", [hang_up, sleep])
def test_a_change_is_never_repeated(scripted: Scripted, step: Step) -> None:
    """It may have been made: the caller is told that nobody knows."""
    scripted.steps = [step]

    with pytest.raises(errors.OutcomeUnknown):
        scripted.client().set_quota(1)
    assert len(scripted.seen) == 1


def test_a_refused_change_is_not_repeated_either(scripted: Scripted) -> None:
    """The server's error is the caller's, at once."""
    scripted.steps = [problem(503, "ServiceUnavailable")]

    with pytest.raises(errors.ServiceUnavailable):
        scripted.client().clear_quota()


def test_nobody_there_is_said_so() -> None:
    """With the endpoint and a hint, and no traceback of sockets; a change has surely not been made then."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = AdminClient(f"http://127.0.0.1:{port}", "key", "secret")

    with pytest.raises(errors.ServiceUnavailable, match=str(port)) as caught:
        client.set_quota(1)
    assert not isinstance(caught.value, errors.OutcomeUnknown)


def test_the_servers_region_is_learnt(scripted: Scripted) -> None:
    """Nobody has to configure it: the refusal names it, and the call is signed anew. Later calls use it at once."""
    scripted.steps = [
        problem(400, "AuthorizationHeaderMalformed", region="eu-north-7"),
        answer(200, HEALTHY),
        answer(200, HEALTHY),
    ]
    client = scripted.client()

    client.health()
    client.health()

    scopes = [headers["authorization"].split("/")[2] for _, _, headers in scripted.seen]
    assert ["us-east-1", "eu-north-7", "eu-north-7"] == scopes


def test_a_region_that_is_refused_twice_is_an_error(scripted: Scripted) -> None:
    """No loop."""
    scripted.steps = [problem(400, "AuthorizationHeaderMalformed", region="us-east-1")]

    with pytest.raises(errors.AuthorizationHeaderMalformed):
        scripted.client().health()


@pytest.mark.parametrize("step", [answer(404, b"<html>nginx</html>"), answer(200, b"<html>hello</html>"), answer(200, b"[1]")])
def test_another_server_is_recognised(scripted: Scripted, step: Step) -> None:
    """Whoever asks the S3 port, or a router, is told so."""
    scripted.steps = [step]

    with pytest.raises(errors.InvalidSetting):
        scripted.client().health()


def test_a_gateways_error_is_an_outage(scripted: Scripted) -> None:
    """A proxy before a server that starts."""
    scripted.steps = [answer(502, b"<html>Bad gateway</html>"), answer(200, HEALTHY)]

    assert scripted.client().health().ready


def test_an_endless_answer_is_not_read(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit."""
    monkeypatch.setattr(transport, "ANSWER_BYTES_MAX", 10)
    scripted.steps = [answer(200, HEALTHY)]

    with pytest.raises(errors.InvalidSetting):
        scripted.client().health()


def test_a_newer_servers_answer_is_read(scripted: Scripted) -> None:
    """Fields that this client does not know are left alone."""
    scripted.steps = [answer(200, b'{"ready":true,"since":"yesterday"}')]

    assert scripted.client().health().ready


def test_certificates_are_checked(scripted: Scripted, tmp_path: Path) -> None:
    """A private authority is trusted when it is given, and only then; unless one insists."""
    made = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    scripted.server.socket = context.wrap_socket(scripted.server.socket, server_side=True)
    scripted.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a handshake that the client ends
    scripted.steps = [answer(200, HEALTHY)] * 2

    assert scripted.client("https", ca=made.authority, timeout_seconds=5).health().ready
    assert scripted.client("https", verify=False, timeout_seconds=5).health().ready
    with pytest.raises(errors.InvalidSetting, match="not trusted"):
        scripted.client("https", timeout_seconds=5).health()


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:9001",
        "ftp://a:1",
        "http://",
        "http://a:x",
        "http://a/b",
        "http://a?b",
        "http://k:s@a",
        "http://a:0",
        "http://ä",
    ],
)
def test_an_endpoint_is_an_origin(endpoint: str) -> None:
    """Anything else is refused before a byte is sent."""
    with pytest.raises(errors.InvalidSetting):
        AdminClient(endpoint, "key", "secret")


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", ""), ("a\r\nb: c", "s"), ("ä", "s")])
def test_a_key_that_cannot_be_sent_is_refused(key: str, secret: str) -> None:
    """Nothing of it gets into a header."""
    with pytest.raises(errors.InvalidSetting):
        AdminClient("http://127.0.0.1:1", key, secret)


def test_a_missing_authority_is_named(tmp_path: Path) -> None:
    """The file's name, and no traceback."""
    with pytest.raises(errors.InvalidSetting, match="nowhere"):
        AdminClient("https://127.0.0.1:1", "k", "s", ca=tmp_path / "nowhere.pem")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_that_are_no_steps_of_a_path_are_refused(name: str) -> None:
    """A proxy would make another call of them: the removal of nobody must not become something else."""
    with pytest.raises(errors.InvalidArgument):
        AdminClient("http://127.0.0.1:1", "k", "s").remove_user(name)
