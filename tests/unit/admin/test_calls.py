"""The calls, through the client: users, keys, usage, quotas, the server; and who may make them."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from zakrom import errors
from zakrom.admin.calls.usage import PAGE_MAX
from zakrom.admin_client import AdminClient
from zakrom.catalog.changes import SetDamage, SetFull
from zakrom.model.facts import Damage

from .running import ROOT_KEY, Running, clock_ms, until

# -------------------------------------------------------------------------------------------------------- who may do what

FOR_USERS = {
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/space"),
    ("GET", "/api/v1/usage/buckets/{bucket}"),
    ("GET", "/api/v1/quotas/buckets/{bucket}"),
}
"""What a user may call; all else is root's."""


def calls(running: Running) -> list[tuple[str, str]]:
    """Method and path of every call there is."""
    document = json.loads(running.access.request("GET", "/openapi.json").body)
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def test_a_user_may_call_what_is_listed_and_nothing_else(running: Running) -> None:
    """Every call of the OpenAPI document, made by a user: a new call is root's until the list above says otherwise."""
    running.bucket("roots-own")
    user = running.client_of("plain")
    places = {"{bucket}": "roots-own", "{name}": "root", "{access_key}": ROOT_KEY}

    def refused(method: str, path: str) -> bool:
        for place, name in places.items():
            path = path.replace(place, name)
        try:
            user._line.call(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else b"")
        except errors.AccessDenied:
            return True
        return False

    allowed = {(method, path) for method, path in calls(running) if not refused(method, path)}

    assert {call for call in FOR_USERS if "{bucket}" not in call[1]} == allowed


def test_a_user_sees_own_buckets_only(running: Running) -> None:
    """Usage, quota and space of a bucket are for its owner, too; limits are not theirs to set."""
    user = running.client_of("owner")
    running.bucket("owners-own", "owner")
    running.bucket("not-owners-own")

    assert user.usage("owners-own").bytes == 0
    assert user.quota("owners-own").quota_bytes is None
    assert user.space("owners-own").used_bytes == 0
    for call in (user.usage, user.quota, user.space):
        with pytest.raises(errors.AccessDenied):
            call("not-owners-own")
    with pytest.raises(errors.AccessDenied):
        user.set_quota(1, bucket="owners-own")


def test_a_user_may_wait_for_the_store_but_sees_no_figures(running: Running) -> None:
    """The signal is for whose upload was refused; how much others store is not theirs to know."""
    space = running.client_of("waiter").space()

    assert (None, None) == (space.used_bytes, space.quota_bytes)
    assert running.root.space().used_bytes is not None


def test_me_is_who_signs(running: Running) -> None:
    """With their keys, without secrets."""
    user = running.client_of("myself")

    me = user.me()

    assert ("myself", user.access_key) == (me.user.name, me.access_key)
    assert [user.access_key] == [key.access_key for key in me.keys]


# ------------------------------------------------------------------------------------------------------------------ users


def test_a_user_is_added_with_a_key_that_works(running: Running) -> None:
    """All facts are kept; the canonical id is new."""
    made = running.root.add_user("ada", display_name="Ada Lövelace", email="ada@example.org")

    assert made.key is not None
    assert made.user == running.root.user("ada")
    assert ("Ada Lövelace", "ada@example.org", False, False) == (
        made.user.display_name,
        made.user.email,
        made.user.disabled,
        made.user.root,
    )
    assert len(made.user.canonical_id) == 64
    assert AdminClient(running.endpoint, made.key.access_key, made.key.secret_key).me().user == made.user


def test_a_given_pair_is_taken(running: Running) -> None:
    """Any shape, also one with slashes."""
    made = running.root.add_user("given", access_key="my/own:key", secret_key="my own secret, with = ü")

    assert made.key is not None
    assert AdminClient(running.endpoint, "my/own:key", "my own secret, with = ü").me().access_key == "my/own:key"


def test_a_user_without_a_key_is_possible(running: Running) -> None:
    """For who gives keys later."""
    assert running.root.add_user("keyless", with_key=False).key is None
    assert running.root.keys("keyless") == []


def test_a_name_is_taken_once(running: Running) -> None:
    """The second one is told so, and the first is as it was; root's name is taken from the start."""
    first = running.root.add_user("once", display_name="First")

    for name in ("once", "root"):
        with pytest.raises(errors.UserAlreadyExists):
            running.root.add_user(name)
    assert first.user == running.root.user("once")


def test_a_taken_key_leaves_no_user_behind(running: Running) -> None:
    """What is refused has changed nothing."""
    with pytest.raises(errors.AccessKeyAlreadyExists):
        running.root.add_user("half", access_key=ROOT_KEY, secret_key="x")

    with pytest.raises(errors.NoSuchUser):
        running.root.user("half")


def test_a_disabled_user_is_refused_and_an_enabled_one_is_back(running: Running) -> None:
    """At once, and nothing else of theirs has changed."""
    user = running.client_of("switched")
    before = running.root.user("switched")

    assert running.root.disable_user("switched").disabled
    with pytest.raises(errors.InvalidAccessKeyId, match="disabled"):
        user.me()
    assert before == running.root.enable_user("switched")
    assert user.me().user == before


def test_a_user_is_renamed(running: Running) -> None:
    """What is left out stays."""
    running.root.add_user("renamed", email="old@example.org")

    running.root.change_user("renamed", display_name="New Name")
    changed = running.root.change_user("renamed", email="")

    assert ("New Name", "") == (changed.display_name, changed.email)


def test_a_removed_user_is_gone_with_their_keys(running: Running) -> None:
    """And the name is free again, for somebody else with another canonical id."""
    user = running.client_of("leaver")
    before = running.root.user("leaver")

    running.root.remove_user("leaver")

    with pytest.raises(errors.InvalidAccessKeyId):
        user.me()
    with pytest.raises(errors.NoSuchUser):
        running.root.remove_user("leaver")
    assert before.canonical_id != running.root.add_user("leaver").user.canonical_id


def test_a_user_with_buckets_is_not_removed(running: Running) -> None:
    """Nothing would own them."""
    running.client_of("landlord")
    running.bucket("landlords-house", "landlord")

    with pytest.raises(errors.InvalidRequest, match="owns buckets"):
        running.root.remove_user("landlord")


def test_root_stays(running: Running) -> None:
    """Neither disabled nor removed; its display name may change."""
    for call in (running.root.disable_user, running.root.remove_user):
        with pytest.raises(errors.InvalidRequest, match="Root"):
            call("root")
    assert running.root.change_user("root", display_name="The Root").root


def test_changes_made_at_once_are_all_kept(running: Running) -> None:
    """Two fields of one user changed by two operators in the same moment: neither change is lost."""
    running.root.add_user("busy")
    start = threading.Barrier(2)

    def change(display_name: str | None, email: str | None) -> None:
        start.wait()
        running.root.change_user("busy", display_name=display_name, email=email)

    with ThreadPoolExecutor(2) as pool:
        for round_ in range(10):
            name, email = f"Name {round_}", f"{round_}@example.org"
            for done in [pool.submit(change, name, None), pool.submit(change, None, email)]:
                done.result()
            assert (name, email) == (running.root.user("busy").display_name, running.root.user("busy").email)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", b'{"name":"x","colour":"red"}'),
        ("POST", "/users", b'{"name":7}'),
        ("POST", "/users", b'{"name":"a b"}'),
        ("POST", "/users", b'{"name":"x","with_key":"no"}'),
        ("POST", "/users", b'{"name":"x","with_key":false,"access_key":"k","secret_key":"s"}'),
        ("POST", "/users", b'{"name":"x","access_key":"k"}'),
        ("POST", "/users", b"{}"),
        ("POST", "/users", b"[]"),
        ("POST", "/users", b"not json"),
        ("POST", "/users", b'{"name":"\xff"}'),
        ("POST", "/users", b""),
        ("PATCH", "/users/root", b'{"root":true}'),
        ("POST", "/keys", b'{"user":"root","access_key":"a b","secret_key":"s"}'),
        ("PATCH", "/keys/root-key", b'{"secret_key":"s"}'),
        ("PATCH", "/keys/root-key", b"{}"),
        ("PUT", "/quotas/store", b'{"quota_bytes":"200MB"}'),
        ("PUT", "/quotas/store", b'{"quota_bytes":-1}'),
        ("PUT", "/quotas/store", b'{"quota_bytes":1.5}'),
        ("PUT", "/quotas/store", b'{"quota_bytes":true}'),
        ("PUT", "/quotas/store", b'{"quota_bytes":9223372036854775808}'),
        ("PUT", "/quotas/store", b'{"quota_bytes":1e400}'),
        ("PUT", "/quotas/store", b'{"quota_bytes":null}'),
        ("GET", "/usage/buckets?limit=0", b""),
        ("GET", "/usage/buckets?limit=1001", b""),
        ("GET", "/usage/buckets?colour=red", b""),
        ("GET", "/space?wait=61", b""),
        ("GET", "/space?wait=nan", b""),
        ("GET", "/space?after=-1", b""),
        ("GET", "/space?buket=b", b""),
        ("GET", "/damages?limit=x", b""),
        ("POST", "/policy/explain", b'{"principal":"root","action":"s3:GetObject"}'),
        ("POST", "/policy/explain", b'{"principal":"root","action":"s3:GetObject","resource":"b","conditions":{"a":"b"}}'),
    ],
)
def test_what_is_not_understood_is_refused(running: Running, method: str, path: str, body: bytes) -> None:
    """Unknown fields, wrong types, bad sizes: 400 with a code, and nothing has changed."""
    with pytest.raises(errors.InvalidArgument) as caught:
        running.root._line.call(method, f"/api/v1{path}", body)

    assert caught.value.fields["argument_name"]
    with pytest.raises(errors.NoSuchUser):
        running.root.user("x")
    assert running.root.quota().quota_bytes is None


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("GET", "/users/a/b"), ("POST", "/info"), ("DELETE", "/users")]
)
def test_what_does_not_exist_is_said_so(running: Running, method: str, path: str) -> None:
    """As JSON, like every other error."""
    with pytest.raises((errors.NotFound, errors.MethodNotAllowed), match="call"):
        running.root._line.call(method, f"/api/v1{path}")


# ------------------------------------------------------------------------------------------------------------------- keys


def test_keys_rotate(running: Running) -> None:
    """A second key works beside the first; the first is disabled, enabled, removed."""
    old = running.client_of("rotator")
    made = running.root.add_key("rotator")
    new = AdminClient(running.endpoint, made.access_key, made.secret_key)

    assert {old.access_key, made.access_key} == {key.access_key for key in running.root.keys("rotator")}
    running.root.disable_key(old.access_key)
    with pytest.raises(errors.InvalidAccessKeyId):
        old.me()
    assert new.me().user.name == "rotator"
    running.root.enable_key(old.access_key)
    assert old.me().user.name == "rotator"
    running.root.remove_key(old.access_key)
    with pytest.raises(errors.InvalidAccessKeyId):
        old.me()
    assert [made.access_key] == [key.access_key for key in running.root.keys("rotator")]


def test_a_key_with_slashes_is_addressed(running: Running) -> None:
    """Any key that can be added can be disabled and removed."""
    running.root.add_user("slasher", access_key="a/b/../c?d=%2F#", secret_key="s")

    assert running.root.disable_key("a/b/../c?d=%2F#").disabled
    running.root.remove_key("a/b/../c?d=%2F#")
    assert running.root.keys("slasher") == []


def test_secrets_are_shown_once(running: Running) -> None:
    """No other call ever answers with one."""
    made = running.root.add_key("root", access_key="EXTRA", secret_key="shown-only-once")

    answers = [running.access.request("GET", f"/api/v1/{path}").body for path in ("keys", "users", "me", "info", "users/root")]

    assert made.secret_key == "shown-only-once"
    assert not any(b"shown-only-once" in answer for answer in answers)


def test_unknown_users_and_keys_are_named(running: Running) -> None:
    """404 with a code of their own."""
    root = running.root
    for call in (root.user, root.remove_user, root.disable_user, root.keys, root.add_key):
        with pytest.raises(errors.NoSuchUser):
            call("nobody")
    for call in (root.disable_key, root.enable_key, root.remove_key):
        with pytest.raises(errors.NoSuchAccessKey):
            call("NOKEY")


def test_nobody_locks_themselves_out(running: Running) -> None:
    """The key that signs the call can be neither disabled nor removed by it; it can be enabled."""
    for call in (running.root.disable_key, running.root.remove_key):
        with pytest.raises(errors.InvalidRequest, match="signs this call"):
            call(ROOT_KEY)
    assert not running.root.enable_key(ROOT_KEY).disabled


# ------------------------------------------------------------------------------------------------------- usage and quotas


def test_usage_counts_what_is_there(running: Running) -> None:
    """Of a bucket, and of the store with it."""
    bucket = running.bucket("counted")
    before = running.root.usage()

    running.put(bucket, "a", b"12345")
    running.put(bucket, "b", b"123")

    usage = running.root.usage("counted")
    assert (2, 2, 0, 8, 0, 0, 8) == (
        usage.objects,
        usage.versions,
        usage.markers,
        usage.bytes,
        usage.uploads,
        usage.upload_bytes,
        usage.total_bytes,
    )
    assert running.root.usage().bytes - before.bytes == 8


def test_usage_of_all_buckets_comes_in_pages(running: Running) -> None:
    """By name, each once, however many a page has; the prefix chooses."""
    names = [f"paged-{number}" for number in range(5)]
    for name in reversed(names):
        running.bucket(name)

    pages, after = [], ""
    while after is not None:
        answer = running.access.request("GET", "/api/v1/usage/buckets", {"prefix": "paged-", "limit": "2", "after": after})
        page = json.loads(answer.body)
        pages.append([one["bucket"] for one in page["buckets"]])
        after = page["next_after"]

    assert [names[:2], names[2:4], names[4:]] == pages
    assert names == [usage.bucket for usage in running.root.bucket_usages("paged-")]
    assert PAGE_MAX >= 5


def test_a_quota_is_set_shown_and_lifted(running: Running) -> None:
    """Of a bucket: in its usage, too."""
    bucket = running.bucket("limited")
    running.put(bucket, "k", b"12345")

    assert (5, 3) == ((one := running.root.set_quota(3, bucket="limited")).used_bytes, one.quota_bytes)
    assert one == running.root.quota("limited")
    assert running.root.usage("limited").quota_bytes == 3
    with pytest.raises(errors.QuotaExceeded):
        running.put(bucket, "more", b"1")
    running.root.clear_quota(bucket="limited")
    assert running.root.quota("limited").quota_bytes is None
    running.put(bucket, "more", b"1")


def test_the_store_has_a_quota_too(running: Running) -> None:
    """Zero is a quota: nothing more comes in."""
    bucket = running.bucket("in-the-store")

    running.root.set_quota(0)
    try:
        with pytest.raises(errors.QuotaExceeded):
            running.put(bucket, "k", b"1")
        assert running.root.usage().quota_bytes == 0
    finally:
        running.root.clear_quota()
    running.put(bucket, "k", b"1")


def test_a_missing_bucket_is_said_so(running: Running) -> None:
    """By every call that names one."""
    root = running.root
    for call in (
        root.usage,
        root.quota,
        root.space,
        lambda name: root.set_quota(1, bucket=name),
        lambda name: root.clear_quota(bucket=name),
    ):
        with pytest.raises(errors.NoSuchBucket):
            call("no-such-bucket")


# ------------------------------------------------------------------------------------------------------------- the server


def test_info_tells_what_runs(running: Running) -> None:
    """Version, room, jobs."""
    info = running.root.info()

    assert ("0.1.0", 1, 2, "us-east-1", ("us-east-1", "eu-west-1")) == (
        info.version,
        info.format,
        info.workers,
        info.region,
        info.regions,
    )
    assert 0 < info.disk.free_bytes <= info.disk.total_bytes
    assert (1000, False, 1) == (info.disk.reserve_bytes, info.full, info.generations_open)
    assert ["scrub", "reap"] == [job.name for job in info.jobs]


def test_fullness_is_shown(running: Running) -> None:
    """As the catalog has it noted."""
    running.do(running.catalog.apply(SetFull(True, clock_ms())))
    try:
        assert running.root.info().full
    finally:
        running.do(running.catalog.apply(SetFull(False, clock_ms())))
    assert not running.root.info().full


def test_a_job_is_started_if_it_can_be_asked(running: Running) -> None:
    """Scrub can; others begin by themselves; unknown ones do not exist."""
    asked = running.scrub.asked

    job = running.root.start_job("scrub")

    assert (asked + 1, True, True) == (running.scrub.asked, job.startable, job.facts["running"])
    assert {"running": True, "blobs": 7, "finished_ms": 0, "rate": 1.5, "where": "x"} == running.root.job("scrub").facts
    assert ["scrub", "reap"] == [one.name for one in running.root.jobs()]
    with pytest.raises(errors.InvalidRequest):
        running.root.start_job("reap")
    for call in (running.root.start_job, running.root.job):
        with pytest.raises(errors.NotFound, match="no such job"):
            call("sing")


def test_damages_are_reported_by_bucket_key_and_version(running: Running) -> None:
    """Page by page, with everything that needs the bytes."""
    bucket = running.bucket("damaged")
    keys = ["a/b", "ключ", "c\nd"]
    for key in keys:
        running.put(bucket, key, b"rotten")
    found = [running.do(running.catalog.find(bucket.id, key.encode())) for key in keys]
    noted = tuple(
        Damage(one.version.blob, 0, clock_ms(), "wrong checksum") for one in found if one and one.version.blob is not None
    )
    running.do(running.catalog.apply(SetDamage(noted)))

    damages = list(running.root.damages())
    one_by_one = json.loads(running.access.request("GET", "/api/v1/damages", {"limit": "1"}).body)

    named = {(version.bucket, version.key, version.version_id) for damage in damages for version in damage.versions}
    assert {("damaged", key, "null") for key in keys} == named
    assert all(damage.reason == "wrong checksum" and not damage.more for damage in damages)
    assert (1, damages[0].blob) == (len(one_by_one["damages"]), one_by_one["next_after"])
    assert running.root.info().damages == 3


def test_health_follows_the_writer(running: Running) -> None:
    """Ready with a writer; 503 without one, also for changes; ready again when it is back, and nothing was lost."""
    assert running.root.health().ready
    running.root.add_user("survivor")

    running.site.kill()
    status = running.access.request("GET", "/api/v1/health").status
    with pytest.raises(errors.Unavailable):
        running.root.add_user("unlucky")
    running.site.start()

    assert status == 503
    until(lambda: running.access.request("GET", "/api/v1/health").status == 200)
    assert "survivor" in {user.name for user in running.root.users()}


def test_the_key_ring_is_managed(running: Running) -> None:
    """What does not exist, exists already or must not be is refused; keys themselves are never shown."""
    admin = running.root
    assert admin.add_ring_key("calls").versions == 1
    assert admin.rotate_ring_key("calls").versions == 2
    assert admin.disable_ring_key("calls").disabled
    assert not admin.enable_ring_key("calls").disabled

    with pytest.raises(errors.KeyAlreadyExists):
        admin.add_ring_key("calls")
    with pytest.raises(errors.KMSNotFound):
        admin.rotate_ring_key("absent")
    with pytest.raises(errors.InvalidArgument):
        admin.add_ring_key("a b")
    with pytest.raises(errors.InvalidRequest):
        admin.disable_ring_key("sse-s3")
    body = running.access.request("GET", "/api/v1/key-ring").body
    secrets = [
        version["key"]
        for key in json.loads((running.directory / "key-ring").read_bytes())["keys"]
        for version in key["versions"]
    ]
    assert secrets
    assert not any(secret.encode() in body for secret in secrets)
