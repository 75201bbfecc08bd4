"""`zakrom.testing.certificates`: a chain that strict clients accept."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from zakrom.testing.certificates import make_certificates


def test_the_chain_verifies(tmp_path: Path) -> None:
    """The leaf is signed by the authority, is valid for loopback, and its key is private."""
    made = make_certificates(tmp_path)
    verified = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-verify_ip", "127.0.0.1", "-CAfile", made.authority, made.certificate],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(made.certificate, made.key)

    assert verified.stdout.strip().endswith("OK"), verified.stderr
    assert made.key.stat().st_mode & 0o077 == 0
    assert not (tmp_path / "authority-key.pem").exists()


def test_without_openssl_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the command gets a sentence, not a traceback of a missing file."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="openssl command"):
        make_certificates(tmp_path)
