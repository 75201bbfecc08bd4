"""Who has signed a form: `wire.sigv4` knows the signature, the catalog the key."""

from __future__ import annotations

from collections.abc import Mapping

from zakrom import errors
from zakrom.catalog.interface import Catalog
from zakrom.identity.doorman import Rules, admitted
from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.wire import sigv4


async def identify_form(catalog: Catalog, rules: Rules, fields: Mapping[str, str]) -> Caller:
    """The signer of a form's policy; anonymous where none tried. ``fields`` by lower-case name.

    Raises `InvalidAccessKeyId` and what `wire.sigv4.classify_form` and `verify_form` raise.
    """
    claim = sigv4.classify_form(fields, sigv2=rules.sigv2)
    if claim is None:
        return ANONYMOUS
    found = await catalog.access_key(claim.access_key)
    if found is None:
        raise errors.InvalidAccessKeyId(aws_access_key_id=claim.access_key)
    key, user = found
    sigv4.verify_form(claim, key.secret, fields, rules.regions, rules.regions[0])
    return await admitted(catalog, key, user, presigned=False)
