"""Server access logs: asked for, gathered, delivered."""

from __future__ import annotations

import re
import shlex

import pytest

from zakrom.errors import Error
from zakrom.model.acl import ALL_USERS, LOG_DELIVERY
from zakrom.s3.bucket_logs import LINES_BYTES_MAX, BucketLogs, Ended
from zakrom.s3.door import Note

from .harness import ALICE, S3, Answer, canonical_id
from .test_acls import enable_acls, grant, grants, group


class Server:
    """What a worker does with requests that have ended."""

    def __init__(self, s3: S3) -> None:
        self.s3 = s3
        self.failed: list[tuple[str, Error]] = []
        self.logs = BucketLogs(s3.store, s3.now_ms, lambda *told: self.failed.append(told))

    def ask(self, method: str, path: str, query: str = "", **more: object) -> int:
        """A request that is answered and logged."""
        request = self.s3.request(method, path, query, **more)  # type: ignore[arg-type]
        response = self.s3.run(self.s3.door(request))
        note = response.note
        assert isinstance(note, Note)
        if note.logged is not None:
            sent = len(response.body) if isinstance(response.body, bytes) else 0
            self.logs.add(note.logged, Ended(request, response, response.status, sent, 0.25, note.request_id, note.code))
        return response.status

    def deliver(self) -> None:
        """The time has come."""
        self.s3.run(self.logs.deliver())

    def lines(self, target: str, prefix: str = "log/") -> list[str]:
        """What has been delivered."""
        keys = self.s3.ask("GET", target, {"prefix": prefix}).texts("Contents/Key")
        return [line for key in keys for line in self.s3.ask("GET", f"{target}/{key}").body.decode().splitlines()]


@pytest.fixture
def server(s3: S3) -> Server:
    """A worker's part in it."""
    return Server(s3)


@pytest.fixture
def target(s3: S3) -> str:
    """The bucket that gets the log."""
    return s3.bucket()


def put(s3: S3, bucket: str, target: str, more: str = "", prefix: str = "log/") -> Answer:
    """PutBucketLogging."""
    where = f"<TargetBucket>{target.strip('/')}</TargetBucket><TargetPrefix>{prefix}</TargetPrefix>"
    body = f"<BucketLoggingStatus><LoggingEnabled>{where}{more}</LoggingEnabled></BucketLoggingStatus>"
    return s3.ask("PUT", bucket, "logging", body=body.encode())


# ------------------------------------------------------------------------------------------------------- configuration


def test_the_configuration(s3: S3, bucket: str, target: str) -> None:
    """Set, shown, ended."""
    simple = "<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>"
    assert s3.ask("GET", bucket, "logging").texts("*") == []
    assert put(s3, bucket, target, simple).status == 200

    shown = s3.ask("GET", bucket, "logging")

    assert shown.text("LoggingEnabled/TargetBucket") == target[1:]
    assert shown.text("LoggingEnabled/TargetPrefix") == "log/"
    assert shown.texts("LoggingEnabled/TargetObjectKeyFormat/*") == [""]
    assert s3.ask("PUT", bucket, "logging", body=shown.body).status == 200, "what is shown can be put back"
    assert s3.ask("PUT", bucket, "logging", body=b"<BucketLoggingStatus/>").status == 200
    assert s3.ask("GET", bucket, "logging").texts("*") == []


def test_grants_of_logs(s3: S3, bucket: str, target: str) -> None:
    """Kept and shown, where the target has ACLs; AWS takes any permission here (recorded)."""
    asked = f"<TargetGrants>{group(LOG_DELIVERY, 'READ_ACP')}{grant(canonical_id('bob'), 'READ')}</TargetGrants>"
    assert put(s3, bucket, target, asked).error == (400, "AccessControlListNotSupported")
    enable_acls(s3, target)

    assert put(s3, bucket, target, asked).status == 200

    found = s3.ask("GET", bucket, "logging")
    assert found.texts("LoggingEnabled/TargetGrants/Grant/Permission") == ["READ_ACP", "READ"]
    assert found.texts("LoggingEnabled/TargetGrants/Grant/Grantee/DisplayName") == ["Bob"]


def test_targets_that_cannot_be(s3: S3, bucket: str) -> None:
    """One that there is not, of somebody else, of another region: as recorded."""
    absent = put(s3, bucket, "absent-target")
    other = put(s3, bucket, s3.bucket(ALICE))
    north = b"<CreateBucketConfiguration><LocationConstraint>eu-north-1</LocationConstraint></CreateBucketConfiguration>"
    west = north.replace(b"eu-north-1", b"eu-west-1")
    assert s3.ask("PUT", "/northern-logs", body=north).status == s3.ask("PUT", "/western-logs", body=west).status == 200
    far, farther = put(s3, bucket, "northern-logs"), put(s3, "/western-logs", "northern-logs")

    assert (absent.error, absent.fields) == ((400, "InvalidTargetBucketForLogging"), {"TargetBucket": "absent-target"})
    assert other.error == (400, "InvalidTargetBucketForLogging")
    assert (far.error, far.fields) == ((403, "CrossLocationLoggingProhibitted"), {"TargetBucketLocation": "eu-north-1"})
    assert farther.fields == {"SourceBucketLocation": "eu-west-1", "TargetBucketLocation": "eu-north-1"}


@pytest.mark.parametrize(
    "body",
    [
        "<Other/>",
        "<LoggingEnabled/>",
        "<LoggingEnabled><TargetBucket>a</TargetBucket></LoggingEnabled>",
        "<LoggingEnabled><TargetBucket>a</TargetBucket><TargetPrefix/><Other/></LoggingEnabled>",
        "<LoggingEnabled><TargetBucket>a</TargetBucket><TargetPrefix/><TargetObjectKeyFormat/></LoggingEnabled>",
        "<LoggingEnabled/><LoggingEnabled/>",
    ],
)
def test_configurations_that_are_none(s3: S3, bucket: str, body: str) -> None:
    """400."""
    sent = f"<BucketLoggingStatus>{body}</BucketLoggingStatus>".encode()

    assert s3.ask("PUT", bucket, "logging", body=sent).error == (400, "MalformedXML")


def test_keys_by_date_are_not_served(s3: S3, bucket: str, target: str) -> None:
    """Refused by name."""
    asked = "<TargetObjectKeyFormat><PartitionedPrefix/></TargetObjectKeyFormat>"

    assert put(s3, bucket, target, asked).error == (501, "NotImplemented")


# ------------------------------------------------------------------------------------------------------------ delivery


def fields(line: str) -> list[str]:
    """The fields of a line, as AWS counts them."""
    day, rest = re.fullmatch(r"\S+ \S+ (\[[^]]+\]) (.*)", line).groups()  # type: ignore[union-attr]
    return [*line.split(" ")[:2], day, *shlex.split(rest)]


def test_requests_come_to_the_target(s3: S3, server: Server, bucket: str, target: str) -> None:
    """A line each, whoever asked and whatever came of it; other buckets are not logged."""
    assert put(s3, bucket, target).status == 200
    server.ask("PUT", bucket + "/a b", headers={"user-agent": 'x "y"', "referer": "http://z/"}, body=b"12345")
    server.ask("GET", bucket + "/a b")
    server.ask("GET", bucket + "/absent")
    server.ask("GET", bucket + "/a b", "tagging", who=None)
    server.ask("GET", bucket, "list-type=2&prefix=%22")
    server.ask("GET", target)
    server.deliver()

    found = [fields(line) for line in server.lines(target)]

    root = canonical_id("root")
    assert [(one[4], one[6], one[7], one[9], one[10], one[12]) for one in found] == [
        (root, "REST.PUT.OBJECT", "a%20b", "200", "-", "5"),
        (root, "REST.GET.OBJECT", "a%20b", "200", "-", "5"),
        (root, "REST.GET.OBJECT", "absent", "404", "NoSuchKey", "-"),
        ("-", "REST.GET.TAGGING", "a%20b", "403", "AccessDenied", "-"),
        (root, "REST.GET.BUCKET", "-", "200", "-", "-"),
    ]
    assert {len(one) for one in found} == {26}
    first = found[0]
    assert (first[0], first[1], first[3]) == (root, bucket[1:], "127.0.0.1")
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", first[2])
    assert first[8] == f"PUT {bucket}/a%20b HTTP/1.1"
    assert (first[13], first[15], first[16]) == ("250", "http://z/", "x %22y%22")
    assert first[19:23] == ["SigV4", "-", "AuthHeader", "s3.example.org"]


def test_what_they_are_called(s3: S3, server: Server, bucket: str, target: str) -> None:
    """Prefix, time, something unique; each delivery is an object of its own, and an empty one is none."""
    put(s3, bucket, target)
    for _ in range(2):
        server.ask("GET", bucket)
        server.deliver()
        server.deliver()

    keys = s3.keys(target)

    assert len(keys) == 2
    assert all(re.fullmatch(r"log/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", key) for key in keys)
    assert s3.ask("HEAD", f"{target}/{keys[0]}").headers["content-type"] == "text/plain"


def test_a_bucket_may_log_into_itself(s3: S3, server: Server, bucket: str) -> None:
    """A delivery is no request: it does not go on for ever."""
    put(s3, bucket, bucket)
    server.ask("GET", bucket)
    server.deliver()
    server.deliver()

    assert len(s3.keys(bucket)) == 1


def test_logs_have_the_grants_that_were_asked_for(s3: S3, server: Server, bucket: str, target: str) -> None:
    """They belong to the target's owner."""
    enable_acls(s3, target)
    put(s3, bucket, target, f"<TargetGrants>{group(ALL_USERS, 'READ')}</TargetGrants>")
    server.ask("GET", bucket)
    server.deliver()

    assert grants(s3, f"{target}/{s3.keys(target)[0]}") == [(ALL_USERS, "READ"), (canonical_id("root"), "FULL_CONTROL")]


def test_no_secret_and_no_line_of_another_is_in_it(s3: S3, server: Server, bucket: str, target: str) -> None:
    """A signature in a query is not written down; what a client chose cannot begin a line."""
    put(s3, bucket, target)
    server.ask("GET", bucket, "X-Amz-Signature=abcdef0123&a=%0a")
    server.ask("GET", bucket, headers={"user-agent": "one\x85two\xe9"})
    server.ask("GET", bucket + "/new\nline")
    server.deliver()

    lines = server.lines(target)
    assert len(lines) >= 2
    assert not any("abcdef0123" in line for line in lines)
    assert {len(fields(line)) for line in lines} == {26}


def test_logs_without_a_place(s3: S3, server: Server, bucket: str, target: str) -> None:
    """The target has gone: the lines are dropped, and an operator hears of it."""
    put(s3, bucket, target)
    server.ask("GET", bucket)
    assert s3.ask("DELETE", target).status == 204
    server.deliver()
    server.deliver()

    assert [(name, type(error).__name__) for name, error in server.failed] == [(target[1:], "NoSuchBucket")]


def test_a_target_that_has_become_somebody_elses(s3: S3, server: Server, bucket: str, target: str) -> None:
    """A name that was given up and taken by another gets nothing."""
    put(s3, bucket, target)
    s3.ask("DELETE", target)
    s3.ask("PUT", target, who=ALICE)
    server.ask("GET", bucket)
    server.deliver()

    assert s3.keys(target) == []
    assert [type(error).__name__ for _, error in server.failed] == ["AccessDenied"]


def test_waiting_lines_are_bounded(s3: S3, server: Server, bucket: str, target: str) -> None:
    """Whatever nobody delivers, memory stays flat."""
    put(s3, bucket, target)
    agent = {"user-agent": "x" * 8000}
    for _ in range(LINES_BYTES_MAX // 8000 + 20):
        server.ask("HEAD", bucket, headers=agent)
    server.deliver()

    sizes = [int(text) for text in s3.ask("GET", target).texts("Contents/Size")]
    assert LINES_BYTES_MAX - 16_000 < sum(sizes) <= LINES_BYTES_MAX
