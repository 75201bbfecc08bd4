"""`zakrom.testing.plugin` as another project's test suite meets it, in a pytest process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

pytest_plugins = ["pytester"]

IMPORT_SECONDS_MAX = 0.02
"""Every pytest run of every project that has Zakrom installed pays for this import."""

Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """Runs a test file of somebody else's project, without any plugin but this one and with warnings as errors."""

    def call(source: str, *arguments: str, ini: str = "") -> pytest.RunResult:
        pytester.makeini(f"[pytest]\nfilterwarnings = error\n{ini}")
        pytester.makepyfile(source)
        blocked = [
            word for name in ("asyncio", "anyio", "timeout", "xdist", "hypothesispytest") for word in ("-p", f"no:{name}")
        ]
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *blocked, *arguments, timeout=60)

    return call


def test_it_costs_nothing() -> None:
    """The import loads nothing beside pytest and takes no time."""
    program = (
        "import pytest, sys, time; before = set(sys.modules); began = time.perf_counter()\n"
        "import zakrom.testing.plugin\n"
        "print(time.perf_counter() - began, *sorted(set(sys.modules) - before))"
    )
    took = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True).stdout.split()
        for _ in range(3)
    ]

    assert took[0][1:] == ["zakrom", "zakrom.testing", "zakrom.testing.plugin"]
    assert min(float(seconds) for seconds, *_ in took) < IMPORT_SECONDS_MAX


def test_a_project_uses_the_server(suite: Suite) -> None:
    """One server serves the session; what a test makes through ``zakrom`` is gone in the next one."""
    result = suite(
        """
        from urllib.request import urlopen

        def test_writes(zakrom, zakrom_server):
            assert zakrom is zakrom_server
            s3 = zakrom.client()
            s3.create_bucket(Bucket="uploads")
            s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
            s3.put_object(Bucket="uploads", Key="a b/+&", Body=b"x")
            s3.delete_object(Bucket="uploads", Key="a b/+&")
            s3.create_multipart_upload(Bucket="uploads", Key="open")

        def test_begins_anew(zakrom):
            assert zakrom.client().list_buckets()["Buckets"] == []

        def test_has_a_bucket(zakrom, zakrom_bucket):
            zakrom.client().put_object(Bucket=zakrom_bucket, Key="k", Body=b"x")

        def test_is_clean_again(zakrom):
            assert zakrom.client().list_buckets()["Buckets"] == []
        """
    )

    result.assert_outcomes(passed=4)


def test_what_the_session_made_stays(suite: Suite) -> None:
    """Buckets of a session's own fixture are not taken away by the tests that use ``zakrom``."""
    result = suite(
        """
        import pytest

        @pytest.fixture(scope="session")
        def shared(zakrom_server):
            zakrom_server.client().create_bucket(Bucket="shared")

        def test_one(shared, zakrom):
            zakrom.client().create_bucket(Bucket="own")

        def test_two(shared, zakrom):
            assert [b["Name"] for b in zakrom.client().list_buckets()["Buckets"]] == ["shared"]
        """
    )

    result.assert_outcomes(passed=2)


def test_code_that_makes_its_own_clients_finds_the_server(suite: Suite) -> None:
    """With ``zakrom_environment`` a bare ``boto3.client("s3")`` speaks to the server."""
    result = suite(
        """
        import boto3

        def test_bare(zakrom_environment, zakrom_bucket):
            names = [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]]
            assert names == [zakrom_bucket]
        """
    )

    result.assert_outcomes(passed=1)


def test_servers_of_a_test_s_own(suite: Suite) -> None:
    """The factory starts servers with kept data and other settings, and ends them after the test."""
    result = suite(
        """
        import os

        pids = []

        def test_kept(zakrom_factory, tmp_path):
            first = zakrom_factory(tmp_path / "d")
            first.client().create_bucket(Bucket="kept")
            first.stop()
            second = zakrom_factory(tmp_path / "d", workers=2, region="eu-west-9")
            assert [b["Name"] for b in second.client().list_buckets()["Buckets"]] == ["kept"]
            pids.append(second.pid)

        def test_ended():
            try:
                os.kill(pids[0], 0)
            except ProcessLookupError:
                return
            raise AssertionError("the server still runs")
        """
    )

    result.assert_outcomes(passed=2)


def test_options_in_the_ini_file(suite: Suite, pytester: pytest.Pytester) -> None:
    """The session's server takes its data directory, region and further arguments from the project's settings."""
    source = """
        def test_it(zakrom_server):
            s3 = zakrom_server.client()
            found = [b["Name"] for b in s3.list_buckets()["Buckets"]]
            s3.create_bucket(Bucket=f"run-{len(found)}", CreateBucketConfiguration={"LocationConstraint": "eu-west-9"})
            assert zakrom_server.region == "eu-west-9"
            print("found", len(found))
        """
    ini = "zakrom_data = kept\nzakrom_region = eu-west-9\nzakrom_workers = 2\nzakrom_arguments = --log-level info\n"
    first = suite(source, "-s", ini=ini)
    second = suite(source, "-s", ini=ini)

    first.stdout.fnmatch_lines(["*found 0*"])
    second.stdout.fnmatch_lines(["*found 1*"])
    assert (pytester.path / "kept").is_dir()


def test_a_failure_shows_the_server_s_log(suite: Suite) -> None:
    """Under a failed test stands what the server said meanwhile, and only there."""
    result = suite(
        """
        import time

        def test_fails(zakrom):
            zakrom.access.request("GET", "/there-is-no-such-bucket")
            time.sleep(0.5)  # the log is written in gulps
            raise AssertionError("on purpose")
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*log of the Zakrom server at http://127.0.0.1:*", "*there-is-no-such-bucket*"])
