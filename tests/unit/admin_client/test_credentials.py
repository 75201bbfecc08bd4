"""Keys are found where every S3 client finds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.admin_client import AdminClient, Credentials, find_credentials
from zakrom.admin_client.credentials import FILE_BYTES_MAX

CREDENTIALS = """\
[default]
aws_access_key_id = D
aws_secret_access_key = default-secret=with%stuff

[ada]
aws_access_key_id = A
aws_secret_access_key = ada-secret
"""
CONFIG = """\
[default]
region = eu-west-1
s3 =
    max_concurrent_requests = 10

[profile ada]
region = ap-1

[profile "two words"]
aws_access_key_id = W
aws_secret_access_key = word-secret
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose home has both files."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return {"HOME": str(tmp_path)}


VARIABLES = {"AWS_ACCESS_KEY_ID": "V", "AWS_SECRET_ACCESS_KEY": "variable-secret"}
ROOT = {"ZAKROM_ROOT_USER": "R", "ZAKROM_ROOT_PASSWORD": "root-secret"}


def pair(found: Credentials) -> tuple[str, str, str | None]:
    """What is signed with."""
    return found.access_key, found.secret_key, found.region


def test_the_default_profile_is_found(home: dict[str, str]) -> None:
    """Keys from the one file, region from the other; nothing in a value is special."""
    assert ("D", "default-secret=with%stuff", "eu-west-1") == pair(find_credentials(home))


def test_variables_win_over_profiles(home: dict[str, str]) -> None:
    """Also over AWS_PROFILE, as in the SDKs; but not over a profile that was named by hand."""
    environment = home | VARIABLES | ROOT | {"AWS_PROFILE": "ada", "AWS_REGION": "here"}

    assert ("V", "variable-secret", "here") == pair(find_credentials(environment))
    assert ("D", "default-secret=with%stuff", "here") == pair(find_credentials(environment, profile="default"))


def test_a_profile_is_chosen_by_variable(home: dict[str, str]) -> None:
    """Both names of the variable, both files, names with spaces."""
    assert ("A", "ada-secret", "ap-1") == pair(find_credentials(home | {"AWS_PROFILE": "ada"}))
    assert ("W", "word-secret", None) == pair(find_credentials(home | {"AWS_DEFAULT_PROFILE": "two words"}))


def test_the_files_may_be_elsewhere(tmp_path: Path) -> None:
    """Where the variables of the SDKs say; ~ is the home."""
    (tmp_path / "c").write_text(CREDENTIALS)
    environment = {"HOME": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": "~/c", "AWS_CONFIG_FILE": "/nowhere/at/all"}

    assert ("D", "default-secret=with%stuff", None) == pair(find_credentials(environment))


def test_roots_own_variables_come_last(home: dict[str, str], tmp_path: Path) -> None:
    """For who has just started a server in this shell."""
    assert find_credentials(home | ROOT).access_key == "D"
    assert find_credentials({"HOME": str(tmp_path / "empty")} | ROOT).access_key == "R"


def test_without_keys_there_is_a_hint(tmp_path: Path) -> None:
    """One line says what to set."""
    with pytest.raises(errors.InvalidSetting) as caught:
        find_credentials({"HOME": str(tmp_path)})

    assert "AWS_ACCESS_KEY_ID" in str(caught.value.fields["hint"])


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    """Rather than the other half taken from elsewhere."""
    for environment in ({"AWS_ACCESS_KEY_ID": "V"}, {"AWS_SECRET_ACCESS_KEY": "s"}):
        with pytest.raises(errors.InvalidSetting, match="Half a key pair"):
            find_credentials({"HOME": str(tmp_path)} | ROOT | environment)


def test_a_named_profile_must_exist(home: dict[str, str]) -> None:
    """Another key than the one that was asked for is never taken."""
    for profile, environment in (("eve", home | VARIABLES), (None, home | {"AWS_PROFILE": "eve"})):
        with pytest.raises(errors.InvalidSetting, match="eve"):
            find_credentials(environment, profile=profile)


@pytest.mark.parametrize("data", [b"no section\n", b"\xff\xfe", b"[a]\n" + b"#" * FILE_BYTES_MAX])
def test_a_broken_file_is_named(tmp_path: Path, data: bytes) -> None:
    """And nothing of it is shown: it is full of secrets."""
    path = tmp_path / "broken"
    path.write_bytes(data)

    with pytest.raises(errors.InvalidSetting) as caught:
        find_credentials({"HOME": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": str(path)})

    assert str(path) in str(caught.value)
    assert "no section" not in str(caught.value)


def test_a_secret_is_not_in_the_repr(home: dict[str, str]) -> None:
    """Of what was found."""
    assert "default-secret" not in repr(find_credentials(home))


def test_a_client_comes_from_the_environment(home: dict[str, str]) -> None:
    """The endpoint too: the given one, the variable's, the default."""
    assert AdminClient.from_environment(home).endpoint == "http://127.0.0.1:9001"
    assert AdminClient.from_environment(home | {"ZAKROM_ADMIN_ENDPOINT": "http://a:1"}).endpoint == "http://a:1"
    made = AdminClient.from_environment(home | {"ZAKROM_ADMIN_ENDPOINT": "http://a:1"}, endpoint="http://b:2", profile="ada")
    assert ("http://b:2", "A") == (made.endpoint, made.access_key)


def test_the_client_needs_no_server() -> None:
    """Importing it imports nothing of the server, and no event loop: it starts quickly and runs anywhere."""
    code = "import sys, zakrom.admin_client; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    modules = done.stdout.split()

    ours = {name.split(".")[1] for name in modules if name.startswith("zakrom.")}
    assert {"admin_client", "errors", "wire"} == ours
    assert not {"asyncio", "uvloop", "fastapi", "pydantic", "sqlite3", "awscrt", "click"} & set(modules)
