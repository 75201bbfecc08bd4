"""A client of the admin API, for programs: users, keys, quotas, usage, jobs, and waiting for room.

    from zakrom.admin_client import AdminClient

    admin = AdminClient("http://127.0.0.1:9001", access_key, secret_key)
    made = admin.add_user("ada")
    admin.set_quota(200_000_000, bucket="photos")

It needs the standard library, msgspec and what signs (`zakrom.wire.sigv4`); nothing of the server is imported. What goes wrong
is raised as the very class of `zakrom.errors` that the server raised.
"""

from zakrom.admin_client.client import DEFAULT_ENDPOINT, AdminClient
from zakrom.admin_client.credentials import Credentials, find_credentials
from zakrom.admin_client.values import (
    AccessKey,
    Damage,
    DamagedVersion,
    DamagePage,
    Disk,
    Explanation,
    Health,
    Info,
    Job,
    Me,
    NewKey,
    NewUser,
    Problem,
    Quota,
    RingKey,
    Space,
    Usage,
    UsagePage,
    User,
)

__all__ = [
    "DEFAULT_ENDPOINT",
    "AccessKey",
    "AdminClient",
    "Credentials",
    "Damage",
    "DamagePage",
    "DamagedVersion",
    "Disk",
    "Explanation",
    "Health",
    "Info",
    "Job",
    "Me",
    "NewKey",
    "NewUser",
    "Problem",
    "Quota",
    "RingKey",
    "Space",
    "Usage",
    "UsagePage",
    "User",
    "find_credentials",
]
