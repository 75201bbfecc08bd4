"""`zakrom admin`: what an operator does with a running server. One file per subject, imported when it is used."""

from __future__ import annotations

from zakrom.cli.main import LazyGroup, Place

COMMANDS: dict[str, Place] = {
    "user": Place("zakrom.cli.admin.user:user", "Users: add, list, disable, enable, remove."),
    "key": Place("zakrom.cli.admin.key:key", "Access keys: add, list, disable, enable, remove."),
    "key-ring": Place(
        "zakrom.cli.admin.ring:ring", "The keys that the server encrypts with: add, list, rotate, disable, enable, rewrap."
    ),
    "quota": Place("zakrom.cli.admin.quota:quota", "Quotas of buckets and of the whole store: set, get, clear."),
    "policy": Place("zakrom.cli.admin.policy:policy", "Why a request is allowed or denied."),
    "usage": Place("zakrom.cli.admin.usage:usage", "What buckets hold."),
    "info": Place("zakrom.cli.admin.info:info", "What runs where, and how much room there is."),
    "me": Place("zakrom.cli.admin.info:me", "Who these keys belong to."),
    "scrub": Place("zakrom.cli.admin.scrub:scrub", "The verification of everything stored: status, start, report."),
    "space": Place("zakrom.cli.admin.space:space", "The signal of freed space."),
}

admin = LazyGroup(
    "admin",
    places=COMMANDS,
    short_help="Manage a running server.",
    help="""Manage a running server: users and their keys, keys that encrypt, quotas, usage, policies, scrub, freed space.

The server is found by --endpoint or ZAKROM_ADMIN_ENDPOINT (default http://127.0.0.1:9001), the keys as any S3 client finds
them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, --profile or AWS_PROFILE with ~/.aws/credentials, and last
ZAKROM_ROOT_USER and ZAKROM_ROOT_PASSWORD.

\b
Examples:
  zakrom admin user add ada --email ada@example.org
  zakrom admin quota set photos 200GB
  zakrom admin usage
""",
)
