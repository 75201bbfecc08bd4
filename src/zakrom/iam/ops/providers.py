"""OpenID Connect providers whose users an account lets take on roles."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from zakrom import errors
from zakrom.iam.action import Ask, Done, action, all_of, anything, invalid, moment, on_arn, tags_xml
from zakrom.iam.oidc import check_issuer
from zakrom.iam.ops import holders
from zakrom.model.iam import Provider

PROVIDERS_MAX, CLIENTS_MAX, THUMBPRINTS_MAX = 100, 100, 5  # IAM User Guide, "IAM and AWS STS quotas"
URL_MAX, CLIENT_MAX = 255, 255  # CreateOpenIDConnectProvider

_arn = on_arn("OpenIDConnectProviderArn")


def _provider(ask: Ask) -> Provider:
    arn = ask.need("OpenIDConnectProviderArn", 2_048)
    found = ask.realm.by_arn(Provider, arn)
    if found is None:
        raise errors.NoSuchEntity(f"OpenIDConnect Provider not found for arn {arn}")
    return found


def _clients(clients: list[str]) -> tuple[str, ...]:
    if len(clients) > CLIENTS_MAX:
        raise errors.LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENTS_MAX}")
    for one in clients:
        if not 1 <= len(one) <= CLIENT_MAX:
            raise invalid("clientIDList", f"Member must be 1 to {CLIENT_MAX} characters", one)
    return tuple(dict.fromkeys(clients))


def _thumbprints(ask: Ask) -> tuple[str, ...]:
    """Kept and shown, not used: as AWS does for most providers, certificates are verified against the usual authorities."""
    found = ask.form.texts("ThumbprintList")
    if len(found) > THUMBPRINTS_MAX:
        raise errors.InvalidInput("Thumbprint list must contain fewer than 5 entries.")
    for one in found:
        if len(one) != 40:
            raise invalid("thumbprintList", "Member must have length 40", one)
    return tuple(found)


@action("CreateOpenIDConnectProvider", all_of("oidc-provider"))
def create_provider(ask: Ask) -> Done:
    """Trusts a provider. ``https``, or ``http`` on this very machine. Its keys are fetched when they are needed."""
    url = check_issuer(ask.need("Url", URL_MAX))
    split = urlsplit(url)
    name = split.netloc + split.path.rstrip("/")
    ask.check_free(Provider, name, PROVIDERS_MAX)
    clients = _clients(ask.form.texts("ClientIDList"))
    made = Provider(name, name, "/", ask.now_ms, url, clients, _thumbprints(ask), ask.tags())
    return Done({"OpenIDConnectProviderArn": ask.realm.arn(made), "Tags": tags_xml(made.tags) or None}, put=(made,))


@action("GetOpenIDConnectProvider", _arn)
def get_provider(ask: Ask) -> Done:
    """A provider."""
    found = _provider(ask)
    return Done(
        {
            "Url": found.name,
            "ClientIDList": found.clients,
            "ThumbprintList": found.thumbprints,
            "CreateDate": moment(found.created_ms),
            "Tags": tags_xml(found.tags) or None,
        }
    )


@action("ListOpenIDConnectProviders", anything)
def list_providers(ask: Ask) -> Done:
    """The ARNs of all providers."""
    return Done({"OpenIDConnectProviderList": [{"Arn": ask.realm.arn(one)} for one in ask.realm.all(Provider)]})


@action("DeleteOpenIDConnectProvider", _arn)
def delete_provider(ask: Ask) -> Done:
    """Trusts a provider no longer. Sessions that are there go on."""
    return Done(gone=(_provider(ask).id,))


@action("AddClientIDToOpenIDConnectProvider", _arn)
def add_client(ask: Ask) -> Done:
    """Another audience; adding it twice is no error."""
    found = _provider(ask)
    clients = _clients([*found.clients, ask.need("ClientID", CLIENT_MAX)])
    return Done(put=(msgspec.structs.replace(found, clients=clients),))


@action("RemoveClientIDFromOpenIDConnectProvider", _arn)
def remove_client(ask: Ask) -> Done:
    """One audience less; one that is not there is no error."""
    found, client = _provider(ask), ask.need("ClientID", CLIENT_MAX)
    return Done(put=(msgspec.structs.replace(found, clients=tuple(one for one in found.clients if one != client)),))


@action("UpdateOpenIDConnectProviderThumbprint", _arn)
def update_thumbprints(ask: Ask) -> Done:
    """Other thumbprints."""
    return Done(put=(msgspec.structs.replace(_provider(ask), thumbprints=_thumbprints(ask)),))


@action("TagOpenIDConnectProvider", _arn)
def tag_provider(ask: Ask) -> Done:
    """Adds tags."""
    return holders.tag(ask, _provider(ask))


@action("UntagOpenIDConnectProvider", _arn)
def untag_provider(ask: Ask) -> Done:
    """Takes tags away."""
    return holders.untag(ask, _provider(ask))


@action("ListOpenIDConnectProviderTags", _arn)
def list_provider_tags(ask: Ask) -> Done:
    """The tags."""
    return holders.list_tags(ask, _provider(ask))
