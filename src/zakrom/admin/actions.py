"""The names of what the admin API does, as policies will name them and as logs and metrics count them.

Without FastAPI, so that a supervisor can read the table before it forks.
"""

from __future__ import annotations

from typing import Final

WHO_AM_I: Final = "admin:WhoAmI"
GET_HEALTH: Final = "admin:GetHealth"
GET_DOCUMENTATION: Final = "admin:GetDocumentation"
GET_INFO: Final = "admin:GetInfo"
LIST_USERS: Final = "admin:ListUsers"
ADD_USER: Final = "admin:AddUser"
GET_USER: Final = "admin:GetUser"
CHANGE_USER: Final = "admin:ChangeUser"
REMOVE_USER: Final = "admin:RemoveUser"
LIST_KEYS: Final = "admin:ListAccessKeys"
ADD_KEY: Final = "admin:AddAccessKey"
CHANGE_KEY: Final = "admin:ChangeAccessKey"
REMOVE_KEY: Final = "admin:RemoveAccessKey"
GET_QUOTA: Final = "admin:GetQuota"
SET_QUOTA: Final = "admin:SetQuota"
GET_USAGE: Final = "admin:GetUsage"
WAIT_FOR_SPACE: Final = "admin:WaitForSpace"
LIST_JOBS: Final = "admin:ListJobs"
START_JOB: Final = "admin:StartJob"
LIST_DAMAGES: Final = "admin:ListDamages"

UNKNOWN: Final = "admin:Unknown"
"""A call that was refused before it was known what it is."""

ACTIONS: tuple[str, ...] = tuple(
    value for name, value in sorted(globals().items()) if name.isupper() and isinstance(value, str) and value.startswith("admin:")
)
"""All of them."""

CLASS = "admin"
"""The class of operations under which metrics keep their latency: ``dict.fromkeys(ACTIONS, CLASS)``."""
