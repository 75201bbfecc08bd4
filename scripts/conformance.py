#!/usr/bin/env python3
"""Runs ceph/s3-tests from a checkout against a fresh server, and writes every test's result into docs/s3-tests.md.

``scripts/conformance.py CHECKOUT [pytest arguments]``, or ``make conformance CHECKOUT=…``. Nothing is fetched but the Python
packages that the suite asks for, and nothing of the suite is kept. The server has ``--bucket-defaults classic``: the ACL cases
were written for buckets as they were before 2023. With pytest arguments (``-k versioning``) the page is not written.

Why a test does not pass stands in ``scripts/conformance.toml``, by the test's name: the page shows it beside the result, and a
failure without a reason there shows as such.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from zakrom.admin_client import AdminClient
from zakrom.testing.server import Server

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "s3-tests.md"
REASONS = ROOT / "scripts" / "conformance.toml"
ENVIRONMENT = ROOT / ".venv-tools" / "s3-tests"

SELECTION = (
    "not fails_on_aws and not fails_on_rgw and not bucket_logging and not bucket_logging_cleanup and not cloud_transition "
    "and not cloud_restore and not fails_without_logging_rollover and not target_by_bucket"
)
"""What AWS itself is said to pass."""

REGION = "eu-west-1"  # the suite wants one beside the server's own
USERS = {
    "s3 main": "main",
    "s3 alt": "alt",
    "s3 tenant": "tenant",
    "iam": "iam",
    "iam root": "iamroot",
    "iam alt root": "iamaltroot",
}
KMS_KEYS = ("testkey-1", "testkey-2")  # the suite's own names for keys that are there
KMS_ARN = "arn:aws:kms:us-east-1:000000000000:key/"  # AWS answers with the ARN, whatever a request called the key
SECONDS_MAX = 3600
MARKS = {"passed": "pass", "failed": "**fail**", "error": "**error**", "skipped": "skip"}


class Result(NamedTuple):
    """How one test ended."""

    name: str
    outcome: str


def main(arguments: list[str]) -> int:
    """Runs the suite; the exit code is 0 if every failure has a reason."""
    if not arguments or not (Path(arguments[0]) / "s3tests").is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    checkout, extra = Path(arguments[0]).resolve(), arguments[1:]
    python = _environment(checkout)
    with (
        tempfile.TemporaryDirectory() as scratch,
        Server(args=["--bucket-defaults", "classic", "--extra-region", REGION]) as server,
    ):
        configuration, report = Path(scratch) / "s3tests.conf", Path(scratch) / "report.xml"
        _configure(server, configuration)
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "-m", SELECTION]
        command += [*extra, "s3tests/functional/test_s3.py"]
        environment = {**os.environ, "S3TEST_CONF": str(configuration)}
        subprocess.run(command, cwd=checkout, env=environment, timeout=SECONDS_MAX, check=False)
        results = _read(report)
    reasons: dict[str, str] = tomllib.loads(REASONS.read_text("utf-8"))["reasons"]
    bad = [one for one in results if one.outcome in ("failed", "error")]
    unexplained = [one.name for one in bad if one.name not in reasons]
    if not extra:
        PAGE.write_text(_page(results, reasons), "utf-8")
    print(f"{len(results)} cases, {len(bad)} do not pass, {len(unexplained)} of them without a reason")
    print(*unexplained, sep="\n")
    return 1 if unexplained else 0


def _environment(checkout: Path) -> Path:
    """A Python with what the suite needs."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "-r", checkout / "requirements.txt"], check=True, timeout=SECONDS_MAX
        )
    return python


def _configure(server: Server, path: Path) -> None:
    """Users as the suite wants them, and its configuration."""
    address, port = server.endpoint.rpartition("/")[2].split(":")
    admin = AdminClient(server.admin_endpoint, access_key=server.access_key, secret_key=server.secret_key)
    written = configparser.RawConfigParser()
    written.read_dict(
        {
            "DEFAULT": {"host": address, "port": port, "is_secure": "False", "ssl_verify": "False"},
            "fixtures": {"bucket prefix": "zk-{random}-", "iam name prefix": "s3-tests-", "iam path prefix": "/s3-tests/"},
            "webidentity": dict.fromkeys(("token", "aud", "sub", "azp", "user_token", "thumbprint", "KC_REALM"), "x"),
        }
    )
    for name in KMS_KEYS:
        admin.add_ring_key(name)
    kms = {option: KMS_ARN + name for option, name in zip(("kms_keyid", "kms_keyid2"), KMS_KEYS, strict=True)}
    for section, name in USERS.items():
        made = admin.add_user(name, email=f"{name}@example.com")
        assert made.key is not None
        written[section] = {
            "display_name": made.user.display_name,
            "user_id": made.user.canonical_id,
            "email": made.user.email,
            "api_name": REGION,
            "access_key": made.key.access_key,
            "secret_key": made.key.secret_key,
            "tenant": "testx",
            **kms,
        }
    with path.open("w") as file:
        written.write(file)


def _read(report: Path) -> list[Result]:
    """The results of a JUnit report, by name."""
    found = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        kinds = [child.tag for child in case]
        outcome = next((kind for kind in ("error", "failure", "skipped") if kind in kinds), "passed")
        found.append(Result(case.get("name") or "", {"failure": "failed"}.get(outcome, outcome)))
    return sorted(set(found))


def _page(results: list[Result], reasons: dict[str, str]) -> str:
    counts = Counter(one.outcome for one in results)
    rows = [f"| `{one.name}` | {MARKS[one.outcome]} | {_reason(one, reasons)} |" for one in results]
    return "\n".join(
        [
            "# Every case of ceph/s3-tests",
            "",
            "Written by `make conformance CHECKOUT=…` from a run of the AWS-like selection of `test_s3.py` against a fresh",
            f"server with `--bucket-defaults classic`: {len(results)} cases, {counts['passed']} pass, {counts['skipped']} skip",
            f"themselves, {counts['failed'] + counts['error']} do not pass.",
            "",
            "| test | result | why |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _reason(one: Result, reasons: dict[str, str]) -> str:
    return "" if one.outcome in ("passed", "skipped") else reasons.get(one.name, "**no reason is known yet**")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
