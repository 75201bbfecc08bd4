"""The names of what the admin API does, as policies will name them and as logs and metrics count them.

Without FastAPI, so that a supervisor can read the table before it forks.
"""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """One for each kind of call."""

    UNKNOWN = "admin:Unknown"  # it was refused before it was known what it is
    GET_HEALTH = "admin:GetHealth"
    GET_DOCUMENTATION = "admin:GetDocumentation"
    WHO_AM_I = "admin:WhoAmI"
    GET_INFO = "admin:GetInfo"
    LIST_USERS = "admin:ListUsers"
    ADD_USER = "admin:AddUser"
    GET_USER = "admin:GetUser"
    CHANGE_USER = "admin:ChangeUser"
    REMOVE_USER = "admin:RemoveUser"
    LIST_KEYS = "admin:ListAccessKeys"
    ADD_KEY = "admin:AddAccessKey"
    CHANGE_KEY = "admin:ChangeAccessKey"
    REMOVE_KEY = "admin:RemoveAccessKey"
    GET_USAGE = "admin:GetUsage"
    GET_QUOTA = "admin:GetQuota"
    SET_QUOTA = "admin:SetQuota"
    WAIT_FOR_SPACE = "admin:WaitForSpace"
    LIST_JOBS = "admin:ListJobs"
    START_JOB = "admin:StartJob"
    LIST_RING = "admin:ListKeyRing"
    ADD_RING_KEY = "admin:AddKeyRingKey"
    ROTATE_RING_KEY = "admin:RotateKeyRingKey"
    CHANGE_RING_KEY = "admin:ChangeKeyRingKey"
    LIST_DAMAGES = "admin:ListDamages"
    EXPLAIN_POLICY = "admin:ExplainPolicy"


OPERATIONS: dict[str, str] = dict.fromkeys(map(str, Action), "admin")
"""The class of each, as `observe.metrics.Metrics` wants it: latency is kept for all of them together."""
