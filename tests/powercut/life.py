"""Some clients of a store, and what must be visible after each of their acknowledged steps.

Every client has buckets of its own and does one thing after another, so at each moment exactly two pictures of its buckets
are right: that after its last acknowledged step, and that after the step under way (with those between them, where a step is
several changes: DeleteObjects). A picture holds all that can be seen: buckets, every version with its bytes, tags and metadata,
markers, open uploads and their parts.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import random
import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from zakrom.testing.server import Server

KIB = 1024
PART_BYTES = 5 * 1024 * KIB  # the least that S3 takes for a part that is not the last
NULL = "null"

Picture = dict[str, Any]
"""``{bucket: {"versioning", "tags", "keys": {key: [version, …] newest first}, "uploads": {key: [{number: etag}, …]}}}``."""


def digest(body: bytes) -> str:
    """Bytes as a picture shows them."""
    return f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()[:16]}"


def version(
    id: str, body: bytes | None, etag: str, tags: Mapping[str, str] | None = None, metadata: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A version as a picture shows it; a delete marker has no body."""
    if body is None:
        return {"id": id, "marker": True}
    return {
        "id": id,
        "bytes": digest(body),
        "etag": etag.strip('"'),
        "tags": dict(tags or {}),
        "metadata": dict(metadata or {}),
    }


class Client:
    """Does things, notes what must be visible then, and says so to the recording."""

    def __init__(self, server: Server, name: str, mark: Callable[[str], None], seed: int) -> None:
        self.name = name
        self.bucket = f"{name}-bucket"
        self.pictures: list[list[Picture]] = [[{}]]
        """After each step: the pictures that may be seen while it is under way, the last of which must be seen after it."""
        self._s3 = server.client()
        self._server = server
        self._mark = mark
        self.chance = random.Random(seed)
        self._bodies: dict[tuple[str, str, str], bytes] = {}
        self._now: Picture = {}

    def allowed(self, acknowledged: int) -> list[Picture]:
        """What may be seen after that many acknowledgements."""
        under_way = self.pictures[acknowledged + 1] if acknowledged + 1 < len(self.pictures) else []
        return [self.pictures[acknowledged][-1], *under_way]

    def present(self) -> list[str]:
        """The keys whose current version is no marker."""
        return sorted(key for key, versions in self._keys().items() if "marker" not in versions[0])

    def body(self, size: int) -> bytes:
        """Bytes like no others."""
        return self.chance.randbytes(size)

    def _done(self, *between: Picture) -> None:
        self.pictures.append([*between, copy.deepcopy(self._now)])
        self._mark(f"{self.name} {len(self.pictures) - 1}")

    def _keys(self) -> dict[str, list[dict[str, Any]]]:
        keys: dict[str, list[dict[str, Any]]] = self._now[self.bucket]["keys"]
        return keys

    def _on_top(self, key: str, new: dict[str, Any], body: bytes | None = None) -> None:
        """S3's rule: a null version takes the place of the null version, any other stands on top."""
        others = [one for one in self._keys().get(key, []) if new["id"] != NULL or one["id"] != NULL]
        self._keys()[key] = [new, *others]
        if body is not None:
            self._bodies[self.bucket, key, new["id"]] = body

    def _current(self, key: str) -> bytes:
        return self._bodies[self.bucket, key, self._keys()[key][0]["id"]]

    # ------------------------------------------------------------------------------------------------------ buckets

    def create_bucket(self, name: str | None = None) -> None:
        """A new one; the one that all else is done in if not told otherwise."""
        name = name or self.bucket
        self._s3.create_bucket(Bucket=name)
        self._now[name] = {"versioning": "Never", "tags": {}, "keys": {}, "uploads": {}}
        self._done()

    def delete_bucket(self, name: str) -> None:
        """An empty one."""
        self._s3.delete_bucket(Bucket=name)
        del self._now[name]
        self._done()

    def versioning(self, status: str) -> None:
        """``Enabled`` or ``Suspended``."""
        self._s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})
        self._now[self.bucket]["versioning"] = status
        self._done()

    def tag_bucket(self, tags: Mapping[str, str]) -> None:
        """A document of the bucket."""
        if tags:
            self._s3.put_bucket_tagging(Bucket=self.bucket, Tagging={"TagSet": _tag_set(tags)})
        else:
            self._s3.delete_bucket_tagging(Bucket=self.bucket)
        self._now[self.bucket]["tags"] = dict(tags)
        self._done()

    # ------------------------------------------------------------------------------------------------------ objects

    def put(self, key: str, size: int, metadata: Mapping[str, str] | None = None) -> None:
        """A new version."""
        body = self.body(size)
        answer = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=dict(metadata or {}))
        self._on_top(key, version(answer.get("VersionId", NULL), body, answer["ETag"], metadata=metadata), body)
        self._done()

    def copy(self, source: str, key: str) -> None:
        """A new version with the bytes, the tags and the metadata of another key."""
        answer = self._s3.copy_object(Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source})
        body, of = self._current(source), self._keys()[source][0]
        id = answer.get("VersionId", NULL)
        self._on_top(key, version(id, body, answer["CopyObjectResult"]["ETag"], of["tags"], of["metadata"]), body)
        self._done()

    def tag(self, key: str, tags: Mapping[str, str]) -> None:
        """Tags of the current version."""
        self._s3.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": _tag_set(tags)})
        self._keys()[key][0] = self._keys()[key][0] | {"tags": dict(tags)}
        self._done()

    def delete(self, key: str) -> None:
        """Without a version: what that means is the bucket's versioning."""
        answer = self._s3.delete_object(Bucket=self.bucket, Key=key)
        self._deleted(key, answer.get("VersionId") if answer.get("DeleteMarker") else None)
        self._done()

    def _deleted(self, key: str, marker: str | None) -> None:
        if marker is not None:
            self._on_top(key, version(marker, None, ""))
            return
        self._without(key, NULL)

    def delete_version(self, key: str, nth: int) -> None:
        """One version, a marker perhaps, for good."""
        id = self._keys()[key][nth]["id"]
        self._s3.delete_object(Bucket=self.bucket, Key=key, VersionId=id)
        self._without(key, id)
        self._done()

    def _without(self, key: str, id: str) -> None:
        self._keys()[key] = [one for one in self._keys()[key] if one["id"] != id]
        if not self._keys()[key]:
            del self._keys()[key]

    def delete_two(self, one: str, other: str) -> None:
        """DeleteObjects: each key is a change of its own."""
        before = copy.deepcopy(self._now)
        listed = [{"Key": one}, {"Key": other}]
        answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": listed})
        markers = {entry["Key"]: entry.get("DeleteMarkerVersionId") for entry in answer["Deleted"]}
        between = []
        for key in (one, other):
            self._now = copy.deepcopy(before)
            self._deleted(key, markers[key])
            between.append(self._now)
        self._now = copy.deepcopy(between[0])
        self._deleted(other, markers[other])
        self._done(*between)

    def refused(self, key: str, size: int) -> None:
        """A put whose condition does not hold: all bytes are received, nothing changes."""
        with contextlib.suppress(ClientError):
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=self.body(size), IfNoneMatch="*")
            raise AssertionError("the key was there, and the condition held")
        self._done()

    def cut_short(self, key: str, size: int, sent: int) -> socket.socket:
        """A put of which only a part is ever sent; the connection, to be closed or left to a crash."""
        url = urlsplit(self._s3.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": key}))
        connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=10)
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode() + self.body(sent))
        return connection

    # ------------------------------------------------------------------------------------------------------ uploads

    def upload(self, key: str) -> str:
        """An open one; its id."""
        id: str = self._s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        self._now[self.bucket]["uploads"].setdefault(key, []).append({})
        self._done()
        return id

    def part(self, key: str, id: str, number: int, size: int) -> bytes:
        """A part, new or in place of one. One upload a key at a time."""
        body = self.body(size)
        answer = self._s3.upload_part(Bucket=self.bucket, Key=key, UploadId=id, PartNumber=number, Body=body)
        self._now[self.bucket]["uploads"][key][0][str(number)] = answer["ETag"].strip('"')
        self._done()
        return body

    def part_copy(self, key: str, id: str, number: int, source: str) -> bytes:
        """A part with the bytes of an object."""
        place = {"Bucket": self.bucket, "Key": source}
        answer = self._s3.upload_part_copy(Bucket=self.bucket, Key=key, UploadId=id, PartNumber=number, CopySource=place)
        self._now[self.bucket]["uploads"][key][0][str(number)] = answer["CopyPartResult"]["ETag"].strip('"')
        self._done()
        return self._current(source)

    def complete(self, key: str, id: str, bodies: Mapping[int, bytes]) -> None:
        """The upload becomes a version."""
        known = self._now[self.bucket]["uploads"].pop(key)[0]
        parts = [{"PartNumber": number, "ETag": known[str(number)]} for number in bodies]
        where = {"Bucket": self.bucket, "Key": key, "UploadId": id}
        answer = self._s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        body = b"".join(bodies.values())
        self._on_top(key, version(answer.get("VersionId", NULL), body, answer["ETag"]), body)
        self._done()

    def abort(self, key: str, id: str) -> None:
        """The upload goes."""
        self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=id)
        del self._now[self.bucket]["uploads"][key]
        self._done()


def _tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


# ----------------------------------------------------------------------------------------------------------- the lives


def every_kind(client: Client) -> None:
    """Each kind of step at least once, with bytes in the catalog and bytes in files."""
    client.create_bucket()
    client.put("inline", 5_000, metadata={"colour": "blue"})
    client.put("empty", 0)
    client.put("file", 40_000)
    client.put("inline", 60_000)  # overwritten: inline by a file
    client.put("file", 300)  # and a file by inline bytes
    client.put("large", 1_200_000)  # several batches
    client.copy("large", "copy-of-large")
    client.copy("inline", "copy")
    client.tag("copy", {"a": "1"})
    client.copy("copy", "inline")
    client.delete("large")  # its bytes live on in the copy
    client.refused("inline", 100_000)
    client.tag_bucket({"team": "red"})
    client.tag_bucket({})
    client.create_bucket(f"{client.name}-other")
    client.delete_bucket(f"{client.name}-other")
    client.cut_short("never", 200_000, 150_000).close()
    _uploads(client)
    client.delete_two("copy", "empty")


def _uploads(client: Client) -> None:
    id = client.upload("parts")
    bodies = {1: client.part("parts", id, 1, PART_BYTES)}
    client.part("parts", id, 3, 70_000)
    bodies[3] = client.part("parts", id, 3, 1_000)  # again, shorter
    client.complete("parts", id, bodies)
    client.copy("parts", "parts-copy")
    client.delete("parts")
    id = client.upload("copied")
    bodies = {2: client.part_copy("copied", id, 2, "copy-of-large")}
    client.complete("copied", id, bodies)
    client.delete("parts-copy")
    id = client.upload("aborted")
    client.part("aborted", id, 1, 90_000)
    client.part("aborted", id, 2, 900)
    client.abort("aborted", id)
    client.part("open", client.upload("open"), 7, 50_000)


def versions(client: Client) -> None:
    """Versioning: enabled, markers, deletes of versions, suspended, the null version."""
    client.put("v", 45_000)
    client.versioning("Enabled")
    client.put("v", 46_000)
    client.put("v", 470)
    client.delete("v")
    client.delete_version("v", 0)  # the marker
    client.delete_version("v", 1)  # the one in the middle
    client.tag("v", {"b": "2"})
    client.versioning("Suspended")
    client.put("v", 480)
    client.delete("v")
    client.put("v", 49_000)
    client.delete_version("v", 0)


def anything(client: Client, steps: int) -> None:
    """Puts, copies and deletes as the seed chooses; the bucket is there."""
    for _ in range(steps):
        key = f"k{client.chance.randrange(5)}"
        here = client.present()
        others = [one for one in here if one != key]
        act = client.chance.choices(("put", "copy", "delete"), weights=(5, 2, 2))[0]
        if act == "copy" and others:
            client.copy(client.chance.choice(others), key)
        elif act == "delete" and key in here:
            client.delete(key)
        else:
            client.put(key, client.chance.choice((0, 100, 9_000, 33_000, 150_000)))
