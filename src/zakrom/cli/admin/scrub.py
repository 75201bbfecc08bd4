"""`zakrom admin scrub`: the job of a running server that reads everything again and holds it against its checksums."""

from __future__ import annotations

import time

import click

from zakrom.admin_client import AdminClient
from zakrom.admin_client.values import Damage, Job
from zakrom.cli.admin.info import facts
from zakrom.cli.admin.session import Session, connected, examples, moment, pairs, table

JOB = "scrub"
LOOK_SECONDS = 0.5  # a round takes from a second to days; nobody notices half a second
CORRUPT = 8  # `cli.failure`: stored data is damaged


@click.command("scrub", short_help="The verification of everything stored: status, start, report.")
@click.option("--now", is_flag=True, help="Begin a round now, at full speed.")
@click.option("--wait", is_flag=True, help="Return when the running round has ended.")
@click.option("--report", is_flag=True, help="List what is damaged, by bucket, key and version. Exit code 8 if anything is.")
@connected
@examples(
    "zakrom admin scrub",
    "zakrom admin scrub --now --wait --report",
)
def scrub(session: Session, now: bool, wait: bool, report: bool) -> int:
    """The verification of everything stored: status, start, report."""
    client = session.client
    before = client.job(JOB)
    job = client.start_job(JOB) if now else before
    if wait:
        job = _until_done(client, before, started=now)
    if not report:
        session.show(job, lambda: pairs(("scrub", facts(job))))
        return 0
    damages = list(client.damages())
    session.show({"scrub": job, "damages": damages}, lambda: _print(job, damages))
    return CORRUPT if damages else 0


def _until_done(client: AdminClient, before: Job, *, started: bool) -> Job:
    """Waits for the round that runs, or was started just now: it has ended when it says so, at another time than the last."""
    finished = before.facts.get("finished_ms")
    waiting = started or bool(before.facts.get("running"))
    job = client.job(JOB)
    while waiting and (job.facts.get("running") or job.facts.get("finished_ms") == finished):
        time.sleep(LOOK_SECONDS)
        job = client.job(JOB)
    return job


def _print(job: Job, damages: list[Damage]) -> None:
    pairs(("scrub", facts(job)))
    if not damages:
        click.echo("no damage is known")
        return
    rows = [row for damage in damages for row in _rows(damage)]
    table(("bucket", "key", "version", ">blob", ">block", "reason", "found"), rows)


def _rows(damage: Damage) -> list[tuple[str, ...]]:
    """A row for each version that needs the blob; one without a name if nobody does."""
    where = (str(damage.blob), "-" if damage.block is None else str(damage.block), damage.reason, moment(damage.found_ms))
    named = [(one.bucket, one.key, one.version_id, *where) for one in damage.versions]
    more = [("…", "and others", "", *where)] if damage.more else []
    return [*named, *more] or [("-", "nobody needs it", "-", *where)]
