"""Certificates for tests, made anew each time."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme

DAY = datetime.timedelta(days=1)


def write_pair(authority: trustme.CA, cert: Path, key: Path, *names: str, days: float = 365) -> None:
    """Writes a chain and its key; days: until it ends, negative for one that has."""
    now = datetime.datetime.now(datetime.UTC)
    leaf = authority.issue_cert(*(names or ("localhost",)), not_before=now - 400 * DAY, not_after=now + days * DAY)
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
