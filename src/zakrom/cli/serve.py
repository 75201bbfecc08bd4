"""`zakrom serve`: reads the sources of the settings, starts the server, says where it is.

The flags are made from the table of `settings`; nothing about a setting is written here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import click

from zakrom import __version__, errors
from zakrom.settings import TABLE, Setting, Settings, misspelt, resolve

CONFIG_VARIABLE = "ZAKROM_CONFIG"
CONFIG_BYTES_MAX = 1024 * 1024  # a file of settings has a few dozen lines; more is the wrong file


class Announce(Protocol):
    """What the composed server calls once, when it is ready to serve."""

    def __call__(
        self,
        key: str,
        secret: str | None,
        *,
        first_start: bool,
        endpoint: str = "",
        admin_endpoint: str = "",
        kept_in: str = "",
    ) -> None:
        """See `banner` for the arguments."""
        ...


def banner(
    settings: Settings,
    key: str,
    secret: str | None,
    first_start: bool,
    *,
    endpoint: str = "",
    admin_endpoint: str = "",
    kept_in: str = "",
) -> str:
    """The greeting of a server: endpoint, keys and three commands to try.

    ``secret``: only the one that was generated at this very first start; None in all other cases, so that a secret is printed
    once in its life. ``endpoint``, ``admin_endpoint``: where the server really is (port 0 has become a number). ``kept_in``:
    the file with the generated key, for who missed it.
    """
    scheme = "https" if settings.tls else "http"
    endpoint = endpoint or f"{scheme}://{reachable(settings.address.host)}:{settings.address.port}"
    admin_endpoint = admin_endpoint or f"{scheme}://{reachable(settings.admin_address.host)}:{settings.admin_address.port}"
    lines = [
        f"Zakrom {__version__} serves {settings.data}",
        "",
        f"  S3 endpoint   {endpoint}   region {settings.region}",
        f"  admin API     {admin_endpoint}",
        f"  access key    {key}",
        f"  secret key    {_secret_line(secret, first_start=first_start, kept_in=kept_in)}",
        "",
        "Try it:",
        *(f"  {command}" for command in _commands(endpoint, settings.region, key, secret)),
        "",
    ]
    return "\n".join(lines)


def reachable(host: str) -> str:
    """A host to type into a URL: a server that listens everywhere is reached at loopback from here."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{shown}]" if ":" in shown else shown


def _secret_line(secret: str | None, *, first_start: bool, kept_in: str) -> str:
    if secret is not None:
        return f"{secret}   (generated now, shown this once{f'; kept in {kept_in}' if kept_in else ''})"
    if first_start or not kept_in:
        return "the one you gave"
    return f"the one generated at the first start, in {kept_in}"


def _commands(endpoint: str, region: str, key: str, secret: str | None) -> Iterator[str]:
    yield f"export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret or '…'} AWS_DEFAULT_REGION={region}"
    yield f"aws --endpoint-url {endpoint} s3 mb s3://first"
    yield f"""python3 -c "import boto3; print(boto3.client('s3', endpoint_url='{endpoint}').list_buckets()['Buckets'])\""""
    yield f"curl {endpoint}/-/health/ready"


# ----------------------------------------------------------------------------------------------------------- the command


class ServeCommand(click.Command):
    """The command with its flags under the headings of the table."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One section per group of settings, then the rest."""
        options = {parameter.name: parameter for parameter in self.get_params(ctx)}
        flagged = [setting for setting in TABLE if setting.flag]
        for group, settings in groupby(flagged, key=lambda setting: setting.group):
            with formatter.section(group):
                formatter.write_dl([record for s in settings if (record := options.pop(_parameter(s)).get_help_record(ctx))])
        with formatter.section("Other"):
            formatter.write_dl([record for option in options.values() if (record := option.get_help_record(ctx))])
        formatter.write_paragraph()
        secrets = ", ".join(setting.variable for setting in TABLE if setting.secret)
        formatter.write_text(
            f"Every flag is also a variable, as in ZAKROM_ADDRESS, and a line of TOML. Variables only: {secrets}."
        )


def _parameter(setting: Setting) -> str:
    """The name under which click passes a flag on."""
    return setting.name.replace("-", "_")


def _option(setting: Setting) -> click.Option:
    """The flag of a setting. Its default is None, so that only what was typed counts as given."""
    shown = f"{setting.help}  [default: {setting.default}]" if setting.default else setting.help
    if setting.kind.name == "boolean":
        return click.Option([f"{setting.flag}/--no-{setting.name}", _parameter(setting)], default=None, help=shown)
    return click.Option(
        [str(setting.flag), _parameter(setting)],
        type=click.Path() if setting.kind.name == "path" else click.STRING,  # completion of file names
        metavar="|".join(setting.kind.words) or setting.kind.name.upper(),
        multiple=setting.kind.repeated,
        default=None,
        help=shown,
    )


def _flag_texts(given: Mapping[str, Any]) -> dict[str, str]:
    """What was typed, by name of setting, as text."""
    return {
        setting.name: _text(given[_parameter(setting)])
        for setting in TABLE
        if setting.flag and given.get(_parameter(setting)) not in {None, ()}
    }


def _text(value: str | bool | tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else value


def read_config(path: str | None) -> str:
    """The text of the configuration file; empty without one. Raises `InvalidSetting` if it cannot be read."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
        if len(data) > CONFIG_BYTES_MAX:
            raise errors.InvalidSetting(
                f"{path}: larger than {CONFIG_BYTES_MAX} bytes", origin=path, hint="is it the right file?"
            )
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise errors.InvalidSetting(
            f"--config: {path}: {why}", origin="--config", hint="give the path of a TOML file, or leave it out"
        ) from None


def settings_from(given: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """The settings of this start. Raises `InvalidSetting`."""
    config = given.get("config") or environment.get(CONFIG_VARIABLE)
    return resolve(flags=_flag_texts(given), environment=environment, toml=read_config(config), toml_name=str(config or ""))


def run(**given: Any) -> int:  # noqa: ANN401 - click passes whatever the table made
    """Serves until a signal; the exit code. Raises `Error` when the server cannot start."""
    environment = dict(os.environ)
    settings = settings_from(given, environment)
    for stranger, near in misspelt(environment):
        click.echo(f"warning: {stranger} is not a setting; did you mean {near}?", err=True)

    def announce(
        key: str, secret: str | None, *, first_start: bool, endpoint: str = "", admin_endpoint: str = "", kept_in: str = ""
    ) -> None:
        text = banner(settings, key, secret, first_start, endpoint=endpoint, admin_endpoint=admin_endpoint, kept_in=kept_in)
        click.echo(text)

    from zakrom import compose

    return compose.serve(settings, announce)


serve = ServeCommand(
    "serve",
    callback=run,
    params=[
        *(_option(setting) for setting in TABLE if setting.flag),
        click.Option(
            ["--config"], metavar="FILE", type=click.Path(), help=f"A TOML file of settings.  [env: {CONFIG_VARIABLE}]"
        ),
    ],
    short_help="Run the server.",
    help="""Run the server: S3 on one port, the admin API on another, until SIGTERM.

\b
Examples:
  zakrom serve
  zakrom serve --data /srv/s3 --address :9000 --domain s3.example.org
  ZAKROM_ROOT_USER=me ZAKROM_ROOT_PASSWORD=secret zakrom serve --workers 2
""",
)
