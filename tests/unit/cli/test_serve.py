"""`zakrom serve`: flags made from the table, and the greeting."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from zakrom import errors
from zakrom.cli import serve
from zakrom.settings import TABLE, Address, Settings


def given(*arguments: str) -> dict[str, object]:
    """What click makes of a command line."""
    with serve.serve.make_context("serve", list(arguments)) as context:
        return dict(context.params)


@pytest.mark.parametrize("setting", [setting for setting in TABLE if setting.flag], ids=lambda setting: setting.name)
def test_every_setting_has_its_flag_and_its_place_in_the_help(setting: object) -> None:
    """The help lists the flag with its default; an untyped flag is no source at all."""
    assert isinstance(setting, type(TABLE[0]))
    text = serve.serve.get_help(click.Context(serve.serve, info_name="serve", terminal_width=200))

    assert f"{setting.flag} " in text
    assert not setting.default or f"[default: {setting.default}]" in text
    assert given()[setting.name.replace("-", "_")] in (None, ())


def test_what_is_typed_becomes_settings() -> None:
    """Text, switches and repeated flags arrive as values."""
    typed = given(
        "--data", "/srv/s3", "--no-sigv2", "--sendfile", "--domain", "a.example", "--domain", "b.example", "--reserve", "1GB"
    )

    made = serve.settings_from(typed, {})

    assert made == Settings(
        data=Path("/srv/s3"), sigv2=False, sendfile=True, domains=("a.example", "b.example"), reserve_bytes=10**9
    )


def test_flags_beat_the_environment_and_the_environment_the_file(tmp_path: Path) -> None:
    """The order that the documentation promises, with a real file."""
    file = tmp_path / "zakrom.toml"
    file.write_text('region = "file"\ndata = "file"\ndrain = "1s"\n')

    made = serve.settings_from(
        given("--region", "flag", "--config", str(file)), {"ZAKROM_DATA": "variable", "ZAKROM_REGION": "x"}
    )

    assert ("flag", Path("variable"), 1.0) == (made.region, made.data, made.drain_seconds)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no TOML."""
    file = tmp_path / "zakrom.toml"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(errors.InvalidSetting, match="UTF-8"):
        serve.read_config(str(file))


# ---------------------------------------------------------------------------------------------------------- the greeting


def test_the_banner_tells_a_first_start_everything_once() -> None:
    """Endpoint, both keys, and commands to copy."""
    text = serve.banner(Settings(), "ACCESSKEY", "generated-secret", first_start=True, kept_in="data/root.json")

    assert "http://127.0.0.1:9000" in text
    assert "http://127.0.0.1:9001" in text
    assert "ACCESSKEY" in text
    assert "generated-secret" in text
    assert "data/root.json" in text
    commands = text.split("Try it:\n")[1].strip().splitlines()
    assert len(commands) == 4
    assert all(shlex.split(command) for command in commands)


def test_the_banner_keeps_a_secret_that_it_was_not_given() -> None:
    """At later starts it says where the secret is, or that it is the operator's own."""
    later = serve.banner(Settings(), "ACCESSKEY", None, first_start=False, kept_in="data/root.json")
    own = serve.banner(Settings(root_user="me", root_password="hush-hush"), "me", None, first_start=True)

    assert "in data/root.json" in later
    assert "the one you gave" in own
    assert "hush-hush" not in own


def test_the_banner_names_an_address_that_can_be_reached() -> None:
    """A server that listens everywhere is shown at loopback; IPv6 in brackets; https with a certificate; real ports."""
    everywhere = Settings(
        address=Address("0.0.0.0", 9000), admin_address=Address("::", 9001), tls_cert=Path("c"), tls_key=Path("k")
    )

    text = serve.banner(everywhere, "k", None, first_start=False)
    moved = serve.banner(Settings(), "k", None, first_start=False, endpoint="http://127.0.0.1:43210")

    assert "https://127.0.0.1:9000" in text
    assert "https://[::1]:9001" in text
    assert "http://127.0.0.1:43210" in moved
