"""What a bucket says about the encryption of new objects that say nothing themselves."""

from __future__ import annotations

import msgspec

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.rules.encryption import Default
from zakrom.s3 import encryption
from zakrom.s3.call import Call
from zakrom.s3.encryption import DOCUMENT
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire.documents import parse_encryption
from zakrom.wire.xml import element

BODY_BYTES_MAX = 64 * 1024  # one rule


@operation("GetBucketEncryption", "GET", BUCKET, "encryption", action="s3:GetEncryptionConfiguration")
async def get_bucket_encryption(call: Call) -> Response:
    """The rule that holds for new objects: the bucket's, or the server's.

    Where there is neither AWS would still say SSE-S3; but what is not encrypted must not be called so.
    Raises `ServerSideEncryptionConfigurationNotFoundError`.
    """
    default = encryption.default_of(call)
    if default is None:
        raise errors.ServerSideEncryptionConfigurationNotFoundError(bucket=call.bucket.name)
    return xml_response("ServerSideEncryptionConfiguration", _rule_xml(default))


@operation("PutBucketEncryption", "PUT", BUCKET, "encryption", action="s3:PutEncryptionConfiguration")
async def put_bucket_encryption(call: Call) -> Response:
    """Replaces the rule. A key that it names need not exist yet: as AWS has it, writes find that out."""
    asked = parse_encryption(await read_body(call, BODY_BYTES_MAX))
    default = Default(asked.algorithm, asked.key, asked.bucket_key, "SSE-C" in asked.blocked)
    await call.store.catalog.apply(SetDocument(call.bucket.id, DOCUMENT, msgspec.msgpack.encode(default)))
    return empty(200)


@operation("DeleteBucketEncryption", "DELETE", BUCKET, "encryption", action="s3:PutEncryptionConfiguration")
async def delete_bucket_encryption(call: Call) -> Response:
    """From now on the server's default holds. What is encrypted stays so."""
    await call.store.catalog.apply(SetDocument(call.bucket.id, DOCUMENT, None))
    return empty(204)


def _rule_xml(default: Default) -> str:
    apply = element("SSEAlgorithm", default.algorithm) + element("KMSMasterKeyID", default.key)
    blocked = "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"
    return (
        f"<Rule><ApplyServerSideEncryptionByDefault>{apply}</ApplyServerSideEncryptionByDefault>"
        f"{element('BucketKeyEnabled', default.bucket_key)}{blocked if default.customer_blocked else ''}</Rule>"
    )
