"""`zakrom.testing.access`: the signature of a request, and the environment of a client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from zakrom.testing.access import Access


class Recorder(BaseHTTPRequestHandler):
    """Keeps what it was sent and answers with nothing."""

    seen: list[tuple[str, str, dict[str, str], bytes]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def recorder() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    """A server that remembers requests: its endpoint, and what it saw."""
    handler = type("Handler", (Recorder,), {"seen": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.seen  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("path", "query", "headers"),
    [
        ("/granary", {}, {}),
        ("/granary/a b+c&ячмень//./%2F", {"partNumber": "1", "uploadId": "a+b/c ="}, {"X-Amz-Meta-Field": "  north   field "}),
        ("/granary/k", {"versions": "", "Prefix": "я~*'"}, {"Content-Type": "text/plain", "x-amz-acl": "private"}),
    ],
)
def test_the_signature_is_the_one_botocore_computes(path: str, query: dict[str, str], headers: dict[str, str]) -> None:
    """The request that arrives, signed again by botocore at the same time, has the same signature."""
    with recorder() as (endpoint, seen):
        answer = Access(endpoint, "key", "secret", "eu-south-9").request("PUT", path, query, b"grain", headers)
    method, target, sent, body = seen[0]
    own = {name: value for name, value in sent.items() if name not in {"authorization", "accept-encoding", "content-length"}}
    place = urlsplit(target)
    oracle = botocore.awsrequest.AWSRequest(method, f"{endpoint}{target}", headers=own, data=body)
    oracle.context["timestamp"] = sent["x-amz-date"]
    signer = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials("key", "secret"), "s3", "eu-south-9")
    to_sign = signer.string_to_sign(oracle, signer.canonical_request(oracle))

    assert (answer.status, answer.body, body) == (200, b"ok", b"grain")
    assert place.path.count("/") == path.count("/")
    assert sent["authorization"].endswith(f"Signature={signer.signature(to_sign, oracle)}")


def test_the_variables_lead_to_the_endpoint(tmp_path: Path) -> None:
    """Endpoint, key, region and the authority to trust are all there; the files of configuration are said to be elsewhere."""
    variables = Access("https://127.0.0.1:1", "key", "secret", "eu", Path("/ca.pem")).variables(tmp_path)

    assert variables["AWS_ENDPOINT_URL_S3"] == "https://127.0.0.1:1"
    assert variables["AWS_CA_BUNDLE"] == "/ca.pem"
    assert (variables["AWS_REGION"], variables["AWS_SECRET_ACCESS_KEY"]) == ("eu", "secret")
    assert Path(variables["AWS_SHARED_CREDENTIALS_FILE"]).parent == tmp_path
