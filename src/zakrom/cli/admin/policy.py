"""`zakrom admin policy`: why a request is allowed or denied."""

from __future__ import annotations

import click

from zakrom.admin_client.values import Explanation
from zakrom.cli.admin.session import Session, connected, examples, pairs


@click.group("policy", short_help="Why a request is allowed or denied.")
@examples("zakrom admin policy explain --principal ada --action s3:GetObject photos/cat.jpg")
def policy() -> None:
    """Why a request is allowed or denied: bucket policies, ACLs, ownership and public access blocks, evaluated together."""


@policy.command("explain", short_help="Say which statement or grant decides about a request.")
@click.argument("resource", metavar="BUCKET[/KEY]")
@click.option("--principal", metavar="WHO", required=True, help="A user's name, canonical id, account or ARN; or anonymous.")
@click.option("--action", metavar="ACTION", required=True, help="As policies name it: s3:GetObject, s3:ListBucket ...")
@click.option("--version-id", metavar="ID", help="The version that is meant.")
@click.option("--condition", "conditions", metavar="KEY=VALUE", multiple=True, help="A condition key; again for more values.")
@connected
@examples(
    "zakrom admin policy explain --principal ada --action s3:GetObject photos/cat.jpg",
    "zakrom admin policy explain --principal anonymous --action s3:ListBucket --condition s3:prefix=public/ photos",
    "zakrom admin policy explain --principal ada --action s3:PutObject --condition aws:SourceIp=192.0.2.7 photos/x --json",
)
def explain(
    session: Session, resource: str, principal: str, action: str, version_id: str | None, conditions: tuple[str, ...]
) -> None:
    """Say which statement or grant decides about a request. Nothing is done.

    Condition keys that follow from who asks about what are known; all others are absent unless they are given.
    """
    found = session.client.explain_policy(principal, action, resource, version_id=version_id, conditions=_keys(conditions))
    session.show(found, lambda: _print(found))


def _keys(given: tuple[str, ...]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{one!r} is not KEY=VALUE", param_hint="--condition")
        keys.setdefault(name, []).append(value)
    return keys


def _print(found: Explanation) -> None:
    where = found.document or "-"
    if found.statement is not None:
        where += f", {'grant' if found.document.endswith('ACL') else 'statement'} {found.statement + 1}"
        where += f" ({found.sid})" if found.sid else ""
    pairs(
        ("allowed", "yes" if found.allowed else "no"),
        ("because", found.reason),
        ("where", where),
        ("principal", found.principal),
        ("action", found.action),
        ("resource", found.resource),
        *((("statement", found.text),) if found.text else ()),
    )
