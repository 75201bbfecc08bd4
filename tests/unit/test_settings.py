"""Settings: where a value comes from, what is allowed, and what an operator reads when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from zakrom import settings
from zakrom.errors import InvalidSetting
from zakrom.settings import BY_NAME, TABLE, Address, Settings, resolve

# ------------------------------------------------------------------------------------------------------------- the table


def test_defaults_are_the_class_s_own() -> None:
    """Without any source the settings are the defaults of the table."""
    assert Settings() == resolve()


def test_defaults_are_safe() -> None:
    """Out of the box the server listens on loopback, verifies every read and knows no password."""
    made = Settings()

    assert Address("127.0.0.1", 9000) == made.address
    assert Address("127.0.0.1", 9001) == made.admin_address
    assert made.sendfile is False
    assert made.root_user is None
    assert made.root_password is None


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.name)
def test_every_default_is_allowed_by_every_way_to_say_it(setting: settings.Setting) -> None:
    """The text of a default gives the same value as a flag, as a variable and in TOML."""
    expected = getattr(Settings(), setting.field)
    if not setting.default:
        assert expected in (None, ())
        return

    by_flag = resolve(flags={setting.name: setting.default})
    by_variable = resolve(environment={setting.variable: setting.default})
    by_toml = resolve(toml=f'{setting.name} = "{setting.default}"')

    assert [expected] * 3 == [getattr(made, setting.field) for made in (by_flag, by_variable, by_toml)]


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.name)
def test_every_row_explains_itself(setting: settings.Setting) -> None:
    """A setting has a sentence of help, a unit at the end of its field's name, and names without ambiguity."""
    assert setting.help.endswith(".")
    assert setting.field.endswith(setting.kind.unit)
    assert BY_NAME[setting.name] is setting


def test_secrets_have_no_flag_and_no_repr() -> None:
    """A password is neither on a command line, where all users of a machine see it, nor in a dump of the settings."""
    made = resolve(environment={"ZAKROM_ROOT_USER": "somebody", "ZAKROM_ROOT_PASSWORD": "hush-hush"})

    assert made.root_password == "hush-hush"
    assert BY_NAME["root-password"].flag is None
    assert "hush-hush" not in repr(made)


# ----------------------------------------------------------------------------------------------------------- the sources


def test_the_strongest_source_wins() -> None:
    """Flags beat variables, variables beat the file, the file beats the default."""
    toml = 'region = "from-file"\ndata = "file"\nserver = "uvicorn"'
    environment = {"ZAKROM_REGION": "from-variable", "ZAKROM_DATA": "variable"}

    made = resolve(flags={"region": "from-flag"}, environment=environment, toml=toml)

    assert ("from-flag", Path("variable"), "uvicorn") == (made.region, made.data, made.server)


@pytest.mark.parametrize(
    ("user", "password"), [("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"), ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")]
)
def test_minio_s_variables_are_understood(user: str, password: str) -> None:
    """Who comes from MinIO keeps the environment they have."""
    made = resolve(environment={user: "admin", password: "change-me"})

    assert ("admin", "change-me") == (made.root_user, made.root_password)


def test_our_variables_beat_minio_s_and_the_newer_beat_the_older() -> None:
    """ZAKROM_ROOT_USER, then MINIO_ROOT_USER, then MINIO_ACCESS_KEY."""
    environment = {"MINIO_ACCESS_KEY": "oldest", "MINIO_ROOT_USER": "older", "ZAKROM_ROOT_PASSWORD": "x"}

    assert resolve(environment=environment).root_user == "older"
    assert resolve(environment={**environment, "ZAKROM_ROOT_USER": "ours"}).root_user == "ours"


def test_an_empty_variable_is_absent() -> None:
    """`ZAKROM_REGION: ${REGION:-}` in a compose file sets an empty variable, and means none."""
    assert resolve(environment={"ZAKROM_REGION": ""}).region == "us-east-1"


def test_toml_speaks_its_own_types() -> None:
    """Booleans, numbers and lists may be written as TOML writes them, and names with underscores."""
    made = resolve(
        toml='sigv2 = false\nworkers = 3\ndomain = ["a.example", "b.example"]\nadmin_address = "[::1]:9001"\ndrain = 2.5'
    )

    assert made.sigv2 is False
    assert made.workers == 3
    assert made.domains == ("a.example", "b.example")
    assert made.admin_address == Address("::1", 9001)
    assert made.drain_seconds == 2.5


def test_a_repeated_setting_is_a_list_with_commas() -> None:
    """Regions come once each, the server's own first."""
    made = resolve(environment={"ZAKROM_EXTRA_REGION": "eu-central-1, us-east-1,eu-central-1"})

    assert ("us-east-1", "eu-central-1") == made.regions


# ------------------------------------------------------------------------------------------------------- what is refused

REFUSED = [
    ({"address": "9000"}, "there is no port"),
    ({"address": "localhost:99999"}, "there is no such port"),
    ({"address": "::1:9000"}, "brackets"),
    ({"address": "[::g]:9000"}, "HOST:PORT"),
    ({"address": "no_such_host:9000"}, "there is no such host"),
    ({"workers": "0"}, "a whole number from 1"),
    ({"workers": "\N{ARABIC-INDIC DIGIT THREE}"}, "a whole number from 1"),
    ({"workers": "many"}, "or auto"),
    ({"server": "apache"}, "http1 or uvicorn"),
    ({"region": "Frankfurt!"}, "lower-case"),
    ({"domain": "a..b"}, "a domain name"),
    ({"sigv2": "maybe"}, "on or off"),
    ({"reserve": "1 cup"}, "200MiB"),
    ({"reserve": "99999999999PB"}, "too large"),
    ({"reap-grace": "-1s"}, "15m"),
    ({"reap-grace": "1000000d"}, "too long"),
    ({"head-timeout": "0"}, "more than 0"),
    ({"data": "~/s3"}, "not expanded"),
    ({"data": ""}, "it is empty"),
]


@pytest.mark.parametrize(("flags", "words"), REFUSED)
def test_a_bad_value_is_refused_by_name_with_what_is_allowed(flags: dict[str, str], words: str) -> None:
    """One line: where it came from, the value, what is allowed; and a hint."""
    with pytest.raises(InvalidSetting) as caught:
        resolve(flags=flags)

    [name] = flags
    assert caught.value.message.startswith(f"--{name}: ")
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.fields["setting"] == name
    assert caught.value.fields["hint"]


def test_the_message_names_the_place_of_the_value() -> None:
    """The variable, or the line's key and the file, not the setting in general."""
    with pytest.raises(InvalidSetting, match=r"^ZAKROM_WORKERS: 'x'"):
        resolve(environment={"ZAKROM_WORKERS": "x"})
    with pytest.raises(InvalidSetting, match=r"^/etc/zakrom\.toml: workers: 'x'"):
        resolve(toml='workers = "x"', toml_name="/etc/zakrom.toml")
    with pytest.raises(InvalidSetting, match=r"^MINIO_ROOT_USER: "):
        resolve(environment={"MINIO_ROOT_USER": "with space", "MINIO_ROOT_PASSWORD": "x"})


def test_a_bad_secret_is_not_repeated() -> None:
    """The line says which variable is wrong, never what it holds."""
    with pytest.raises(InvalidSetting) as caught:
        resolve(environment={"ZAKROM_ROOT_USER": "root", "ZAKROM_ROOT_PASSWORD": "line\nbreak"})

    assert "break" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('adress = ":9000"', "address"),
        ("data = ", "TOML"),
        ("[server]\nx = 1", "a TOML dict"),
        ("workers = [1]", "a TOML list"),
        ("domain = [1]", "a TOML list"),
        ('nonsense = "x"', "docs/configuration.md"),
    ],
)
def test_a_bad_file_is_refused(toml: str, words: str) -> None:
    """An unknown key is refused with the one that was probably meant; TOML's own errors tell the line."""
    with pytest.raises(InvalidSetting) as caught:
        resolve(toml=toml, toml_name="zakrom.toml")

    assert caught.value.message.startswith("zakrom.toml: ")
    assert words in f"{caught.value.message} {caught.value.fields['hint']}"


@pytest.mark.parametrize(
    ("environment", "absent"),
    [
        ({"ZAKROM_TLS_CERT": "c.pem"}, "tls-key"),
        ({"ZAKROM_TLS_KEY": "k.pem"}, "tls-cert"),
        ({"ZAKROM_ROOT_USER": "root"}, "root-password"),
        ({"MINIO_SECRET_KEY": "x"}, "root-user"),
    ],
)
def test_halves_of_a_pair_are_refused(environment: dict[str, str], absent: str) -> None:
    """A certificate without its key, or a user without a password, is a slip."""
    with pytest.raises(InvalidSetting) as caught:
        resolve(environment=environment)

    assert caught.value.fields["setting"] == absent


def test_two_doors_cannot_share_an_address() -> None:
    """S3 and the admin API on one port is refused; port 0 is any port, and never the same."""
    with pytest.raises(InvalidSetting, match="cannot both listen"):
        resolve(flags={"address": "127.0.0.1:9001"})
    with pytest.raises(InvalidSetting, match="something else listens"):
        resolve(flags={"website-address": "127.0.0.1:9000"})
    assert resolve(flags={"address": "127.0.0.1:0", "admin-address": "127.0.0.1:0"}).address.port == 0


def test_websites_have_domains_of_their_own() -> None:
    """A host is either a bucket of the API or a website."""
    with pytest.raises(InvalidSetting, match=r"b\.example is a domain of the API"):
        resolve(flags={"domain": "a.example,b.example", "website-domain": "b.example"})
    assert resolve(flags={"website-domain": "b.example"}).website_domains == ("b.example",)


# --------------------------------------------------------------------------------------------------------- kinds and sums


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("200000000", 200_000_000),
        ("200MB", 200_000_000),
        ("200M", 200_000_000),
        ("200 mb", 200_000_000),
        ("200MiB", 200 * 1024**2),
        ("1.5GB", 1_500_000_000),
        ("1PiB", 1024**5),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Decimal and binary units and plain bytes, and the text we print ourselves."""
    assert size == settings.parse_size(text)
    assert size == settings.parse_size(settings.format_size(size))


@pytest.mark.parametrize("text", ["", "MB", "1XB", "-1", "1e6", "0x10", "1,5GB", "\N{FULLWIDTH DIGIT ONE}MB"])
def test_what_is_no_size(text: str) -> None:
    """Anything that a person could read in two ways is refused."""
    with pytest.raises(ValueError, match=r"^$"):
        settings.parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("15m", 900), ("2h", 7200), ("30d", 2_592_000), ("500ms", 0.5), ("1.5h", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    """A number with a unit; without one, seconds."""
    assert seconds == settings.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9000", Address("127.0.0.1", 9000)),
        (":9000", Address("0.0.0.0", 9000)),
        ("[::]:9000", Address("::", 9000)),
        ("localhost:0", Address("localhost", 0)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    """Host and port as sockets want them; what we print reads back as the same."""
    assert address == settings.parse_address(text)
    assert address == settings.parse_address(str(address))


@pytest.mark.parametrize(("cores", "workers"), [(0, 1), (1, 1), (2, 2), (64, settings.WORKERS_AUTO_MAX)])
def test_workers_follow_the_cores_up_to_a_limit(cores: int, workers: int) -> None:
    """Auto is one worker per core, at least one."""
    assert workers == Settings().worker_count(cores)
    assert Settings(workers=5).worker_count(cores) == 5


@pytest.mark.parametrize(
    ("file_system", "reserve"),
    [
        (200_000_000, settings.RESERVE_BYTES_MIN),
        (50 * 10**9, 5 * 10**8),
        (10**13, settings.RESERVE_BYTES_MAX),
    ],
)
def test_the_reserve_is_one_percent_within_limits(file_system: int, reserve: int) -> None:
    """Auto is 1 % of the file system between two limits; a size given is taken as it is."""
    assert reserve == Settings().reserve_of(file_system)
    assert Settings(reserve_bytes=0).reserve_of(file_system) == 0


def test_near_misses_in_the_environment_are_told_and_strangers_are_not() -> None:
    """A slip of the finger is named; what Kubernetes sets for a service called zakrom is nobody's slip."""
    environment = ["ZAKROM_ADRESS", "ZAKROM_PORT", "ZAKROM_SERVICE_HOST", "ZAKROM_PORT_9000_TCP_ADDR", "ZAKROM_ADDRESS", "PATH"]

    assert [("ZAKROM_ADRESS", "ZAKROM_ADDRESS")] == settings.misspelt(environment)
