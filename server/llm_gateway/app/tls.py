"""The server's certificate, which may be renewed while it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from llm_gateway import config
from llm_gateway.config import pem
from llm_gateway.telemetry import logs

SOON = timedelta(days=14)
REMIND_EVERY = 86_400.0
"""Seconds between two warnings of a certificate that ends within SOON."""


class ServerCertificate:
    """Certificate, key and authorities of clients in force. gRPC asks for them before each handshake; connections that are open stay.

    Whether clients must show a certificate is settled at the start.
    """

    def __init__(self, tls: config.ServerTls) -> None:
        """Raises OSError for files that cannot be read."""
        self._tls = tls
        self._given = self._current = _read(tls)

    def credentials(self) -> grpc.ServerCredentials:
        """For one port."""
        return grpc.dynamic_ssl_server_credentials(
            self._current,
            self._changed,  # type: ignore[arg-type]  # the stubs do not know None
            require_client_authentication=self._tls.client_ca_file is not None,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What handshakes take from now on; None: as before. Called in gRPC's threads."""
        current = self._current
        if current is self._given:
            return None
        self._given = current
        return current

    def renewed(self, tls: config.ServerTls | None) -> Callable[[], None]:
        """What has new connections served by these files when it is called. Where TLS as such, or the demand for clients' certificates, comes
        or goes, everything stays. Raises ConfigError or OSError."""
        if tls is None or tls == self._tls or (tls.client_ca_file is None) != (self._tls.client_ca_file is None):
            return lambda: None
        current = _read(tls)

        def take() -> None:
            self._tls, self._current = tls, current
            logs.log().info("certificate taken", file=str(tls.cert_file), ends=_day(self.ends()))

        return take

    def ends(self) -> datetime | None:
        """When the certificate does; None where that cannot be read."""
        return pem.ends(self._tls.cert_file) if self._tls.cert_file is not None else None

    async def remind(self) -> None:
        """Warn once a day while the certificate is about to end."""
        while True:
            ends = await asyncio.to_thread(self.ends)
            if ends is not None and ends < datetime.now(UTC) + SOON:
                logs.log().warning("certificate ends soon", file=str(self._tls.cert_file), ends=_day(ends))
            await asyncio.sleep(REMIND_EVERY)


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at is not None else "unknown"


def _read(tls: config.ServerTls) -> grpc.ServerCertificateConfiguration:
    def content(field: str) -> bytes:
        file = getattr(tls, field)
        data = Path(file).read_bytes()
        if isinstance(file, config.File) and not file.holds(data):
            wrong = "was written again while it was read"
            raise config.ConfigError([config.ConfigProblem(file=file, key=f"server.tls.{field}", wrong=wrong)])
        return data

    authorities = content("client_ca_file") if tls.client_ca_file is not None else None
    return grpc.ssl_server_certificate_configuration(
        [(content("key_file"), content("cert_file"))], root_certificates=authorities
    )
