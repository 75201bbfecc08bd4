"""Whoever guesses waits: an answer to a failed signature is held back for longer and longer, peer by peer.

Only failures wait, so a good client behind the same address as a bad one is served as ever, and one whose clock or key is wrong
notices nothing in its first attempts. Nothing here grows without bound.
"""

from __future__ import annotations

import asyncio
import ipaddress

FREE_FAILURES = 20
"""So many in a row cost nothing: an expired key in a client that tries on."""

DELAY_SECONDS_FIRST, DELAY_SECONDS_MAX = 0.05, 1.0
"""Doubled with each further failure, up to a second: a thousand guesses take a quarter of an hour."""

FORGIVEN_MS = 60_000
"""After so long without a failure a peer begins anew."""

PEERS_MAX = 10_000
"""Peers remembered, about 200 bytes each; the one that failed longest ago goes first."""

WAITING_MAX = 1_000
"""Answers held back at once, so that they do not hold all connections; beyond, answers are not held back."""


class Patience:
    """The memory of one process."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, int]] = {}
        self._waiting = 0

    def delay_seconds(self, peer: str, now_ms: int) -> float:
        """Counts a failure of the peer, and says how long its answer is to wait."""
        place = _place(peer)
        count, last_ms = self._failures.pop(place, (0, now_ms))
        count = 1 if now_ms - last_ms > FORGIVEN_MS else count + 1
        if len(self._failures) >= PEERS_MAX:
            del self._failures[next(iter(self._failures))]
        self._failures[place] = (count, now_ms)
        beyond = count - FREE_FAILURES
        return 0.0 if beyond <= 0 else min(DELAY_SECONDS_FIRST * 2 ** min(beyond - 1, 10), DELAY_SECONDS_MAX)

    async def hold(self, peer: str, now_ms: int) -> None:
        """Counts a failure of the peer and waits as long as it is to wait."""
        seconds = self.delay_seconds(peer, now_ms)
        if seconds and self._waiting < WAITING_MAX:
            self._waiting += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self._waiting -= 1


def _place(peer: str) -> str:
    """The address; of IPv6 the network, of which one peer has all addresses."""
    if ":" not in peer:
        return peer
    try:
        return ipaddress.IPv6Address(peer.partition("%")[0]).exploded[:19]
    except ValueError:
        return peer
