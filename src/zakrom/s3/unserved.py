"""S3's operations that are known by name and not served yet: each answers NotImplemented and says which it is.

When one is served it moves to a file of its own in `ops`. A test compares both lists with the service model that botocore
ships.
"""

from __future__ import annotations

from zakrom.s3.operation import BUCKET, OBJECT, Level, unserved

_BUCKET_DOCUMENTS: tuple[tuple[str, str, str], ...] = (
    ("abac", "BucketAbac", "GP"),
    ("notification", "BucketNotificationConfiguration", "P"),
    ("replication", "BucketReplication", "PD"),
    ("metadataConfiguration", "BucketMetadataConfiguration", "GDC"),
    ("metadataTable", "BucketMetadataTableConfiguration", "GDC"),
)
"""Keyword, subject, and which of Get, Put, Delete and Create (by POST) are not served."""

_VERBS = {"G": ("Get", "GET"), "P": ("Put", "PUT"), "D": ("Delete", "DELETE"), "C": ("Create", "POST")}

_NAMED_CONFIGURATIONS = (("inventory", "Inventory"),)
"""Configurations of which a bucket may have several, told apart by ``id``."""

_OTHERS: tuple[tuple[str, str, Level, str], ...] = (
    ("CreateSession", "GET", BUCKET, "session"),
    ("UpdateBucketMetadataAnnotationTableConfiguration", "PUT", BUCKET, "metadataAnnotationTable"),
    ("UpdateBucketMetadataInventoryTableConfiguration", "PUT", BUCKET, "metadataInventoryTable"),
    ("UpdateBucketMetadataJournalTableConfiguration", "PUT", BUCKET, "metadataJournalTable"),
    ("RestoreObject", "POST", OBJECT, "restore"),
    ("SelectObjectContent", "POST", OBJECT, "select"),
    ("RenameObject", "PUT", OBJECT, "renameObject"),
    ("UpdateObjectEncryption", "PUT", OBJECT, "encryption"),
    ("PutObjectAnnotation", "PUT", OBJECT, "annotation"),
    ("DeleteObjectAnnotation", "DELETE", OBJECT, "annotation"),
    ("ListObjectAnnotations", "GET", OBJECT, "annotation"),
)

ALIASES = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
"""Deprecated names of operations that look the same on the wire."""

ELSEWHERE = {
    "ListDirectoryBuckets": "GET / of the control endpoint of directory buckets, which do not exist here",
    "WriteGetObjectResponse": "an operation of S3 Object Lambda's own host",
}
"""Operations that never reach this door, and why."""


for _keyword, _subject, _which in _BUCKET_DOCUMENTS:
    for _letter in _which:
        _verb, _method = _VERBS[_letter]
        unserved(_verb + _subject, _method, BUCKET, _keyword)
for _keyword, _subject in _NAMED_CONFIGURATIONS:
    unserved(f"ListBucket{_subject}Configurations", "GET", BUCKET, _keyword)
    for _verb, _method in _VERBS["G"], _VERBS["P"], _VERBS["D"]:
        unserved(f"{_verb}Bucket{_subject}Configuration", _method, BUCKET, _keyword, query=("id",))
for _name, _method, _level, _keyword in _OTHERS:
    unserved(_name, _method, _level, _keyword)
unserved("GetObjectAnnotation", "GET", OBJECT, "annotation", query=("annotationName",))
