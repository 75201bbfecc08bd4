"""Certificates for tests over https: a small authority of its own, and a leaf for this machine's names signed by it.

A leaf that signs itself would be shorter, but rustls refuses an authority as a leaf and Python 3.13 asks for key
identifiers, so the chain is made as a real one is. The ``openssl`` command makes it (OpenSSL or LibreSSL): the package
itself needs no cryptography library.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

VALID_DAYS = 30
"""Long enough for any test run, short enough that a forgotten authority trusts nothing for long."""

OPENSSL_SECONDS = 30.0
"""Two key pairs on P-256 take milliseconds; a machine that needs longer than this is stuck."""

_NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1"
_CONFIGURATION = f"""
[req]
distinguished_name = name
prompt = no
[name]
CN = Zakrom test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {_NAMES}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files: what a server shows (``certificate``, ``key``) and what its clients must trust (``authority``)."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make an authority and a certificate for ``localhost``, ``127.0.0.1`` and ``::1``, valid for `VALID_DAYS`.

    Raises:
        RuntimeError: there is no ``openssl`` command, or it failed; the message has its own words.
    """
    made = Certificates(directory / "authority.pem", directory / "certificate.pem", directory / "key.pem")
    configuration, authority_key, request = (directory / name for name in ("openssl.cnf", "authority-key.pem", "request.pem"))
    configuration.write_text(_CONFIGURATION)
    pair = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", configuration)
    days = ("-sha256", "-days", VALID_DAYS)
    _openssl("req", "-x509", *pair, *days, "-extensions", "authority", "-subj", "/CN=Zakrom test authority",
             "-keyout", authority_key, "-out", made.authority)  # fmt: skip
    _openssl("req", *pair, "-subj", "/CN=localhost", "-keyout", made.key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", made.authority, "-CAkey", authority_key, "-set_serial", 2, *days,
             "-extfile", configuration, "-extensions", "leaf", "-out", made.certificate)  # fmt: skip
    made.key.chmod(0o600)
    authority_key.unlink()  # nothing else will be signed
    return made


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=OPENSSL_SECONDS, check=False)
    except FileNotFoundError:
        raise RuntimeError("https in tests needs the openssl command, and there is none on PATH") from None
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
