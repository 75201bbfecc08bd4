"""The policy language of AWS: documents, patterns, condition operators. What they decide together is `rules.access`."""

from __future__ import annotations

from zakrom.rules.policy.document import Kind, Policy, Statement, canonical_arn, parse
from zakrom.rules.policy.patterns import Lookup
from zakrom.rules.policy.validation import POLICY_BYTES_MAX, check_bucket_policy, is_public

__all__ = [
    "POLICY_BYTES_MAX",
    "Kind",
    "Lookup",
    "Policy",
    "Statement",
    "canonical_arn",
    "check_bucket_policy",
    "is_public",
    "parse",
]
