"""Who guesses waits longer and longer; who does not, never; and nothing grows."""

from __future__ import annotations

from zakrom.identity import patience
from zakrom.identity.patience import DELAY_SECONDS_MAX, FORGIVEN_MS, FREE_FAILURES, Patience


def test_delays_grow_to_a_bound() -> None:
    """The first failures are free, then each waits twice as long, up to a second."""
    kept = Patience()
    delays = [kept.delay_seconds("10.0.0.1", 1000) for _ in range(FREE_FAILURES + 10)]

    assert delays[:FREE_FAILURES] == [0.0] * FREE_FAILURES
    assert delays[FREE_FAILURES : FREE_FAILURES + 5] == [0.05, 0.1, 0.2, 0.4, 0.8]
    assert set(delays[FREE_FAILURES + 5 :]) == {DELAY_SECONDS_MAX}


def test_a_pause_forgives() -> None:
    """After a minute without a failure a peer begins anew; others were never meant."""
    kept = Patience()
    for _ in range(FREE_FAILURES + 5):
        kept.delay_seconds("10.0.0.1", 1000)

    assert kept.delay_seconds("10.0.0.2", 1000) == 0.0
    assert kept.delay_seconds("10.0.0.1", 1000 + FORGIVEN_MS) == DELAY_SECONDS_MAX
    assert kept.delay_seconds("10.0.0.1", 1001 + 2 * FORGIVEN_MS) == 0.0


def test_one_network_of_ipv6_is_one_peer() -> None:
    """Whoever has a /64 has all its addresses."""
    kept = Patience()
    delays = [kept.delay_seconds(f"2001:db8::{number:x}", 0) for number in range(FREE_FAILURES + 1)]

    assert delays[-1] > 0
    assert kept.delay_seconds("2001:db8:0:1::1", 0) == 0.0


def test_it_remembers_a_bounded_number_of_peers() -> None:
    """A botnet does not fill the memory; who failed last is remembered."""
    kept = Patience()
    for number in range(patience.PEERS_MAX + 100):
        kept.delay_seconds(f"peer-{number}", 0)

    assert len(kept._failures) == patience.PEERS_MAX
    assert f"peer-{patience.PEERS_MAX + 99}" in kept._failures
    assert "peer-0" not in kept._failures
