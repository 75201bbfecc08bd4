"""The actions and condition keys of S3 that a bucket policy may name, and what each action is about.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3". Actions that no operation of
ours asks for are known too: a policy that names one is good, here as at AWS.
"""

from __future__ import annotations

BUCKET_ACTIONS = frozenset(
    f"s3:{name}"
    for name in """
    CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration DeleteBucketPolicy
    DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS
    GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
    GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
    GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite
    GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration
    GetMetricsConfiguration GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions
    PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging
    PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
    PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite
    PutEncryptionConfiguration PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration
    PutMetricsConfiguration PutReplicationConfiguration UpdateBucketMetadataAnnotationTableConfiguration
    UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration
    """.split()  # noqa: SIM905 - a table to be read
)
"""About a bucket: ``arn:aws:s3:::bucket``."""

OBJECT_ACTIONS = frozenset(
    f"s3:{name}"
    for name in """
    AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation DeleteObjectTagging DeleteObjectVersion
    DeleteObjectVersionAnnotation DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAnnotation GetObjectAttributes
    GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl
    GetObjectVersionAnnotation GetObjectVersionAttributes GetObjectVersionForReplication GetObjectVersionTagging
    GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts ListObjectAnnotations ListObjectVersionAnnotations
    ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectAnnotation PutObjectLegalHold PutObjectRetention
    PutObjectTagging PutObjectVersionAcl PutObjectVersionAnnotation PutObjectVersionTagging ReplicateDelete ReplicateObject
    ReplicateTags RestoreObject UpdateObjectEncryption
    """.split()  # noqa: SIM905 - a table to be read
)
"""About an object: ``arn:aws:s3:::bucket/key``."""

ACTIONS = BUCKET_ACTIONS | OBJECT_ACTIONS

S3_KEYS = frozenset(
    f"s3:{name}"
    for name in """
    accessgrantsinstancearn accesspointnetworkorigin accesspointtag authtype bucketnamespace buckettag dataaccesspointaccount
    dataaccesspointarn delimiter existingjoboperation existingobjecttag if-match if-none-match inventoryaccessibleoptionalfields
    jobsuspendedcause locationconstraint max-keys object-lock-legal-hold object-lock-mode object-lock-remaining-retention-days
    object-lock-retain-until-date objectcreationoperation prefix requestobjecttag requestobjecttagkeys resourceaccount
    signatureage signatureversion tlsversion versionid x-amz-acl x-amz-bucket-namespace x-amz-content-sha256 x-amz-copy-source
    x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp
    x-amz-metadata-directive x-amz-object-ownership x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id
    x-amz-server-side-encryption-customer-algorithm x-amz-storage-class x-amz-website-redirect-location
    """.split()  # noqa: SIM905 - a table to be read
)
"""Condition keys of S3 in lower case; the part behind a slash (the key of a tag) is free."""

AWS_KEYS = frozenset(
    f"aws:{name}"
    for name in """
    calledvia calledviafirst calledvialast chatbotsourcearn currenttime ec2instancesourceprivateipv4 ec2instancesourcevpc
    epochtime federatedprovider isMcpServiceAction multifactorauthage multifactorauthpresent principalaccount principalarn
    principalisawsservice principalorgid principalorgpaths principalservicename principalservicenameslist principaltag
    principaltype referer requestedregion requesttag resourceaccount resourceorgid resourceorgpaths resourcetag securetransport
    signinsessionarn sourceaccount sourcearn sourceidentity sourceip sourceorgid sourceorgpaths sourceowner sourcevpc
    sourcevpcarn sourcevpce ssoinstancearn tagkeys tokenissuetime useragent userid username viaawsmcpservice viaawsservice
    vpceaccount vpceorgid vpceorgpaths vpcsourceip
    """.lower().split()
)
"""Global condition keys, likewise. Source: IAM User Guide, "AWS global condition context keys"."""

LISTINGS = frozenset({"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"})

KEYS_OF_LISTINGS = frozenset({"s3:prefix", "s3:delimiter", "s3:max-keys"})
"""Keys that only listings have."""

EXISTING_TAGS = "s3:existingobjecttag/"
"""What the keys begin with whose value is a tag that the object has already."""
