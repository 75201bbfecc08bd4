"""Session tokens: what is sealed comes back, and nothing else is ever opened."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.identity import sessions
from zakrom.identity.sessions import Sealer, Session

SEALER = Sealer(b"k" * 32, secrets.token_bytes)
SESSION = Session("ASIAX", "secret", "role", "c" * 64, "AROAX", "name", 1, 2)


@given(st.text(max_size=2048), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=5))
def test_a_token_is_the_session(policy: str, tags: list[tuple[str, str]]) -> None:
    """Whatever it holds."""
    session = Session("ASIAX", "secret", "role", "c" * 64, "AROAX", "name", 1, 2, (policy,), (), tuple(tags))
    assert Sealer(b"k" * 32, secrets.token_bytes).open(SEALER.seal(session)) == session


@given(st.data())
def test_a_changed_token_is_none(data: st.DataObject) -> None:
    """One bit suffices."""
    token = SEALER.seal(SESSION)
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("ABCabc0189-_").filter(lambda letter: letter != token[place]))
    with pytest.raises(errors.InvalidToken):
        SEALER.open(token[:place] + other + token[place + 1 :])


@given(st.text(max_size=200))
def test_text_is_no_token(text: str) -> None:
    """Whatever comes in the header."""
    with pytest.raises(errors.InvalidToken):
        SEALER.open(text)


def test_another_servers_token_is_none() -> None:
    """The key is the server's."""
    with pytest.raises(errors.InvalidToken):
        Sealer(b"o" * 32, secrets.token_bytes).open(SEALER.seal(SESSION))


def test_too_much_is_refused_when_it_is_sealed() -> None:
    """What would not fit into a header is told to whoever asks for it, not to whoever sends it."""
    noise = secrets.token_hex(sessions.TOKEN_CHARACTERS_MAX)
    with pytest.raises(errors.PackedPolicyTooLarge):
        SEALER.seal(Session("ASIAX", "secret", "role", "c", "AROAX", "name", 1, 2, (noise,)))


def test_a_bounded_number_is_remembered_open() -> None:
    """Sessions come and go; memory stays."""
    sealer = Sealer(b"k" * 32, secrets.token_bytes)
    tokens = [SEALER.seal(SESSION) for _ in range(sessions.OPENED_MAX + 5)]
    for token in tokens:
        sealer.open(token)

    assert len(sealer._opened) == sessions.OPENED_MAX
    assert tokens[-1] in sealer._opened
