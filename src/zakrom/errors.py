"""The one tree of exceptions.

An error is a class and its fields, never prose: doors dress it (S3's XML, the admin API's JSON, a line of the command
line), each from one table. The seven branches say *who can do what about it*:

- ``Invalid``: the caller must change the request.
- ``Denied``: the caller may not, or could not prove who they are.
- ``NotFound``: what was named does not exist.
- ``Conflict``: the state of the store forbids it now; the state may change.
- ``Exhausted``: room or patience has run out; it may come back.
- ``Unavailable``: this server cannot answer now; another try may succeed.
- ``Corrupt``: stored bytes or facts are damaged; an operator is needed.

The docstring of a class is its default message, in AWS's own words where AWS has them. The name of a class is the
error's code in S3 unless ``wire.errors`` says otherwise.
"""

from __future__ import annotations

from typing import ClassVar, Self

Field = str | int | bool | None


class Error(Exception):
    """We encountered an internal error. Please try again."""

    registry: ClassVar[dict[str, type[Error]]] = {}

    def __init_subclass__(cls) -> None:
        if cls.__name__ in Error.registry:
            raise TypeError(f"two errors are named {cls.__name__}")
        Error.registry[cls.__name__] = cls

    def __init__(self, message: str | None = None, **fields: Field) -> None:
        """``message`` replaces the default; ``fields`` are named facts (snake_case) which doors show as they see fit."""
        self.message: str = (type(self).__doc__ or "").strip() if message is None else message
        self.fields = fields
        super().__init__(self.message)

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{self.message} ({facts})" if facts else self.message

    def packed(self) -> tuple[str, str, dict[str, Field]]:
        """The error as plain values, to cross a process boundary; `unpacked` is the way back."""
        return type(self).__name__, self.message, self.fields

    @classmethod
    def unpacked(cls, name: str, message: str, fields: dict[str, Field]) -> Error:
        """The error that `packed` gave; an unknown name becomes a plain `Unavailable`."""
        return cls.registry.get(name, Unavailable)(message, **fields)

    def with_fields(self, **fields: Field) -> Self:
        """The same error knowing more: what an outer room can add and an inner one could not."""
        self.fields = {**fields, **self.fields}
        return self


# ---------------------------------------------------------------------------------------------------- the seven branches


class Invalid(Error):
    """The request is not valid."""


class Denied(Error):
    """Access Denied"""


class NotFound(Error):
    """The specified resource does not exist."""


class Conflict(Error):
    """The request conflicts with the current state of the resource."""


class Exhausted(Error):
    """There is no room for this request at the moment."""


class Unavailable(Error):
    """Service is unable to handle request."""


class Corrupt(Error):
    """The stored data is damaged."""


# --------------------------------------------------------------------------------------------------------------- invalid


class InvalidArgument(Invalid):
    """Invalid Argument"""


class InvalidRequest(Invalid):
    """Invalid Request"""


class BadRequest(Invalid):
    """Bad Request"""


class InvalidBucketName(Invalid):
    """The specified bucket is not valid."""


class InvalidURI(Invalid):
    """Couldn't parse the specified URI."""


class InvalidBucketOwnerAWSAccountID(Invalid):
    """The value of the expected bucket owner parameter must be an AWS Account ID"""


class KeyTooLongError(Invalid):
    """Your key is too long"""


class MetadataTooLarge(Invalid):
    """Your metadata headers exceed the maximum allowed metadata size"""


class RequestHeaderSectionTooLarge(Invalid):
    """Your request header section exceeds the maximum allowed request header section size."""


class MalformedPolicy(Invalid):
    """Policies must be valid JSON and the first byte must be '{'"""


class PolicyTooLarge(Invalid):
    """Policy exceeds the maximum allowed document size."""


class MalformedXML(Invalid):
    """The XML you provided was not well-formed or did not validate against our published schema"""


class MaxMessageLengthExceeded(Invalid):
    """Your request was too big."""


class MissingRequestBodyError(Invalid):
    """Request Body is empty"""


class InvalidDigest(Invalid):
    """The Content-MD5 you specified was invalid."""


class BadDigest(Invalid):
    """The Content-MD5 you specified did not match what we received."""


class XAmzContentSHA256Mismatch(Invalid):
    """The provided 'x-amz-content-sha256' header does not match what was computed."""


class IncompleteBody(Invalid):
    """The request body terminated unexpectedly"""


class MissingContentLength(Invalid):
    """You must provide the Content-Length HTTP header."""


class InvalidChunkSizeError(Invalid):
    """Only the last chunk is allowed to have a size less than 8192 bytes"""


class MalformedTrailerError(Invalid):
    """The request contained trailing data that was not well-formed or did not conform to our published schema."""


class EntityTooSmall(Invalid):
    """Your proposed upload is smaller than the minimum allowed size"""


class EntityTooLarge(Invalid):
    """Your proposed upload exceeds the maximum allowed size"""


class InvalidPart(Invalid):
    """One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."""


class InvalidPartOrder(Invalid):
    """The list of parts was not in ascending order. Parts must be ordered by part number."""


class InvalidPartNumber(Invalid):
    """The requested partnumber is not satisfiable"""


class InvalidRange(Invalid):
    """The requested range is not satisfiable"""


class InvalidTag(Invalid):
    """The tag provided was not a valid tag."""


class InvalidLocationConstraint(Invalid):
    """The specified location-constraint is not valid"""


class IllegalLocationConstraintException(Invalid):
    """The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."""


class InvalidStorageClass(Invalid):
    """The storage class you specified is not valid"""


class IllegalVersioningConfigurationException(Invalid):
    """The Versioning element must be specified"""


class InvalidPolicyDocument(Invalid):
    """The content of the form does not meet the conditions specified in the policy document."""


class InvalidRedirectLocation(Invalid):
    """The website redirect location must have a prefix of 'http://' or 'https://' or '/'."""


class MalformedPOSTRequest(Invalid):
    """The body of your POST request is not well-formed multipart/form-data."""


class MaxPostPreDataLengthExceeded(Invalid):
    """Your POST request fields preceeding the upload file was too large."""


class InvalidRetentionPeriod(Invalid):
    """The retention period specified is invalid."""


class AccessControlListNotSupported(Invalid):
    """The bucket does not allow ACLs"""


class AmbiguousGrantByEmailAddress(Invalid):
    """The email address you provided is associated with more than one account."""


class UnresolvableGrantByEmailAddress(Invalid):
    """The email address you provided does not match any account on record."""


class MalformedACLError(Invalid):
    """The XML you provided was not well-formed or did not validate against our published schema"""


class MissingSecurityHeader(Invalid):
    """Your request was missing a required header"""


class UnexpectedContent(Invalid):
    """This request does not support content"""


class InvalidBucketAclWithObjectOwnership(Invalid):
    """Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"""


class InvalidBucketAclWithBlockPublicAccessError(Invalid):
    """Bucket cannot have public ACLs set with BlockPublicAccess enabled"""


class TooManyConfigurations(Invalid):
    """You are attempting to create a new configuration but have already reached the 1,000-configuration limit."""


class InvalidTargetBucketForLogging(Invalid):
    """The target bucket for logging does not exist"""


class AuthorizationHeaderMalformed(Invalid):
    """The authorization header is malformed."""


class AuthorizationQueryParametersError(Invalid):
    """Error parsing the X-Amz-Credential parameter."""


class InvalidToken(Invalid):
    """The provided token is malformed or otherwise invalid."""


class ExpiredToken(Invalid):
    """The provided token has expired."""


class ValidationError(Invalid):
    """1 validation error detected."""


class InvalidInput(Invalid):
    """The request was rejected because an invalid or out-of-range value was supplied for an input parameter."""


class InvalidAction(Invalid):
    """The action or operation requested is invalid."""


class MalformedPolicyDocument(Invalid):
    """Syntax errors in policy."""


class PackedPolicyTooLarge(Invalid):
    """The session policies and session tags together are too large."""


class IncompleteSignature(Invalid):
    """The request signature does not conform to AWS standards."""


class InvalidIdentityToken(Invalid):
    """The web identity token that was passed could not be validated."""


class ExpiredIdentityToken(Invalid):
    """The web identity token that was passed is expired."""


class IDPCommunicationError(Invalid):
    """The identity provider could not be reached to verify the token."""


class RequestTimeout(Invalid):
    """Your socket connection to the server was not read from or written to within the timeout period."""


class MethodNotAllowed(Invalid):
    """The specified method is not allowed against this resource."""


class NotServed(Invalid):
    """A header you provided implies functionality that is not implemented"""


class InvalidEncryptionAlgorithmError(Invalid):
    """The Encryption request you specified is not valid. Supported value: AES256."""


class KMSNotFound(Invalid):
    """The key does not exist"""


class KMSDisabled(Invalid):
    """The key is disabled."""


class PreconditionFailed(Invalid):
    """At least one of the pre-conditions you specified did not hold"""


class NotModified(Invalid):
    """Not Modified"""


class InvalidSetting(Invalid):
    """A setting is not valid."""


# ---------------------------------------------------------------------------------------------------------------- denied


class AccessDenied(Denied):
    """Access Denied"""


class AccessForbidden(Denied):
    """CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."""


class CrossLocationLoggingProhibitted(Denied):
    """Cross S3 location logging not allowed."""


class SignatureDoesNotMatch(Denied):
    """The request signature we calculated does not match the signature you provided. Check your key and signing method."""


class InvalidAccessKeyId(Denied):
    """The AWS Access Key Id you provided does not exist in our records."""


class IDPRejectedClaim(Denied):
    """The identity provider reported that authentication failed."""


class MissingAuthenticationToken(Denied):
    """Request is missing Authentication Token"""


class RequestTimeTooSkewed(Denied):
    """The difference between the request time and the current time is too large."""


# ------------------------------------------------------------------------------------------------------------- not found


class NoSuchBucket(NotFound):
    """The specified bucket does not exist"""


class NoSuchKey(NotFound):
    """The specified key does not exist."""


class NoSuchVersion(NotFound):
    """The specified version does not exist."""


class NoSuchUpload(NotFound):
    """The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."""


class NoSuchTagSet(NotFound):
    """The TagSet does not exist"""


class NoSuchBucketPolicy(NotFound):
    """The bucket policy does not exist"""


class NoSuchCORSConfiguration(NotFound):
    """The CORS configuration does not exist"""


class NoSuchLifecycleConfiguration(NotFound):
    """The lifecycle configuration does not exist"""


class NoSuchWebsiteConfiguration(NotFound):
    """The specified bucket does not have a website configuration"""


class ReplicationConfigurationNotFoundError(NotFound):
    """The replication configuration was not found"""


class ServerSideEncryptionConfigurationNotFoundError(NotFound):
    """The server side encryption configuration was not found"""


class ObjectLockConfigurationNotFoundError(NotFound):
    """Object Lock configuration does not exist for this bucket"""


class NoSuchObjectLockConfiguration(NotFound):
    """The specified object does not have a ObjectLock configuration"""


class NoSuchPublicAccessBlockConfiguration(NotFound):
    """The public access block configuration was not found"""


class OwnershipControlsNotFoundError(NotFound):
    """The bucket ownership controls were not found"""


class NoSuchConfiguration(NotFound):
    """The specified configuration does not exist."""


class NoSuchUser(NotFound):
    """There is no such user."""


class NoSuchEntity(NotFound):
    """The entity does not exist."""


class NoSuchAccessKey(NotFound):
    """There is no such access key."""


# -------------------------------------------------------------------------------------------------------------- conflict


class BucketAlreadyExists(Conflict):
    """The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."""


class BucketAlreadyOwnedByYou(Conflict):
    """Your previous request to create the named bucket succeeded and you already own it."""


class BucketNotEmpty(Conflict):
    """The bucket you tried to delete is not empty"""


class ConditionalRequestConflict(Conflict):
    """The conditional request cannot succeed due to a conflicting operation against this resource."""


class OperationAborted(Conflict):
    """A conflicting conditional operation is currently in progress against this resource. Please try again."""


class InvalidBucketState(Conflict):
    """The request is not valid for the current state of the bucket."""


class UserAlreadyExists(Conflict):
    """There is a user of this name already."""


class AccessKeyAlreadyExists(Conflict):
    """There is an access key of this name already."""


class EntityAlreadyExists(Conflict):
    """There is an entity of this name already."""


class DeleteConflict(Conflict):
    """Something depends on the entity: remove that first."""


class LimitExceeded(Conflict):
    """A quota of IAM would be exceeded."""


class KeyAlreadyExists(Conflict):
    """There is a key of this name in the key ring already."""


class Stale(Conflict):
    """What the change was decided on has changed since; decide again."""


class DataDirectoryInUse(Conflict):
    """Another server is using this data directory."""


# ------------------------------------------------------------------------------------------------------------- exhausted


class InsufficientStorage(Exhausted):
    """There is not enough free space on the server's disk. Delete something, or try again later."""


class QuotaExceeded(Exhausted):
    """The quota does not allow this much more data."""


class TooManyBuckets(Exhausted):
    """You have attempted to create more buckets than allowed"""


class TooManyKeys(Exhausted):
    """The key ring holds no more keys, or no more versions of this one."""


class SlowDown(Exhausted):
    """Please reduce your request rate."""


# ----------------------------------------------------------------------------------------------------------- unavailable


class ServiceUnavailable(Unavailable):
    """Please reduce your request rate."""


class OutcomeUnknown(Unavailable):
    """The server cannot tell whether the change was written. Look before you repeat it."""


# --------------------------------------------------------------------------------------------------------------- corrupt


class DataCorrupt(Corrupt):
    """The stored bytes of this object are damaged and are not served."""


class KeyMissing(Corrupt):
    """The key that this was encrypted with is not in the key ring."""


class FormatTooNew(Corrupt):
    """This data directory was written by a newer Zakrom."""
