"""`zakrom health`: asks a running server whether it is ready; the answer is the exit code. For health checks of containers."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from typing import Any

import click

from zakrom import errors
from zakrom.cli.serve import CONFIG_VARIABLE, reachable, settings_from
from zakrom.settings import Settings

ASK_SECONDS = 3.0  # a server that is ready answers in milliseconds; checkers wait some five seconds
READY = "/-/health/ready"


def endpoint_of(settings: Settings) -> str:
    """Where a server with these settings is reached from its own machine."""
    return f"{'https' if settings.tls else 'http'}://{reachable(settings.address.host)}:{settings.address.port}"


def ask(endpoint: str) -> None:
    """Returns if the server says that it is ready. Raises `ServiceUnavailable`."""
    # The certificate is for the world's name of the server, and we ask at loopback: whether it is valid is not the question.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # No proxy, whatever the environment says: the server is here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(endpoint.rstrip("/") + READY, timeout=ASK_SECONDS):
            return
    except urllib.error.HTTPError as error:
        why = f"it answers {error.code}"
    except (OSError, ValueError) as error:
        why = str(getattr(error, "reason", error))
    raise errors.ServiceUnavailable(f"{endpoint} is not ready: {why}", hint="is `zakrom serve` running there?")


@click.command(
    short_help="Ask a server whether it is ready.",
    help="""Ask a server whether it is ready to write: exit code 0 if it is, 7 if not.

Without an endpoint it asks the server that `zakrom serve` would start with this environment.

\b
Examples:
  zakrom health
  zakrom health --endpoint http://127.0.0.1:9000
""",
)
@click.option("--endpoint", metavar="URL", help="The server's S3 endpoint.")
@click.option("--config", metavar="FILE", type=click.Path(), help=f"The server's TOML file.  [env: {CONFIG_VARIABLE}]")
def health(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Asks once."""
    endpoint = given["endpoint"] or endpoint_of(settings_from(given, os.environ))
    ask(endpoint)
    click.echo(f"{endpoint} is ready")
