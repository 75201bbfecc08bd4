"""`zakrom admin usage`: what buckets hold, counted exactly."""

from __future__ import annotations

import click

from zakrom.admin_client.values import Usage
from zakrom.cli.admin.session import Session, connected, examples, size, table

_COLUMNS = ("bucket", ">objects", ">versions", ">markers", ">bytes", ">uploads", ">in uploads", ">in all", ">quota")


@click.command("usage", short_help="What buckets hold.")
@click.argument("bucket", required=False)
@click.option("--prefix", metavar="TEXT", default="", help="Only buckets whose names begin so.")
@connected
@examples(
    "zakrom admin usage",
    "zakrom admin usage photos",
    "zakrom admin usage --prefix backup- --json",
)
def usage(session: Session, bucket: str | None, prefix: str) -> None:
    """What buckets hold: all of them and the store, or one.

    Objects are what a listing shows, versions all that have bytes. A quota limits what stands under "in all".
    """
    if bucket is not None:
        one = session.client.usage(bucket)
        session.show(one, lambda: table(_COLUMNS, [_row(one)]))
        return
    found = list(session.client.bucket_usages(prefix))
    store = session.client.usage()
    session.show({"buckets": found, "store": store}, lambda: table(_COLUMNS, [_row(one) for one in (*found, store)]))


def _row(one: Usage) -> tuple[str, ...]:
    return (
        "(the store)" if one.bucket is None else one.bucket,
        str(one.objects),
        str(one.versions),
        str(one.markers),
        size(one.bytes),
        str(one.uploads),
        size(one.upload_bytes),
        size(one.total_bytes),
        size(one.quota_bytes),
    )
