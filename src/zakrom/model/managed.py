"""Managed policies that every account has from the start, under the names that they have at AWS.

They say what AWS's say about the services that are here (s3, iam, sts); source: AWS Managed Policy Reference Guide.
"""

from __future__ import annotations

import json
from typing import NamedTuple

CREATED_MS = 1_423_161_600_000  # 2015-02-06, as AWS tells of most of these
PREFIX = "arn:aws:iam::aws:policy/"


class Builtin(NamedTuple):
    """A policy of AWS's own: always one version, never changed by anybody."""

    id: str
    name: str
    description: str
    document: str


def _document(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


NOTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"none:Nothing","Resource":"*"}]}'
"""A document that allows nothing: a Statement must not be empty, and there is no such action."""

_ALL = (
    Builtin(
        "ANPAZAKROMADMINISTRAT",
        "AdministratorAccess",
        "Provides full access to the services and resources of the account.",
        _document("*"),
    ),
    Builtin(
        "ANPAZAKROMREADONLYACC",
        "ReadOnlyAccess",
        "Provides read-only access to the services and resources of the account.",
        _document("s3:Get*", "s3:List*", "s3:Describe*", "iam:Get*", "iam:List*", "iam:Generate*", "iam:Simulate*", "sts:Get*"),
    ),
    Builtin(
        "ANPAZAKROMS3FULLACCES",
        "AmazonS3FullAccess",
        "Provides full access to all buckets of the account.",
        _document("s3:*"),
    ),
    Builtin(
        "ANPAZAKROMS3READONLYA",
        "AmazonS3ReadOnlyAccess",
        "Provides read-only access to all buckets of the account.",
        _document("s3:Get*", "s3:List*", "s3:Describe*"),
    ),
    Builtin(
        "ANPAZAKROMIAMFULLACCE",
        "IAMFullAccess",
        "Provides full access to IAM.",
        _document("iam:*"),
    ),
    Builtin(
        "ANPAZAKROMIAMREADONLY",
        "IAMReadOnlyAccess",
        "Provides read-only access to IAM.",
        _document("iam:Get*", "iam:List*", "iam:Generate*", "iam:Simulate*"),
    ),
)

POLICIES: dict[str, Builtin] = {PREFIX + one.name: one for one in _ALL}
"""By ARN."""
