"""What a process of a server needs before it can serve: the catalog, blobs of its own generation, root."""

from __future__ import annotations

import contextlib
import secrets

from zakrom import errors
from zakrom.blobs.local import LocalBlobs
from zakrom.catalog.changes import OpenGeneration, PutAccessKey, PutUser, RemoveAccessKey, SetJob
from zakrom.catalog.client import SqliteCatalog, connect
from zakrom.catalog.interface import Catalog
from zakrom.compose.context import Context, clock_ms
from zakrom.crypt.ring import FILE_NAME, KeyRing
from zakrom.identity.doorman import Doorman, Rules
from zakrom.identity.patience import Patience
from zakrom.identity.sessions import Sealer
from zakrom.model.facts import AccessKey, User
from zakrom.observe import logs
from zakrom.store import Store, StoreOptions
from zakrom.store.sealing import is_in_use

ROOT = "root"
_ROOT_KEY_JOB = "root-key"
"""Under this name the catalog remembers which key the settings gave root last, so that a changed one replaces it."""


async def open_store(context: Context) -> Store:
    """The store as this process sees it."""
    settings = context.settings
    blobs = LocalBlobs(context.opened.path / "blobs")

    async def adopt(catalog: SqliteCatalog) -> None:
        # Also after a lost connection: the writer has closed our old generation then, and may have it swept.
        blobs.adopt(await catalog.apply(OpenGeneration(clock_ms())))

    catalog = await connect(str(context.opened.path / "catalog"), context.writer_socket, adopt)
    await adopt(catalog)
    options = StoreOptions(
        reserve_bytes=settings.reserve_of(blobs.room().total),
        grace_ms=int(settings.reap_grace_seconds * 1000),
        sendfile=settings.sendfile,
    )
    log = logs.logger("store")

    def on_damage(damage: errors.DataCorrupt) -> None:
        context.metrics.count("zakrom_damaged_blocks_total")
        log.error("damaged bytes were not sent", **damage.fields, hint="zakrom scrub names the objects")

    store = Store(catalog, blobs, options, on_damage, key_ring(context, catalog))
    await _ensure_root(context, store)
    return store


def key_ring(context: Context, catalog: Catalog) -> KeyRing:
    """The keys of this store."""
    return KeyRing(context.opened.path / FILE_NAME, clock_ms, lambda: is_in_use(catalog))


def make_doorman(context: Context, store: Store) -> Doorman:
    """Who finds out who it is, for any door."""
    settings = context.settings
    rules = Rules(settings.regions, settings.sigv2, int(settings.clock_skew_seconds * 1000))
    return Doorman(store.catalog, rules, make_sealer(context), Patience())


def make_sealer(context: Context) -> Sealer:
    """What makes and opens the session tokens of this server."""
    return Sealer(context.session_key, secrets.token_bytes)


async def _ensure_root(context: Context, store: Store) -> None:
    """Root exists and has the key that the settings or the data directory give; the one they gave before goes."""
    catalog, wanted, now_ms = store.catalog, context.root, clock_ms()
    try:
        await catalog.user(ROOT)
    except errors.NoSuchUser:
        user = User(ROOT, secrets.token_hex(32), ROOT, "", now_ms, root=True)
        with contextlib.suppress(errors.UserAlreadyExists):  # another process of this server was quicker
            await catalog.apply(PutUser(user))
    found = await catalog.access_key(wanted.access_key)
    if found is not None and found[0].secret == wanted.secret_key and not found[0].disabled:
        return
    if found is not None and found[1].name != ROOT:
        raise errors.InvalidSetting(
            f"The access key {wanted.access_key} belongs to the user {found[1].name}.", hint="choose another root user"
        )
    await catalog.apply(PutAccessKey(AccessKey(wanted.access_key, wanted.secret_key, ROOT, now_ms), replace=True))
    before = await catalog.job(_ROOT_KEY_JOB)
    if before is not None and before.decode() != wanted.access_key:
        with contextlib.suppress(errors.NoSuchAccessKey):
            await catalog.apply(RemoveAccessKey(before.decode()))
    await catalog.apply(SetJob(_ROOT_KEY_JOB, wanted.access_key.encode()))
