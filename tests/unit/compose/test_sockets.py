"""The sockets that the workers of one server listen on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from zakrom import compose, errors
from zakrom.settings import Address

ANY_PORT = Address("127.0.0.1", 0)


@pytest.fixture
def bound() -> Iterator[list[socket.socket]]:
    """Three sockets of one server."""
    sockets = compose._bind(ANY_PORT, "--address", 3)
    yield sockets
    for one in sockets:
        one.close()


def waiting(listener: socket.socket) -> int:
    """How many connections are in its queue; takes them out."""
    listener.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


@pytest.mark.skipif(not compose._SPREADS, reason="the kernel does not spread connections over sockets of one port")
def test_a_burst_of_connections_is_spread_over_the_workers(bound: list[socket.socket]) -> None:
    """None of three gets less than 12 of 96 (by chance: twice in a million runs), and none is lost."""
    place = bound[0].getsockname()
    with contextlib.ExitStack() as clients:
        for _ in range(96):
            clients.enter_context(socket.create_connection(place))
        shares = [waiting(one) for one in bound]

    assert sum(shares) == 96
    assert min(shares) >= 12


@pytest.mark.parametrize("count", [1, 2])
def test_a_second_server_on_the_port_is_refused(bound: list[socket.socket], count: int) -> None:
    """Although the sockets of the first share it among themselves."""
    address = Address("127.0.0.1", bound[0].getsockname()[1])

    with pytest.raises(errors.InvalidSetting, match="--address"):
        compose._bind(address, "--address", count)
