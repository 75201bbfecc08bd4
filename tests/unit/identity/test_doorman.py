"""Who is it? Signatures against stored keys, and what is remembered of them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from zakrom import errors
from zakrom.catalog.interface import Catalog
from zakrom.identity.doorman import Doorman, Rules
from zakrom.model.facts import AccessKey, User
from zakrom.web.message import Request
from zakrom.wire import sigv4
from zakrom.wire.sigv4 import Credentials
from zakrom.wire.target import Query

NOW_MS = 1_800_000_000_000
USER = User("ann", "c" * 64, "Ann", "", 0)
KEY = AccessKey("AKANN", "secret", "ann", 0)
HOST = "s3.test"


class Keys:
    """As much of a catalog as a doorman asks."""

    def __init__(self) -> None:
        self.found: tuple[AccessKey, User] | None = (KEY, USER)
        self.asked = 0

    async def access_key(self, key: str) -> tuple[AccessKey, User] | None:
        """The one key."""
        self.asked += 1
        return self.found if key == KEY.id else None


class NoBody:
    """The body of a GET."""

    length = 0

    async def read(self) -> bytes:
        """Nothing."""
        return b""


def presigned(seconds: int = 60, method: str = "GET", secret: str = "secret") -> tuple[bytes, bytes]:
    """Path and query of a presigned URL."""
    who = Credentials(KEY.id, secret, "us-east-1")
    url = sigv4.presign(who, method, f"http://{HOST}/b/k", expires_seconds=seconds, now_ms=NOW_MS)
    path, _, query = url.removeprefix(f"http://{HOST}").partition("?")
    return path.encode(), query.encode()


def request(where: tuple[bytes, bytes], method: str = "GET", *more: tuple[bytes, bytes]) -> Request:
    """A request for it."""
    return Request(
        method, where[0], where[1], [(b"host", HOST.encode()), *more], cast("Any", NoBody()), "127.0.0.1", secure=False
    )


async def identify(doorman: Doorman, asked: Request, now_ms: int = NOW_MS) -> str | None:
    """The name of who sent it."""
    caller, _ = await doorman.identify(asked, Query(asked.query), now_ms)
    return caller.user.name if caller.user else None


@pytest.fixture
def keys() -> Keys:
    """A catalog with one key."""
    return Keys()


@pytest.fixture
def doorman(keys: Keys) -> Doorman:
    """A doorman who has seen nobody yet."""
    return Doorman(cast("Catalog", keys), Rules(("us-east-1",)))


async def test_a_request_without_a_claim_is_anonymous(doorman: Doorman) -> None:
    """Nothing is asked of the catalog for it."""
    assert await identify(doorman, request((b"/b/k", b""))) is None


async def test_a_presigned_url_is_good_each_time(doorman: Doorman) -> None:
    """The second time it is known, with the same answer."""
    url = presigned()

    assert ["ann"] * 3 == [await identify(doorman, request(url)) for _ in range(3)]


async def test_a_known_url_expires_all_the_same(doorman: Doorman) -> None:
    """What was proven holds until its end and not a millisecond longer."""
    url = presigned(60)
    await identify(doorman, request(url))

    assert await identify(doorman, request(url), NOW_MS + 60_000) == "ann"
    with pytest.raises(errors.AccessDenied, match="expired"):
        await identify(doorman, request(url), NOW_MS + 60_001)


@pytest.mark.parametrize(
    "after",
    [
        None,
        (AccessKey(KEY.id, "another", "ann", 0), USER),
        (AccessKey(KEY.id, "secret", "ann", 0, disabled=True), USER),
        (KEY, User("ann", "c" * 64, "Ann", "", 0, disabled=True)),
    ],
    ids=["removed", "another secret", "disabled key", "disabled user"],
)
async def test_a_known_url_falls_with_its_key(doorman: Doorman, keys: Keys, after: tuple[AccessKey, User] | None) -> None:
    """A key that is removed, replaced or disabled closes every URL made with it, at once."""
    url = presigned()
    await identify(doorman, request(url))
    keys.found = after

    with pytest.raises(errors.Denied):
        await identify(doorman, request(url))


@pytest.mark.parametrize("header", [(b"x-amz-acl", b"public-read"), (b"x-amz-meta-a", b"b")])
async def test_a_known_url_does_not_vouch_for_more_headers(doorman: Doorman, header: tuple[bytes, bytes]) -> None:
    """A header that the signature does not cover is refused, the first time and later."""
    url = presigned()
    await identify(doorman, request(url))

    with pytest.raises(errors.AccessDenied, match="not signed"):
        await identify(doorman, request(url, "GET", header))


async def test_a_known_url_is_good_for_its_method_only(doorman: Doorman) -> None:
    """A GET's signature opens no DELETE."""
    url = presigned()
    await identify(doorman, request(url))

    with pytest.raises(errors.SignatureDoesNotMatch):
        await identify(doorman, request(url, "DELETE"))


async def test_two_claims_in_one_request_are_refused(doorman: Doorman) -> None:
    """Also where one of them is known."""
    url = presigned()
    await identify(doorman, request(url))

    with pytest.raises(errors.InvalidArgument):
        await identify(doorman, request(url, "GET", (b"authorization", b"AWS4-HMAC-SHA256 x")))


async def test_a_wrong_secret_and_an_unknown_key_are_told_apart(doorman: Doorman, keys: Keys) -> None:
    """As AWS does; and nothing of either is remembered."""
    with pytest.raises(errors.SignatureDoesNotMatch):
        await identify(doorman, request(presigned(secret="guess")))
    keys.found = None
    with pytest.raises(errors.InvalidAccessKeyId):
        await identify(doorman, request(presigned()))


class Kept:
    """How long failures are held, written down instead."""

    def __init__(self) -> None:
        self.peers: list[str] = []

    async def hold(self, peer: str, now_ms: int) -> None:
        """One failure."""
        self.peers.append(peer)


async def test_only_failures_are_held_back() -> None:
    """A wrong signature and an unknown key wait, whatever the signature; a good request from the same address does not."""
    kept, keys = Kept(), Keys()
    doorman = Doorman(cast("Catalog", keys), Rules(("us-east-1",)), patience=cast("Any", kept))
    good, wrong = presigned(), presigned(secret="wrong")
    stranger = wrong[0], wrong[1].replace(b"AKANN", b"AKNONE")
    await doorman.identify(request(good), Query(good[1]), NOW_MS)
    assert kept.peers == []
    with pytest.raises(errors.SignatureDoesNotMatch):
        await doorman.identify(request(wrong), Query(wrong[1]), NOW_MS)
    with pytest.raises(errors.InvalidAccessKeyId):
        await doorman.identify(request(stranger), Query(stranger[1]), NOW_MS)
    await doorman.identify(request(good), Query(good[1]), NOW_MS)

    assert kept.peers == ["127.0.0.1"] * 2


async def test_unknown_keys_push_no_known_key_out() -> None:
    """Whoever tries a thousand keys does not make others pay for deriving theirs anew."""
    doorman = Doorman(cast("Catalog", Keys()), Rules(("us-east-1",)))
    for number in range(50):
        where = presigned(secret="wrong")
        tried = where[0], where[1].replace(b"AKANN", b"AK%d" % number)
        with pytest.raises(errors.InvalidAccessKeyId):
            await doorman.identify(request(tried), Query(tried[1]), NOW_MS)

    assert len(doorman._keys._keys) == 1
