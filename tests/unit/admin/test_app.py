"""The OpenAPI document and the page made from it."""

from __future__ import annotations

import json
import re

from zakrom.admin.actions import OPERATIONS, Action
from zakrom.admin.gate import HEALTH_PATH
from zakrom.admin_client import AdminClient

from .running import Running, until


def test_every_call_is_described(running: Running) -> None:
    """A sentence, an answer, errors, and the signature wherever one is asked for."""
    document = json.loads(running.access.request("GET", "/openapi.json").body)

    for path, methods in document["paths"].items():
        for method, call in methods.items():
            assert call["description"].endswith("."), path
            assert "default" in call["responses"], path
            assert (path == HEALTH_PATH) == ("security" not in call), (method, path)
    assert {"Problem", "NewUser", "Space", "Info"} <= set(document["components"]["schemas"])


def test_every_call_has_an_action_and_every_action_a_class(running: Running) -> None:
    """So that policies, logs and metrics have a word for it: none is reported as unknown."""
    document = json.loads(running.access.request("GET", "/openapi.json").body)
    running.settle()
    for path, methods in document["paths"].items():
        for method in methods:
            if "space" not in path:
                running.access.request(method.upper(), path.replace("{", "").replace("}", ""))

    running.access.request("GET", "/docs")
    until(lambda: any(call.path == "/docs" for call in running.served))
    seen = {call.action for call in running.served}
    assert Action.UNKNOWN not in seen
    assert set(Action) - seen == {Action.UNKNOWN, Action.WAIT_FOR_SPACE}
    assert set(OPERATIONS) == set(Action)


def test_the_client_has_a_method_for_every_call(running: Running) -> None:
    """A call that is added to one is added to the other."""
    document = json.loads(running.access.request("GET", "/openapi.json").body)
    names = {call["operationId"] for methods in document["paths"].values() for call in methods.values()}
    methods = {
        "get_health": "health",
        "who_am_i": "me",
        "get_info": "info",
        "list_jobs": "jobs",
        "get_job": "job",
        "start_job": "start_job",
        "list_damages": "damages",
        "explain_policy": "explain_policy",
        "list_users": "users",
        "add_user": "add_user",
        "get_user": "user",
        "change_user": "change_user",
        "remove_user": "remove_user",
        "list_keys": "keys",
        "add_key": "add_key",
        "change_key": "disable_key",
        "remove_key": "remove_key",
        "get_store_usage": "usage",
        "list_usage": "bucket_usages",
        "get_usage": "usage",
        "get_store_quota": "quota",
        "set_store_quota": "set_quota",
        "clear_store_quota": "clear_quota",
        "get_quota": "quota",
        "set_quota": "set_quota",
        "clear_quota": "clear_quota",
        "wait_for_space": "wait_for_space",
        "list_ring": "ring_keys",
        "add_ring_key": "add_ring_key",
        "rotate_ring_key": "rotate_ring_key",
        "change_ring_key": "disable_ring_key",
    }

    assert set(methods) == names
    assert all(callable(getattr(AdminClient, method)) for method in methods.values())


def test_the_page_works_without_internet(running: Running) -> None:
    """It lists every call, and asks nobody else for anything."""
    document = json.loads(running.access.request("GET", "/openapi.json").body)
    answer = running.access.request("GET", "/docs")
    page = answer.body.decode()

    assert "text/html" in answer.headers["content-type"]
    assert all(f" {path}</code>" in page for path in document["paths"])
    assert not re.search(r"<script|https?://|src=", page)
