"""The gate: who gets to the calls, and what becomes of the others."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import json
import socket
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from zakrom.admin import gate
from zakrom.testing.access import Access
from zakrom.wire import sigv4

from .running import Running, until

EMPTY = hashlib.sha256().hexdigest()


def signed(running: Running, method: str, target: str, payload: str, *, now_ms: int | None = None) -> dict[str, str]:
    """The headers of a call of root's with that x-amz-content-sha256."""
    keys = sigv4.Credentials(running.access.access_key, running.access.secret_key)
    headers = {"host": urlsplit(running.endpoint).netloc, "content-type": "application/json"}
    return sigv4.sign_headers(keys, method, target, headers, now_ms=now_ms or int(time.time() * 1000), payload=payload)


def ask(running: Running, method: str, target: str, headers: dict[str, str], body: object = None) -> tuple[int, Any, Any]:
    """Status, document and headers of one request, sent as it is."""
    with closing(http.client.HTTPConnection(urlsplit(running.endpoint).netloc, timeout=10)) as connection:
        connection.request(method, target, body, headers)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers


def raw(running: Running, data: bytes) -> bytes:
    """What the server answers to these bytes until it closes the connection."""
    where = urlsplit(running.endpoint)
    assert where.hostname
    with socket.create_connection((where.hostname, where.port), timeout=10) as line:
        line.sendall(data)
        said = b""
        while piece := line.recv(65536):
            said += piece
        return said


@pytest.mark.parametrize("target", ["/api/v1/info", "/api/v1/users", "/api/v1/nowhere", "/", "/docs/", "/api/v1/health/"])
def test_nothing_is_said_to_strangers(running: Running, target: str) -> None:
    """An unsigned call is refused with a hint, whatever it asks for, and learns not even whether it exists."""
    status, problem, headers = ask(running, "GET", target, {})

    assert (403, "AccessDenied") == (status, problem["code"])
    assert "sign the call" in problem["hint"]
    assert headers["x-amz-request-id"]


@pytest.mark.parametrize("target", ["/api/v1/health", "/openapi.json", "/docs"])
def test_what_is_public_needs_no_signature(running: Running, target: str) -> None:
    """Health and documentation tell of nobody's data."""
    with closing(http.client.HTTPConnection(urlsplit(running.endpoint).netloc, timeout=10)) as connection:
        connection.request("GET", target)
        assert connection.getresponse().status == 200


def test_a_wrong_secret_is_refused(running: Running) -> None:
    """With AWS's error, and without a word of the canonical request."""
    answer = Access(running.endpoint, running.access.access_key, "wrong").request("GET", "/api/v1/info")

    problem = json.loads(answer.body)
    assert (403, "SignatureDoesNotMatch") == (answer.status, problem["code"])
    assert {"aws_access_key_id"} == set(problem["fields"])


def test_an_unknown_key_is_refused(running: Running) -> None:
    """By its name."""
    answer = Access(running.endpoint, "nobody", "x").request("GET", "/api/v1/info")

    assert (403, "InvalidAccessKeyId") == (answer.status, json.loads(answer.body)["code"])


def test_a_key_of_old_signatures_is_refused(running: Running) -> None:
    """A signature of an hour ago is no signature: what was recorded cannot be played again for ever."""
    hour_ago = int(time.time() * 1000) - 3_600_000
    status, problem, _ = ask(running, "GET", "/api/v1/info", signed(running, "GET", "/api/v1/info", EMPTY, now_ms=hour_ago))

    assert (403, "RequestTimeTooSkewed") == (status, problem["code"])


def test_a_presigned_link_does_not_open_the_door(running: Running) -> None:
    """Links travel; an administration must not travel with them."""
    keys = sigv4.Credentials(running.access.access_key, running.access.secret_key)
    link = sigv4.presign(keys, "GET", f"{running.endpoint}/api/v1/users", now_ms=int(time.time() * 1000))

    status, problem, _ = ask(running, "GET", link.removeprefix(running.endpoint), {})

    assert (403, "AccessDenied") == (status, problem["code"])


def test_a_body_must_be_signed(running: Running) -> None:
    """UNSIGNED-PAYLOAD will do for a call without a body (curl sends it), not for one with: others could put in theirs."""
    nothing = signed(running, "GET", "/api/v1/me", sigv4.UNSIGNED_PAYLOAD)
    something = signed(running, "POST", "/api/v1/users", sigv4.UNSIGNED_PAYLOAD)

    assert ask(running, "GET", "/api/v1/me", nothing)[0] == 200
    status, problem, _ = ask(running, "POST", "/api/v1/users", something, b'{"name":"eve"}')
    assert (400, "XAmzContentSHA256Mismatch") == (status, problem["code"])


def test_another_body_than_the_signed_one_is_refused(running: Running) -> None:
    """Nothing was done."""
    promised = hashlib.sha256(b'{"name":"ada"}').hexdigest()

    status, problem, _ = ask(
        running, "POST", "/api/v1/users", signed(running, "POST", "/api/v1/users", promised), b'{"name":"eve"}'
    )

    assert (400, "XAmzContentSHA256Mismatch") == (status, problem["code"])
    assert "eve" not in {user.name for user in running.root.users()}


def test_a_body_in_chunks_is_a_body(running: Running) -> None:
    """Transfer-Encoding: chunked is read and checked like any other."""
    body = b'{"name":"chunky"}'
    headers = signed(running, "POST", "/api/v1/users", hashlib.sha256(body).hexdigest())

    assert ask(running, "POST", "/api/v1/users", headers, iter([body[:5], body[5:]]))[0] == 201


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(running: Running, chunked: bool) -> None:
    """Before it is read, or when the limit is passed; the client is told that the connection ends."""
    body = b" " * (gate.BODY_BYTES_MAX + 1)
    headers = signed(running, "POST", "/api/v1/users", hashlib.sha256(body).hexdigest())

    status, problem, answered = ask(running, "POST", "/api/v1/users", headers, iter([body]) if chunked else body)

    assert (400, "MaxMessageLengthExceeded") == (status, problem["code"])
    assert problem["fields"]["max_message_length_bytes"] == gate.BODY_BYTES_MAX
    assert answered["connection"] == "close"


def test_a_stranger_cannot_make_us_read(running: Running) -> None:
    """A large unsigned body is not even waited for."""
    head = b"POST /api/v1/users HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"

    said = raw(running, head)

    assert b"403" in said.split(b"\r\n")[0]
    assert b"connection: close" in said


def test_a_body_that_does_not_come_is_not_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed head and then silence: an answer within the limit."""
    monkeypatch.setattr(gate, "BODY_SECONDS_MAX", 0.2)
    headers = signed(running, "POST", "/api/v1/users", EMPTY)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    said = raw(running, f"POST /api/v1/users HTTP/1.1\r\n{lines}content-length: 10\r\n\r\n12345".encode())

    assert b"RequestTimeout" in said


def test_a_body_is_asked_for_only_after_the_signature_was_checked(running: Running) -> None:
    """`Expect: 100-continue` without a good signature: no 100, but the refusal."""
    said = raw(running, b"POST /api/v1/users HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 14\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 403")


def test_answers_are_kept_by_nobody(running: Running) -> None:
    """An answer may hold a secret: no cache, no guessing of types, no frames."""
    headers = running.access.request("GET", "/api/v1/me").headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_every_call_is_reported_once(running: Running) -> None:
    """With who, what, and how it went: for the access line and the metrics; refused ones too."""
    running.settle()

    running.access.request("GET", "/api/v1/users/nobody-here")
    ask(running, "GET", "/api/v1/info", {})
    until(lambda: len(running.served) == 2)
    done, refused = running.served

    assert ("GET", "/api/v1/users/nobody-here", "admin:GetUser", 404, "NoSuchUser", running.access.access_key) == (
        done.method,
        done.path,
        done.action,
        done.status,
        done.code,
        done.access_key,
    )
    assert ("admin:Unknown", 403, "AccessDenied", None) == (refused.action, refused.status, refused.code, refused.access_key)
    assert done.request_id != refused.request_id
    assert done.bytes_out > 0 < done.seconds


def test_no_report_holds_a_secret(running: Running) -> None:
    """What goes to the log has neither the signature nor what was sent or made."""
    running.settle()

    made = running.root.add_user("logged", access_key="LOGGED", secret_key="very-secret")

    assert made.key is not None
    until(lambda: len(running.served) == 1)
    assert "very-secret" not in str([dataclasses.asdict(made.user), *running.served])
    assert "very-secret" not in repr(made)


def test_a_bug_is_answered_like_any_other_error(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document with status 500 that tells nothing of the inside; the next call works."""

    def broken(user: str | None) -> None:
        raise ZeroDivisionError("inner words")

    with monkeypatch.context() as patch:
        patch.setattr(running.catalog, "access_keys", broken)
        answer = running.access.request("GET", "/api/v1/keys")

    assert (500, "Error") == (answer.status, json.loads(answer.body)["code"])
    assert b"inner words" not in answer.body
    until(lambda: any(call.status == 500 for call in running.served))
    assert running.access.request("GET", "/api/v1/keys").status == 200
