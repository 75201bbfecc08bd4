"""`zakrom admin`: what operators type, and what they and their scripts get."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from zakrom.admin_client import AdminClient
from zakrom.catalog.changes import ChangeRealm, SetDamage, SetDocument
from zakrom.cli import admin, main
from zakrom.cli.admin import scrub as scrub_command
from zakrom.model.facts import Damage
from zakrom.model.iam import IamUser

from .running import ROOT_KEY, ROOT_SECRET, Running, clock_ms, until


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - a document
        """What it printed, as a document."""
        return json.loads(self.out)

    def facts(self) -> dict[str, str]:
        """What it printed, as pairs."""
        return {
            name.strip(): value.strip() for name, _, value in (line.partition("  ") for line in self.out.splitlines() if line)
        }


Zakrom = Callable[..., Done]


@pytest.fixture
def zakrom(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Zakrom]:
    """Runs a command of `zakrom admin` as root, with nothing of this machine's configuration."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CA_BUNDLE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
    monkeypatch.setenv("ZAKROM_ADMIN_ENDPOINT", running.endpoint)

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main.run(["admin", *arguments])
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return run


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(admin.admin))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_examples_and_json(path: tuple[str, ...]) -> None:
    """`--help` shows how it is used, for real: each example is a command line that is understood."""
    command = ALL[path]
    help_text = command.help or ""
    options = {option for parameter in command.params for option in parameter.opts}

    assert command.short_help
    assert "Examples:" in help_text
    assert {"--json", "--endpoint", "--profile", "--ca", "--insecure", "--timeout"} <= options
    for line in help_text.split("Examples:")[1].strip().splitlines():
        words = line.split("   ")[0].split(" < ")[0].split(" && ")[0].split()
        assert words[: 2 + len(path)] == ["zakrom", "admin", *path]
        command.make_context(path[-1], words[2 + len(path) :])


@pytest.mark.parametrize("name", admin.COMMANDS)
def test_the_table_agrees_with_the_command(name: str) -> None:
    """The one-line help, which spares the import, is the command's own."""
    command = admin.admin.get_command(click.Context(admin.admin), name)

    assert command is not None
    assert (name, admin.COMMANDS[name].help) == (command.name, command.get_short_help_str(limit=200))


# -------------------------------------------------------------------------------------------------------- users and keys


def test_a_user_is_added_and_can_sign(zakrom: Zakrom, running: Running) -> None:
    """The pair is printed, once."""
    done = zakrom("user", "add", "ada", "--display-name", "Ada L.", "--email", "ada@example.org")

    facts = done.facts()
    assert (0, "ada") == (done.code, facts["user"])
    secret, _, remark = facts["secret key"].partition("   ")
    assert "once" in remark
    assert AdminClient(running.endpoint, facts["access key"], secret).me().user.display_name == "Ada L."
    assert secret not in zakrom("user", "ls").out + zakrom("key", "ls").out


def test_a_secret_may_come_from_standard_input(zakrom: Zakrom, running: Running) -> None:
    """So that neither the list of processes nor the shell's history has it."""
    done = zakrom("user", "add", "quiet", "--access-key", "QUIET", "--secret-key", "-", "--json", stdin="hidden secret\n")

    assert done.json()["key"]["secret_key"] == "hidden secret"
    assert AdminClient(running.endpoint, "QUIET", "hidden secret").me().user.name == "quiet"


def test_users_are_listed_disabled_enabled_and_removed(zakrom: Zakrom) -> None:
    """Each step says what is now; a script reads JSON."""
    assert zakrom("user", "add", "bob", "--no-key").facts()["user"] == "bob"

    assert zakrom("user", "disable", "bob") == Done(0, "user bob is disabled\n", "")
    assert {"bob": True}.items() <= {one["name"]: one["disabled"] for one in zakrom("user", "ls", "--json").json()}.items()
    assert any(line.split()[:1] == ["bob"] and "disabled" in line for line in zakrom("user", "ls").out.splitlines())
    assert zakrom("user", "enable", "bob", "--json").json()["disabled"] is False
    assert zakrom("user", "rm", "bob") == Done(0, "user bob is removed\n", "")
    assert "bob" not in zakrom("user", "ls").out


def test_keys_are_added_listed_disabled_enabled_and_removed(zakrom: Zakrom) -> None:
    """A rotation by hand."""
    zakrom("user", "add", "carol", "--access-key", "C1", "--secret-key", "s")

    new = zakrom("key", "add", "carol", "--json").json()["access_key"]
    assert {"C1", new} == {one["access_key"] for one in zakrom("key", "ls", "carol", "--json").json()}
    assert zakrom("key", "disable", "C1").out == "key C1 is disabled\n"
    assert zakrom("key", "enable", "C1").out == "key C1 is enabled\n"
    assert zakrom("key", "rm", "C1", "--json").json() == {"removed": "C1"}
    assert [new] == [one["access_key"] for one in zakrom("key", "ls", "carol", "--json").json()]


# ----------------------------------------------------------------------------------------------------------------- policy


def test_a_policy_is_explained(zakrom: Zakrom, running: Running) -> None:
    """Which statement decides about a request; for people and for programs."""
    zakrom("user", "add", "piet")
    bucket = running.bucket("explained", "piet")
    statements = [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::explained/*"},
        {
            "Sid": "nothing-old",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": "arn:aws:s3:::explained/old/*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        },
    ]
    body = json.dumps({"Statement": statements}).encode()
    for kind, document in ("policy", body), ("public-access-block", b"[]"):
        running.do(running.store.catalog.apply(SetDocument(bucket.id, kind, document)))

    def explain(who: str, resource: str, *more: str) -> Done:
        return zakrom("policy", "explain", "--principal", who, "--action", "s3:GetObject", resource, *more)

    allowed = explain("anonymous", "explained/new")
    assert (allowed.code, allowed.facts()["allowed"], allowed.facts()["where"]) == (0, "yes", "bucket policy, statement 1")
    denied = explain("piet", "arn:aws:s3:::explained/old/x").facts()
    assert (denied["allowed"], denied["where"]) == ("no", "bucket policy, statement 2 (nothing-old)")
    assert json.loads(denied["statement"]) == statements[1]
    inside = explain("piet", "explained/old/x", "--condition", "aws:SourceIp=10.1.2.3", "--json").json()
    assert (inside["allowed"], inside["statement"], inside["document"]) == (True, None, "")
    assert inside["reason"] == "the caller is the root of the account that owns it"
    realm = running.do(running.catalog.realm(running.root.user("piet").canonical_id))
    deny = json.dumps({"Statement": {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}})
    mien = IamUser("AIDAMIEN", "mien", "/", 1, inline={"no": deny})
    running.do(running.store.catalog.apply(ChangeRealm(realm.account.canonical_id, realm.revision, (mien,))))
    of_user = explain(realm.arn(mien), "explained/new").facts()
    assert (of_user["allowed"], of_user["where"]) == ("no", "identity policy 1, statement 1")
    assert explain("nobody", "explained/x").code != 0
    assert explain("piet", "nowhere/x").code != 0
    assert explain("piet", "explained/x", "--condition", "x").code == 2


# ------------------------------------------------------------------------------------------------------- quotas and usage


@pytest.mark.parametrize(
    ("text", "quota_bytes"),
    [("200MB", 200_000_000), ("200MiB", 209_715_200), ("12345", 12345), ("1.5GB", 1_500_000_000), ("0", 0)],
)
def test_a_quota_is_given_in_any_unit(zakrom: Zakrom, running: Running, text: str, quota_bytes: int) -> None:
    """Decimal, binary, plain bytes; of a bucket or of the store, the flag before or behind the size."""
    name = f"quota-{text.lower()}"
    running.bucket(name)

    assert zakrom("quota", "set", name, text, "--json").json() == {"bucket": name, "quota_bytes": quota_bytes, "used_bytes": 0}
    assert f"{quota_bytes} bytes" in zakrom("quota", "get", name).facts()["quota"]
    assert zakrom("quota", "clear", name).out == f"bucket {name} has no quota\n"
    assert zakrom("quota", "get", name).facts()["quota"] == "none"
    assert zakrom("quota", "set", "--store", text).code == zakrom("quota", "set", text, "--store").code == 0
    assert zakrom("quota", "get", "--store", "--json").json()["quota_bytes"] == quota_bytes
    assert zakrom("quota", "clear", "--store", "--json").json() == {"cleared": None}


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "b"),
        ("set", "--store"),
        ("set", "b", "much"),
        ("set", "b", "-1"),
        ("set", "b", "1MB", "2MB"),
        ("set", "--store", "b", "1MB"),
        ("get",),
        ("get", "a", "b"),
        ("clear", "b", "--store"),
    ],
)
def test_a_quota_without_sense_is_a_usage_error(zakrom: Zakrom, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and nothing was sent."""
    done = zakrom("quota", *arguments)

    assert (2, "") == (done.code, done.out)
    assert "Error" in done.err


def test_usage_is_shown(zakrom: Zakrom, running: Running) -> None:
    """Of all buckets and the store, of some, of one."""
    bucket = running.bucket("shown-usage")
    running.put(bucket, "k", b"12345")

    rows = {line.split()[0]: line.split() for line in zakrom("usage").out.splitlines()}

    assert {"bucket", "shown-usage", "(the"} <= set(rows)
    assert ["shown-usage", "1", "1", "0", "5", "B"] == rows["shown-usage"][:6]
    document = zakrom("usage", "--prefix", "shown-", "--json").json()
    assert ["shown-usage"] == [one["bucket"] for one in document["buckets"]]
    assert document["store"]["bytes"] >= 5
    assert zakrom("usage", "shown-usage", "--json").json()["bytes"] == 5


# ------------------------------------------------------------------------------------------------------------- the server


def test_info_and_me(zakrom: Zakrom) -> None:
    """For people, and as JSON."""
    facts = zakrom("info").facts()

    assert ("0.1.0", "no", "2") == (facts["version"], facts["full"], facts["workers"])
    assert "blobs 7" in facts["job scrub"]
    assert zakrom("info", "--json").json()["version"] == "0.1.0"
    assert zakrom("me").facts()["user"] == "root"
    assert zakrom("me", "--json").json()["access_key"] == ROOT_KEY


def test_scrub_is_started_and_waited_for(zakrom: Zakrom, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--now --wait` returns when that round has ended, not before."""
    monkeypatch.setattr(scrub_command, "LOOK_SECONDS", 0.02)
    states = [
        {"running": False, "finished_ms": 100},  # asked before
        {"running": False, "finished_ms": 100},  # it has not begun yet
        {"running": False, "finished_ms": 100},
        {"running": True, "finished_ms": 100},
        {"running": False, "finished_ms": 200},
    ]
    asked = running.scrub.asked
    monkeypatch.setattr(running.scrub, "status", lambda: states.pop(0) if len(states) > 1 else states[0])

    done = zakrom("scrub", "--now", "--wait", "--json")

    assert (asked + 1, 1) == (running.scrub.asked, len(states))
    assert done.json()["facts"]["finished_ms"] == 200


def test_scrub_waits_for_nothing_if_nothing_runs(zakrom: Zakrom, monkeypatch: pytest.MonkeyPatch, running: Running) -> None:
    """`--wait` alone returns at once then."""
    monkeypatch.setattr(running.scrub, "status", lambda: {"running": False, "finished_ms": 0})

    assert zakrom("scrub", "--wait").code == 0


def test_scrub_reports_damage_with_an_exit_code(zakrom: Zakrom, running: Running) -> None:
    """0 while none is known; 8 with the names of what is lost; a key cannot play with the terminal."""
    assert zakrom("scrub", "--report").code == 0
    assert "no damage" in zakrom("scrub", "--report").out
    bucket = running.bucket("rotten")
    running.put(bucket, "key\x1b[2J", b"12345")
    found = running.do(running.catalog.find(bucket.id, b"key\x1b[2J"))
    assert found is not None
    assert found.version.blob is not None
    running.do(running.catalog.apply(SetDamage((Damage(found.version.blob, 3, clock_ms(), "wrong checksum"),))))

    done = zakrom("scrub", "--report")

    assert done.code == 8
    assert "rotten" in done.out
    assert "\x1b" not in done.out
    assert zakrom("scrub", "--report", "--json").json()["damages"][0]["versions"][0]["key"] == "key\x1b[2J"
    running.do(running.catalog.apply(SetDamage((), (found.version.blob,))))


def test_space_is_waited_for(zakrom: Zakrom, running: Running) -> None:
    """0 when bytes were freed, 6 when time is up, and the cursor for the next time."""
    bucket = running.bucket("roomy")
    running.put(bucket, "k", b"12345")

    start = zakrom("space", "wait", "--bucket", "roomy", "--seconds", "0")
    assert (0, "no") == (start.code, start.facts()["freed"])
    assert zakrom("space", "wait", "--bucket", "roomy", "--seconds", "0.1").code == 6
    deleting = threading.Thread(target=delete_when_awaited, args=(running, bucket))
    deleting.start()
    assert zakrom("space", "wait", "--bucket", "roomy", "--seconds", "30", "--json").json()["freed"] is True
    deleting.join()
    assert zakrom("space", "wait", "--bucket", "roomy", "--after", start.facts()["cursor"], "--seconds", "30").code == 0


def delete_when_awaited(running: Running, bucket: Any) -> None:  # noqa: ANN401 - a Bucket
    """Frees bytes while somebody waits."""
    until(lambda: running.app.state.desk.lookout.waiting > 0)
    time.sleep(0.05)
    running.delete(bucket, "k")


# --------------------------------------------------------------------------------------------------------- how it fails


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("user", "add", "a b"), 2),
        (("user", "disable", "nobody"), 3),
        (("key", "rm", "NOKEY"), 3),
        (("quota", "get", "no-such-bucket"), 3),
        (("user", "add", "root"), 5),
        (("user", "rm", "root"), 2),
        (("usage", "--endpoint", "http://127.0.0.1:1", "--timeout", "1"), 7),
        (("usage", "--endpoint", "nonsense"), 2),
        (("usage", "--profile", "nobody"), 2),
        (("user",), 2),
        (("sing",), 2),
    ],
)
def test_an_error_is_a_line_and_an_exit_code(zakrom: Zakrom, arguments: tuple[str, ...], code: int) -> None:
    """By the table that all commands share; nothing on standard output."""
    done = zakrom(*arguments)

    assert code == done.code
    if arguments != ("user",):  # a group alone shows its help
        assert done.out == ""
        assert done.err.strip()
    assert "Traceback" not in done.err


def test_a_user_is_told_that_it_is_roots(zakrom: Zakrom, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 4, and a hint; a wrong secret too."""
    key = running.root.add_user("mere").key
    assert key is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_key)
    denied, allowed = zakrom("user", "ls"), zakrom("me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    wrong = zakrom("me")

    assert (4, 0, 4) == (denied.code, allowed.code, wrong.code)
    assert "hint" in denied.err
    assert "secret key the right one" in wrong.err
    assert wrong.err.count("\n") == 1


def test_keys_come_from_a_profile(zakrom: Zakrom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As for any S3 client."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[store]\naws_access_key_id={ROOT_KEY}\naws_secret_access_key={ROOT_SECRET}\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    assert zakrom("me").code == 2
    assert zakrom("me", "--profile", "store").facts()["user"] == "root"


def test_the_key_ring(zakrom: Zakrom) -> None:
    """Keys are added, listed without themselves, rotated, disabled and enabled."""
    assert zakrom("key-ring", "add", "cli").out == "key cli: 1 version(s), enabled\n"
    assert zakrom("key-ring", "rotate", "cli").out == "key cli: 2 version(s), enabled\n"
    assert zakrom("key-ring", "disable", "cli").out == "key cli: 2 version(s), disabled\n"
    assert zakrom("key-ring", "enable", "cli").out == "key cli: 2 version(s), enabled\n"

    listed = zakrom("key-ring", "ls", "--json").json()

    assert [(one["name"], one["versions"], one["disabled"]) for one in listed] == [("cli", 2, False)]
    assert set(listed[0]) == {"name", "created_ms", "rotated_ms", "versions", "disabled"}
    assert "cli" in zakrom("key-ring", "ls").out
