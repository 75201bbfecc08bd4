"""TLS for both adapters: TLS 1.2 and later, ALPN http/1.1, and a certificate that is replaced without a restart.

The files are looked at when a client says hello, at most once a second. A new pair is loaded into a new context; if it cannot
be used (a half-written renewal), the old one goes on serving and the log says so once.
"""

from __future__ import annotations

import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

CHECK_SECONDS = 1.0  # a renewal is seen within a second; a stat of two files per second costs nothing
_log = logging.getLogger("zakrom.web.tls")


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate chain and its key, as PEM files."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """A server's context which follows the files. Raises `OSError` or `ssl.SSLError` if they cannot be used now."""
        context = _load(self)
        watch = _Watch(self, context)
        context.sni_callback = watch.hello
        return context


def _load(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def _stamp(tls: Tls) -> tuple[int, ...]:
    """What changes when one of the files is replaced or rewritten."""
    facts = (tls.certificate.stat(), tls.key.stat())
    return tuple(number for fact in facts for number in (fact.st_mtime_ns, fact.st_ino, fact.st_size))


class _Watch:
    """Gives each new client the newest usable context."""

    def __init__(self, tls: Tls, context: ssl.SSLContext) -> None:
        self._tls = tls
        self._context = context
        self._stamp = _stamp(tls)
        self._checked = time.monotonic()

    def hello(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _first: ssl.SSLContext) -> None:
        """OpenSSL's hook for a ClientHello, called with or without a server name."""
        now = time.monotonic()
        if now - self._checked >= CHECK_SECONDS:
            self._checked = now
            self._look()
        connection.context = self._context

    def _look(self) -> None:
        try:
            stamp = _stamp(self._tls)
            if stamp == self._stamp:
                return
            self._stamp = stamp  # also when it fails: one line in the log for each change
            self._context = _load(self._tls)
        except (OSError, ssl.SSLError) as error:
            _log.warning("the new TLS certificate cannot be used, the old one stays: %s", error)
        else:
            _log.info("the TLS certificate was replaced")
