"""Metrics: sums over processes, exact and cheap, in a format that Prometheus reads."""

from __future__ import annotations

import os
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from zakrom.observe.metrics import LATENCY_SECONDS, USAGE_BUCKETS_MAX, BucketUsage, Metrics

OPERATIONS = {"GetObject": "read", "HeadObject": "read", "PutObject": "write", "ListObjectsV2": "list"}


@pytest.fixture
def metrics() -> Metrics:
    """A small set of counters."""
    return Metrics(OPERATIONS, ["NoSuchKey", "AccessDenied"], ["reap", "scrub"], slots=8)


def in_child(work: object) -> int:
    """Runs a function in a forked process; its exit code. The child ends at once, without the test runner's clean-up."""
    assert callable(work)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def samples(metrics: Metrics, usage: list[BucketUsage] | None = None) -> dict[str, float]:
    """What Prometheus's own parser makes of the text: the value by name with labels."""
    text = metrics.render(usage or [], version="0.1.0").decode()
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_request_is_counted_by_operation_code_and_class(metrics: Metrics) -> None:
    """Requests, errors, latency, bytes: all from one call."""
    metrics.request("GetObject", 200, None, 0.004, 0, 4096)
    metrics.request("HeadObject", 404, "NoSuchKey", 0.2, 0, 0)
    metrics.request("PutObject", 200, None, 99.0, 1000, 0)

    seen = samples(metrics)
    assert seen["zakrom_requests_total operation=GetObject status=2xx"] == 1
    assert seen["zakrom_requests_total operation=HeadObject status=4xx"] == 1
    assert seen["zakrom_errors_total code=NoSuchKey"] == 1
    assert seen["zakrom_received_bytes_total"] == 1000
    assert seen["zakrom_sent_bytes_total"] == 4096
    assert seen["zakrom_request_seconds_count class=read"] == 2
    assert seen["zakrom_request_seconds_sum class=read"] == pytest.approx(0.204)
    assert seen["zakrom_request_seconds_bucket class=read le=0.0025"] == 0
    assert seen["zakrom_request_seconds_bucket class=read le=0.005"] == 1
    assert seen["zakrom_request_seconds_bucket class=read le=0.25"] == 2
    assert seen["zakrom_request_seconds_bucket class=write le=30"] == 0
    assert seen["zakrom_request_seconds_bucket class=write le=+Inf"] == 1


def test_a_value_on_a_bound_belongs_below_it(metrics: Metrics) -> None:
    """`le` means less or equal."""
    metrics.request("GetObject", 200, None, LATENCY_SECONDS[0], 0, 0)

    assert samples(metrics)["zakrom_request_seconds_bucket class=read le=0.001"] == 1


def test_names_nobody_knew_count_as_other(metrics: Metrics) -> None:
    """Clients cannot make series: an unknown operation or code has a place already."""
    metrics.request("Teapot", 418, "ImATeapot", 0.1, 0, 0)
    metrics.count("zakrom_job_steps_total", 1, "mystery")

    seen = samples(metrics)
    assert seen["zakrom_requests_total operation=other status=4xx"] == 1
    assert seen["zakrom_errors_total code=other"] == 1
    assert seen["zakrom_request_seconds_count class=other"] == 1
    assert seen["zakrom_job_steps_total job=other"] == 1


def test_processes_add_up(metrics: Metrics) -> None:
    """What children count, each in its slot, the parent and every other child see as a sum, also after they died."""

    def worker(slot: int) -> None:
        metrics.take(slot)
        for _ in range(1000):
            metrics.request("GetObject", 200, None, 0.004, 1, 2)

    codes = [in_child(lambda slot=slot: worker(slot)) for slot in (1, 2, 3)]
    metrics.take(0)
    metrics.request("GetObject", 200, None, 0.004, 1, 2)

    assert codes == [0, 0, 0]
    assert metrics.value("zakrom_requests_total", "GetObject", "2xx") == 3001
    assert metrics.value("zakrom_sent_bytes_total") == 6002
    assert metrics.value("zakrom_request_seconds", "read") == 3001


def test_a_successor_goes_on_counting_and_starts_with_no_connections(metrics: Metrics) -> None:
    """When a worker died, its slot's counters stay, and its open connections are gone."""

    def dying() -> None:
        metrics.take(1)
        metrics.add_gauge("zakrom_open_connections", 5)
        metrics.request("PutObject", 200, None, 0.1, 7, 0)

    assert in_child(dying) == 0
    assert metrics.value("zakrom_open_connections") == 5

    metrics.take(1)
    metrics.request("PutObject", 200, None, 0.1, 7, 0)

    assert metrics.value("zakrom_open_connections") == 0
    assert metrics.value("zakrom_received_bytes_total") == 14


def test_parts_of_a_gauge_add_up_and_shared_ones_are_one_value(metrics: Metrics) -> None:
    """Open connections are summed; the disk has one state, whoever saw it last."""
    metrics.take(1)
    metrics.add_gauge("zakrom_open_connections", 3)
    metrics.set_gauge("zakrom_full", 1)
    metrics.take(2)
    metrics.add_gauge("zakrom_open_connections", 2)
    metrics.add_gauge("zakrom_open_connections", -1)
    metrics.set_gauge("zakrom_full", 0)

    seen = samples(metrics)
    assert seen["zakrom_open_connections"] == 4
    assert seen["zakrom_full"] == 0


def test_histograms_of_batches(metrics: Metrics) -> None:
    """A group commit of seven changes lies between four and eight."""
    metrics.observe("zakrom_commit_changes", 7)

    seen = samples(metrics)
    assert (0, 1) == (seen["zakrom_commit_changes_bucket le=4"], seen["zakrom_commit_changes_bucket le=8"])
    assert seen["zakrom_commit_changes_sum"] == 7


def test_usage_of_buckets_comes_from_outside_and_is_bounded(metrics: Metrics) -> None:
    """The catalog's counts are shown as they are given, for so many buckets."""
    usage = [BucketUsage(f"b{number}", 1, 2, 3, 4) for number in range(USAGE_BUCKETS_MAX + 5)]

    seen = samples(metrics, usage)
    assert (1, 2, 3, 4) == tuple(
        seen[f"zakrom_bucket_{what} bucket=b0"] for what in ("objects", "versions", "bytes", "upload_bytes")
    )
    assert sum(name.startswith("zakrom_bucket_bytes") for name in seen) == USAGE_BUCKETS_MAX


def test_labels_are_escaped(metrics: Metrics) -> None:
    """Quotes, backslashes and line breaks of a label arrive as they were."""
    name = 'a"b\\c\nd'

    assert samples(metrics, [BucketUsage(name, 1, 1, 1, 1)])[f"zakrom_bucket_objects bucket={name}"] == 1


def test_series_that_never_counted_are_left_out(metrics: Metrics) -> None:
    """A fresh server's page is short, and says its version."""
    seen = samples(metrics)

    assert "zakrom_build_info version=0.1.0" in seen
    assert not any(name.startswith("zakrom_requests_total") for name in seen)
    assert seen["zakrom_restarts_total"] == 0


def test_large_counts_stay_exact(metrics: Metrics) -> None:
    """Petabytes are counted to the byte, and written without an exponent."""
    metrics.count("zakrom_sent_bytes_total", 2**52)
    metrics.count("zakrom_sent_bytes_total", 1)

    assert f"zakrom_sent_bytes_total {2**52 + 1}\n" in metrics.render().decode()


def test_a_name_that_does_not_exist_is_a_mistake(metrics: Metrics) -> None:
    """A typing error in our own code does not count into the void."""
    with pytest.raises(KeyError):
        metrics.count("zakrom_typo_total")
    with pytest.raises(AssertionError):
        metrics.count("zakrom_full")


@pytest.mark.alone
def test_counting_a_request_is_cheap(metrics: Metrics) -> None:
    """About a microsecond for all that a request counts (0.6 µs when measured); the limit leaves room for slow machines."""
    start = time.process_time()
    for _ in range(100_000):
        metrics.request("GetObject", 200, None, 0.004, 0, 4096)
    used = time.process_time() - start

    assert used / 100_000 < 3e-6


@pytest.mark.alone
def test_rendering_is_quick() -> None:
    """A scrape of a full-sized table with all slots costs some milliseconds."""
    large = Metrics({f"Operation{number}": "read" for number in range(98)}, [f"Code{number}" for number in range(80)], ["reap"])
    start = time.process_time()
    large.render()

    assert time.process_time() - start < 0.2
