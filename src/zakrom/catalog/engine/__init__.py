"""How each change is applied: a table from its class to a function, by subject in the files beside this one.

A function reads, decides (by the rules), and only then writes: an `errors.Error` it raises has changed nothing. It runs inside
the writer's transaction and knows neither its beginning nor its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zakrom.catalog import changes
from zakrom.catalog.changes import Change
from zakrom.catalog.engine import buckets, chores, identity, lifecycle, uploads, versions
from zakrom.catalog.engine.chores import CloseGeneration
from zakrom.catalog.ledger import Ledger

__all__ = ["CloseGeneration", "apply"]

_TABLE: dict[type, Callable[[Ledger, Any], Any]] = {
    changes.CreateBucket: buckets.create_bucket,
    changes.DeleteBucket: buckets.delete_bucket,
    changes.SetVersioning: buckets.set_versioning,
    changes.SetDocument: buckets.set_document,
    changes.SetQuota: buckets.set_quota,
    changes.PutVersion: versions.put_version,
    changes.DeleteVersion: versions.delete_version,
    changes.SetDetails: versions.set_details,
    changes.CreateUpload: uploads.create_upload,
    changes.PutPart: uploads.put_part,
    changes.CompleteUpload: uploads.complete_upload,
    changes.AbortUpload: uploads.abort_upload,
    changes.PutUser: identity.put_user,
    changes.RemoveUser: identity.remove_user,
    changes.PutAccessKey: identity.put_access_key,
    changes.RemoveAccessKey: identity.remove_access_key,
    changes.ChangeRealm: identity.change_realm,
    changes.NoteUses: identity.note_uses,
    changes.OpenGeneration: chores.open_generation,
    changes.ForgetGeneration: chores.forget_generation,
    changes.Reaped: chores.reaped,
    changes.Unravel: chores.unravel,
    changes.Reseal: chores.reseal,
    changes.SetDamage: chores.set_damage,
    changes.SetJob: chores.set_job,
    changes.Hold: chores.hold,
    changes.SetFull: chores.set_full,
    changes.Expire: lifecycle.expire,
    changes.Survey: lifecycle.survey,
    changes.SetLifecycleDay: lifecycle.set_lifecycle_day,
    CloseGeneration: chores.close_generation,
}


def apply(ledger: Ledger, change: Change | CloseGeneration) -> Any:
    """Makes the change true in the transaction under way, and returns what its class says. Raises what its class says."""
    return _TABLE[type(change)](ledger, change)
