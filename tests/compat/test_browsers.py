"""What browsers and the programs that serve them do: presigned forms, rules for other origins, websites."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.config import Config

from zakrom.testing.access import Access
from zakrom.testing.server import Server, free_ports

from .kit import MIB, over_both, run, sample

ORIGIN = "https://granary.example"
SECONDS = 30


def send(access: Access, form: dict[str, Any], file: bytes, name: str = "rye.txt") -> requests.Response:
    """The form that ``generate_presigned_post`` made, sent as its guide shows."""
    verify = str(access.authority) if access.authority else True
    return requests.post(
        form["url"], data=form["fields"], files={"file": (name, file)}, verify=verify, timeout=SECONDS, allow_redirects=False
    )


@over_both
@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_post(access: Access, bucket: str, version: str) -> None:
    """boto3 makes the form, requests sends it: a small file, and one that is streamed."""
    s3 = access.client()
    form = access.client(config=Config(signature_version=version)).generate_presigned_post(
        bucket,
        "in/${filename}",
        Fields={"Content-Type": "text/x-rye", "x-amz-meta-field": "north", "success_action_status": "201"},
        Conditions=[
            {"Content-Type": "text/x-rye"},
            {"x-amz-meta-field": "north"},
            {"success_action_status": "201"},
            ["content-length-range", 1, 20 * MIB],
        ],
        ExpiresIn=60,
    )
    for body in (b"rye", sample(10 * MIB)):
        answer = send(access, form, body)
        got = s3.get_object(Bucket=bucket, Key="in/rye.txt")

        assert answer.status_code == 201, answer.text
        assert got["Body"].read() == body
        assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("text/x-rye", {"field": "north"}, answer.headers["ETag"])
    assert send(access, form, b"").status_code == 400
    assert send(access, form | {"fields": form["fields"] | {"key": "out/${filename}"}}, b"x").status_code == 403
    assert send(access, form | {"fields": form["fields"] | {"acl": "private"}}, b"x").status_code == 403


def test_rules_for_other_origins(access: Access, bucket: str) -> None:
    """boto3 sets them, a browser's preflight and its request are told."""
    s3 = access.client()
    rules = [
        {
            "ID": "pages",
            "AllowedOrigins": [ORIGIN],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["content-*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        }
    ]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    preflight = requests.options(url, headers={"Origin": ORIGIN, **asked}, timeout=SECONDS)
    sent = requests.put(url, data=b"rye", headers={"Origin": ORIGIN}, timeout=SECONDS)
    strange = requests.options(url, headers={"Origin": "https://else.example", **asked}, timeout=SECONDS)

    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Headers"]) == (200, "content-type")
    assert (sent.status_code, sent.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    assert strange.status_code == 403
    s3.delete_bucket_cors(Bucket=bucket)
    assert requests.options(url, headers={"Origin": ORIGIN, **asked}, timeout=SECONDS).status_code == 403


@pytest.mark.parametrize("aws_cli", ["1", "2"], indirect=True, ids=["v1", "v2"])
def test_the_commands_of_aws_cli(aws_cli: str, access: Access, home: Path, bucket: str) -> None:
    """``s3 website`` and ``s3api put-bucket-cors``, as its guide has them."""
    env = access.environment(home)

    def aws(*arguments: str) -> str:
        return run([aws_cli, "--endpoint-url", access.endpoint, *arguments], env)

    aws("s3", "website", f"s3://{bucket}", "--index-document", "index.html", "--error-document", "error.html")
    rules = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
    aws("s3api", "put-bucket-cors", "--bucket", bucket, "--cors-configuration", json.dumps(rules))
    site = access.client().get_bucket_website(Bucket=bucket)

    assert (site["IndexDocument"], site["ErrorDocument"]) == ({"Suffix": "index.html"}, {"Key": "error.html"})
    assert json.loads(aws("s3api", "get-bucket-cors", "--bucket", bucket, "--output", "json")) == rules


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Access, int]]:
    """A server with websites: on hosts of the S3 socket, and on a socket of their own."""
    [port] = free_ports(1)
    arguments = ["--website-domain", "web.example.org", "--website-address", f"127.0.0.1:{port}"]
    with Server(args=arguments) as server:
        yield server.access, port


def look(port: int, host: str, path: str) -> tuple[int, str | None, bytes]:
    """Status, Location and page, as a browser asks for them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.getheader("location"), answer.read()
    finally:
        connection.close()


def test_websites_have_hosts_and_a_socket(site: tuple[Access, int]) -> None:
    """Both answer by the bucket's configuration; the S3 API stays where it is. Nothing is shown that nobody allowed."""
    access, port = site
    api = urlsplit(access.endpoint).port
    assert api is not None
    s3 = access.client()
    for bucket in ("granary", "moved"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="granary", Key="index.html", Body=b"private")
    s3.put_bucket_website(Bucket="granary", WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_bucket_website(Bucket="moved", WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "a.example"}})

    for where, host, path in [
        (api, "moved.web.example.org", "/x"),
        (port, "moved.web.example.org", "/x"),
        (port, "a", "/moved/x"),
    ]:
        assert look(where, host, path) == (301, "http://a.example/x", b"")
    status, _, page = look(port, "granary.web.example.org", "/")
    assert (status, page.startswith(b"<html>"), b"private" in page) == (403, True, False)
    assert look(port, "none.web.example.org", "/")[0] == 404
    assert s3.get_object(Bucket="granary", Key="index.html")["Body"].read() == b"private"
