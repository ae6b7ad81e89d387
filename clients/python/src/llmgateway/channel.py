"""How the client reaches a gateway: channel options, retries, TLS, and when a key may be sent."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 600.0
"""Seconds. Long answers take minutes; Google's own service configurations of generateContent give as much."""

SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": "llmgateway.v1.LLMGateway"}],
                # UNAVAILABLE, and what a gateway that stops says of a call it never saw (gRPC's server, CANCELLED): every other code
                # says that the same call would fail again or would be billed twice. A call that its own caller cancels is over.
                # A stream is retried only until its headers arrive (gRFC A6); the server sends them with its first event.
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
)

Option = tuple[str, Any]

_OPTIONS: tuple[Option, ...] = (
    ("grpc.service_config", SERVICE_CONFIG),
    # What a gateway answers by name and size when it is too large: twice its own limit, by default. Beyond that it would answer barely.
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A model may think for minutes without a byte; pings find a dead path meanwhile. A gateway allows one every 10 s.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.primary_user_agent", "llmgateway-python"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Files of a TLS connection, all PEM.

    ca_file: certificates to trust instead of the default ones.
    cert_file, key_file: the client's certificate chain and private key, where the gateway asks for one (mTLS).
    """

    ca_file: str | Path | None = None
    cert_file: str | Path | None = None
    key_file: str | Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """The credentials, read from the files now. Raises OSError when a file cannot be read."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca_file),
            private_key=_read(self.key_file),
            certificate_chain=_read(self.cert_file),
        )


def _read(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


def channel_credentials(tls: bool | TLS | grpc.ChannelCredentials) -> grpc.ChannelCredentials | None:
    """Credentials of the channel; None is plaintext."""
    if tls is False:
        return None
    if tls is True:
        return TLS().credentials()
    return tls.credentials() if isinstance(tls, TLS) else tls


def channel_options(address: str, overrides: Sequence[Option] = ()) -> list[Option]:
    """The channel's options; an override replaces the default of the same name."""
    options = dict(_OPTIONS)
    if is_local(address):
        options["grpc.enable_http_proxy"] = 0  # a proxy named by the environment has no business on this machine
    options.update(overrides)
    return list(options.items())


_URLS = ("http", "https", "grpc", "grpcs")
_TARGET_SCHEMES = ("unix", "unix-abstract", "dns", "ipv4", "ipv6", "vsock", "xds")


def check_address(address: str) -> None:
    """Raises ValueError, with what would be right, for an address that gRPC would take and never reach: a URL, a bare port, no port number."""
    scheme, colon, rest = address.partition(":")
    if colon and scheme.lower() in _URLS and rest.startswith("//"):
        authority = rest[2:].partition("/")[0] or DEFAULT_ADDRESS
        authority = authority if re.search(r":\d+$", authority) else f"{authority}:50051"
        secured = " and tls=True" if scheme.lower() in ("https", "grpcs") else ""
        raise ValueError(f"the address {address} is a URL; gRPC takes host:port: write {authority}{secured}")
    if address.isdigit() or address.startswith(":"):
        raise ValueError(
            f"the address {address} names no host; write host:port, such as 127.0.0.1:{address.lstrip(':') or 50051}"
        )
    if colon and scheme not in _TARGET_SCHEMES and address.count(":") == 1:
        port = rest.partition("/")[0]
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"the address {address} has no port number after the colon; write {scheme}:50051, say")
        if port != rest:
            raise ValueError(f"the address {address} has a path; gRPC takes host:port: write {scheme}:{port}")


def is_local(address: str) -> bool:
    """Whether a gRPC target (https://grpc.github.io/grpc/core/md_doc_naming.html) surely stays on this machine."""
    scheme, colon, rest = address.partition(":")
    if scheme in {"unix", "unix-abstract"}:
        return True
    if colon and scheme == "dns":
        if rest.startswith("//"):
            authority, _, rest = rest[2:].partition("/")
            if authority:
                return False
    elif not (colon and scheme in {"ipv4", "ipv6"}):
        rest = address
    return all(_is_loopback(endpoint) for endpoint in rest.split(","))


def _is_loopback(endpoint: str) -> bool:
    if endpoint.startswith("["):
        host = endpoint[1:].partition("]")[0]
    else:
        host = endpoint.rpartition(":")[0] if endpoint.count(":") == 1 else endpoint
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
