"""What a server tells of itself: metrics that add up over its processes, one access line a request, and no secret anywhere."""

# ruff: noqa: ANN401 - boto3's clients have no types

from __future__ import annotations

import base64
import json
import os
import re
import signal
from collections import Counter
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.config import Config

from zakrom.admin_client import AdminClient
from zakrom.testing.server import Server

from .processes import children, wait_until

BUCKET = "told"


def metrics(server: Server) -> dict[str, float]:
    """Every series, as one worker tells it."""
    with closing(server.access.connect()) as connection:
        connection.request("GET", "/-/metrics")
        text = connection.getresponse().read().decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def lines(server: Server) -> list[dict[str, Any]]:
    """The access lines so far."""
    every = [json.loads(line) for line in server.log_path.read_text().splitlines() if line.startswith("{")]
    return [line for line in every if line.get("event") == "access"]


def requests_of(series: dict[str, float], operation: str) -> float:
    """How many requests of an operation are counted, of whatever status."""
    return sum(
        n for name, n in series.items() if name.startswith("zakrom_requests_total{") and f'operation="{operation}"' in name
    )


def test_metrics_add_up_over_workers_and_deaths() -> None:
    """Whichever worker is asked tells of all; a dead one's counts stay; usage and bytes are exact."""
    with Server(workers=2) as server:
        server.client().create_bucket(Bucket=BUCKET)
        for number in range(40):
            client = server.client() if number % 4 == 0 else client  # noqa: F821 - new connections, so that both workers get some
            client.put_object(Bucket=BUCKET, Key=str(number), Body=bytes(1_000))
        wait_until(lambda: requests_of(metrics(server), "PutObject") == 40, 10)  # one is counted once its answer has left
        os.kill(children(server.pid)["worker-1"], signal.SIGKILL)
        wait_until(lambda: len(children(server.pid)) == 4, 10)
        server.client().get_object(Bucket=BUCKET, Key="0")["Body"].read()
        wait_until(lambda: requests_of(metrics(server), "GetObject") == 1, 10)

        told = [metrics(server) for _ in range(6)]  # each a connection of its own
        assert {requests_of(one, "PutObject") for one in told} == {40}
        assert {requests_of(one, "CreateBucket") for one in told} == {1}
        for one in told:
            usage = {name: value for name, value in one.items() if f'bucket="{BUCKET}"' in name}
            assert {40.0, 40_000.0} <= set(usage.values()), usage


def test_every_request_has_one_line_and_no_line_has_a_secret() -> None:
    """Headers, presigned URLs of both kinds, refusals, the admin API: ids and names are told, what proves them is not."""
    secrets: set[str] = set()
    ids: list[str] = []
    with Server(workers=2, args=["--log-level", "debug"]) as server:
        s3 = server.client()
        s3.meta.events.register("before-send.s3", lambda request, **_: secrets.add(_signature(request.headers)))
        ids.append(s3.create_bucket(Bucket=BUCKET)["ResponseMetadata"]["RequestId"])
        puts = [s3.put_object(Bucket=BUCKET, Key=f"k{number}", Body=b"x") for number in range(5)]
        ids += [answer["ResponseMetadata"]["RequestId"] for answer in puts]
        for version in ("s3v4", "s3"):
            url = server.client(config=Config(signature_version=version)).generate_presigned_url(
                "get_object", Params={"Bucket": BUCKET, "Key": "k1"}
            )
            query = parse_qs(urlsplit(url).query)
            signature = (query.get("X-Amz-Signature") or query.get("Signature") or [""])[0]
            secrets.add(signature)
            ids += [_get(server, url), _get(server, url.replace(BUCKET, "other"))]  # the second is refused
        ids.append(_get(server, f"{server.endpoint}/{BUCKET}/k1"))  # nobody signs
        made = AdminClient(server.admin_endpoint, server.access_key, server.secret_key).add_user("ada")
        assert made.key is not None
        secrets |= {made.key.secret_key, server.secret_key, base64.b64encode(server.secret_key.encode()).decode()}
        assert len(secrets) > 8
        wait_until(lambda: {line["request"] for line in lines(server)} >= set(ids), 10, lambda: server.log)
        server.stop()
        log = server.log_path.read_text()
        counted = Counter(line["request"] for line in lines(server))

    assert {id: counted[id] for id in ids} == dict.fromkeys(ids, 1)
    assert [secret for secret in secrets if secret in log] == []
    assert not re.search(r"(?i)signature=[^\s\"]{16}", log)


def _signature(headers: Any) -> str:
    """The part of an Authorization header that proves something."""
    value = headers["Authorization"]
    text: str = value.decode() if isinstance(value, bytes) else value
    return text.rpartition("Signature=")[2]


def _get(server: Server, url: str) -> str:
    """A GET as it is given; the request's id."""
    with closing(server.access.connect()) as connection:
        connection.request("GET", url.removeprefix(server.endpoint))
        answer = connection.getresponse()
        answer.read()
        return answer.headers["x-amz-request-id"]
